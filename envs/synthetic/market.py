"""SyntheticMarket: days as windows into one generated log, with levels, shocks and overlays."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch, SourceDays
from bidpilot.envs.synthetic import effects
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.envs.synthetic.day_levels import DayLevels
from bidpilot.envs.synthetic.draws import DayDraws, Matrix
from bidpilot.envs.synthetic.generate import SEGMENTS, generate_log, segment_shares
from bidpilot.envs.synthetic.sources import bad_sources, source_days


class SyntheticMarket:
    """The synthetic market; it yields days of auctions from `config` and a seed sequence.

    The log is drawn once from `seed`; a day is a window into it that starts at a random auction, with
    the day's traffic, value and price levels. The same seed gives the same log and the same uniforms
    the same day, bit for bit. A slot holds at most `log_auctions / slots` auctions (at least four
    times the mean). Budget and conversion value of its days are NaN: the campaign decides them, and
    `config.budget` and `config.conversion_value` are sensible defaults for it.

    Raises `InvalidMarket` for parameters out of range, before any work.
    """

    def __init__(self, config: SyntheticConfig, seed: np.random.SeedSequence, name: str = "synthetic") -> None:
        # a model_copy(update=...) skips validation
        self._config = SyntheticConfig(**config.model_dump())
        if not isinstance(seed, np.random.SeedSequence):
            raise InvalidMarket(f"seed is {seed!r}: pass a numpy.random.SeedSequence([domain, seed])")
        self._log = generate_log(self._config, np.random.default_rng(seed), name)
        self._draws = DayDraws(
            slots=config.slots,
            blocks=config.slots // config.level_slots,
            half_blocks=config.slots // config.traffic_slots,
            segments=len(SEGMENTS),
            burst_sources=config.invalid_burst_sources,
        )
        demand = effects.resampled_curve(config.demand_curve, config.slots)
        self._demand = config.auctions_per_slot * demand  # (T,) auctions
        profile = effects.jump_profile(config.price_jump, config.price_jump_decay, config.level_slots)
        price = effects.resampled_curve(config.price_curve, config.slots)
        self._price_curve = price * np.tile(profile, config.slots // config.level_slots)  # (T,)
        self._shares = segment_shares(config)  # (S,)
        self._source_shares = _shares_by_source(self._log)  # (S, C)
        self._bad_sources = bad_sources(config, seed, self._source_shares.sum(axis=0))  # (C,)
        self._greatest_exposure = float(self._log.exposure.max())

    @property
    def config(self) -> SyntheticConfig:
        """The market's parameters."""
        return self._config

    @property
    def log(self) -> AuctionLog:
        """The columns that the days are windows into, at unit level."""
        return self._log

    @property
    def slots(self) -> int:
        """Slots per day, T."""
        return self._config.slots

    @property
    def draws(self) -> int:
        """Standard uniforms that one day is made from."""
        return self._draws.total

    @property
    def level_slots(self) -> int:
        """Slots over which a value level lasts; divides T."""
        return self._config.level_slots

    @property
    def draws_outcomes(self) -> bool:
        """True: realised outcomes are drawn from the true expectations."""
        return True

    @property
    def digest(self) -> str:
        """Hex digest of the parameters and the log's columns, 32 digits."""
        return hashlib.blake2b(f"{self._config.digest}{self._log.digest}".encode(), digest_size=16).hexdigest()

    def days(self, uniforms: Matrix) -> DayBatch:
        """Make B days from `uniforms` (B, draws) in [0, 1); the same row gives the same day.

        Raises `InvalidMarket` when the shape or the range is wrong.
        """
        self._check(uniforms)
        rows = uniforms.shape[0]
        keep, thinning = self._segment_demand(uniforms)
        sources = source_days(self._config, self._draws, uniforms, self._bad_sources)
        count = self._counts(uniforms, thinning * self._source_demand(keep, sources))
        value_level, price_level = effects.block_levels(self._config, self._draws, uniforms)
        invalid_share, invalid_source = effects.invalid_burst(self._config, self._draws, uniforms)
        undecided = np.full(rows, np.nan)
        return DayBatch(
            start=self._starts(uniforms, count),
            count=count,
            keep=keep,
            price_scale=self._price_scale(uniforms, price_level),
            value_scale=self._value_scale(uniforms, value_level),
            calibration=self._calibration(uniforms),
            invalid_share=invalid_share,
            invalid_source=invalid_source,
            salt=self._draws.salt(uniforms),
            budget=undecided,
            conversion_value=undecided.copy(),
            max_cpa=undecided.copy(),
            sources=sources,
            date=self._dates(uniforms),
            uniforms=uniforms,
        )

    @property
    def demand(self) -> NDArray[np.float64]:
        """Auctions (T,) that a slot has at level 1."""
        return self._demand

    @property
    def price_curve(self) -> NDArray[np.float64]:
        """Price level (T,) of a slot where all others are 1; mean 1."""
        return self._price_curve

    def levels(self, uniforms: Matrix) -> DayLevels:
        """The levels that `days` makes days of `uniforms` (B, draws) from: for references, which are told them."""
        return DayLevels.of(self._config, self._draws, uniforms)

    def _dates(self, uniforms: Matrix) -> NDArray[np.int64] | None:
        """Dates (B,) of the days' weekdays; None where all days are alike."""
        return effects.dates(self._draws, uniforms) if self._config.weekly_curve else None

    def _check(self, uniforms: Matrix) -> None:
        if uniforms.ndim != 2 or uniforms.shape[1] != self.draws:
            raise InvalidMarket(f"uniforms have shape {uniforms.shape}: give (days, {self.draws})")
        if not (np.all(uniforms >= 0.0) and np.all(uniforms < 1.0)):
            raise InvalidMarket("uniforms lie outside [0, 1) or are NaN: draw them with Generator.random")

    def _counts(self, uniforms: Matrix, thinning: Matrix) -> NDArray[np.int64]:
        """Auctions in each slot's window, (B, T); more where segments or sources are thinned, so that demand stays."""
        mean = self._demand * effects.traffic(self._config, self._draws, uniforms) / thinning
        if self._config.arrival_noise > 0.0:
            mean += self._config.arrival_noise * np.sqrt(mean) * self._draws.normal(uniforms, "arrivals")
        return np.clip(np.rint(mean), 0, self._config.log_auctions // self.slots).astype(np.int64)

    def _starts(self, uniforms: Matrix, count: NDArray[np.int64]) -> NDArray[np.int64]:
        """A day reads consecutive auctions from a random one on: any part of the log is like any other."""
        last = np.cumsum(count, axis=1)
        room = self._config.log_auctions - last[:, -1:] + 1
        first = np.floor(self._draws.uniform(uniforms, "window") * room).astype(np.int64)
        return np.asarray(first + last - count)

    def _segment_demand(self, uniforms: Matrix) -> tuple[NDArray[np.float32] | None, Matrix]:
        """Share of each segment's auctions that arrive, (B, T, S), and the share of all, (B, 1)."""
        std = self._config.segment_demand_std
        if std == 0.0:
            return None, np.ones((uniforms.shape[0], 1))
        score = self._draws.normal(uniforms, "segment_demand")
        keep = np.exp(std * (score - score.max(axis=1, keepdims=True)))
        arriving = (keep * self._shares).sum(axis=1, keepdims=True)
        return np.repeat(keep.astype(np.float32)[:, None, :], self.slots, axis=1), arriving

    def _source_demand(self, keep: NDArray[np.float32] | None, sources: SourceDays | None) -> Matrix:
        """Share of all auctions that thinning by source leaves of what thinning by segment does, (B, T) or (1, 1)."""
        if sources is None:
            return np.ones((1, 1))
        rows = len(sources.keep)
        segments = np.tile(self._shares, (rows, 1)) if keep is None else keep[:, 0] * self._shares
        traffic = segments / segments.sum(axis=1, keepdims=True) / self._shares @ self._source_shares  # (B, C)
        return np.asarray(np.einsum("bc,btc->bt", traffic, sources.keep))

    def _price_scale(self, uniforms: Matrix, level: Matrix) -> NDArray[np.float32]:
        """(B, T, S): curve, day, drift, block and surge, times the segment's own level of the day."""
        config, draws = self._config, self._draws
        level = level * self._price_curve
        level *= effects.mean_one(draws.normal(uniforms, "day")[:, 1:2], config.day_price_std)
        level *= effects.drift(draws.normal(uniforms, "drift")[:, 1], config.price_drift_std, self.slots)
        level *= effects.surge(config, draws, uniforms)
        segment = effects.mean_one(draws.normal(uniforms, "segment_price"), config.segment_price_std)
        scale: NDArray[np.float32] = np.einsum("bt,bs->bts", level, segment).astype(np.float32)
        return scale

    def _value_scale(self, uniforms: Matrix, level: Matrix) -> NDArray[np.float32]:
        """(B, T, S): day, drift and block, the same for all segments."""
        config, draws = self._config, self._draws
        level = level * effects.mean_one(draws.normal(uniforms, "day")[:, :1], config.day_value_std)
        level *= effects.drift(draws.normal(uniforms, "drift")[:, 0], config.value_drift_std, self.slots)
        return np.repeat(level.astype(np.float32)[:, :, None], len(SEGMENTS), axis=2)

    def _calibration(self, uniforms: Matrix) -> NDArray[np.float32]:
        """Predicted over true scale, (B, 3); exposure's is held where predictions stay within [0, 1]."""
        std = np.array(self._config.calibration_std)
        factor = np.exp(std * self._draws.normal(uniforms, "calibration") - 0.5 * std * std)
        factor[:, 0] = np.minimum(factor[:, 0], 1.0 / self._greatest_exposure)
        calibration: NDArray[np.float32] = factor.astype(np.float32)
        return calibration


def _shares_by_source(log: AuctionLog) -> Matrix:
    """Share of the log's auctions by segment and source, (S, C); sums to 1."""
    shape = len(log.segments), log.sources
    together = log.segment.astype(np.int64) * log.sources + log.source
    return np.bincount(together, minlength=shape[0] * shape[1]).reshape(shape) / log.n

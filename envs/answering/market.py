"""RivalMarket: days whose market prices are the best bids of rivals."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs import seeding
from bidpilot.envs.answering.bidders import Bidders
from bidpilot.envs.answering.config import RivalMarketConfig
from bidpilot.envs.answering.days import MarketDay, RivalDays
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch, OwnColumns
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.presets import DAILY
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.envs.synthetic.generate import generate_log

FORECAST_DAYS = 64
_SALT = float(2**53)


class RivalMarket:
    """A market of N bidders, of whom the first `played` are played by others and the rest pace themselves.

    The auctions' KPIs, and what an auction is worth to many, are those of a synthetic log of the preset `daily`; each
    rival has its own factor of every auction, and every bidder levels that last for some slots. Rows `g * played` to
    `g * played + played - 1` of a batch of days are the bidders of one market. The market price is the best of the
    others' bids. Before a slot is played it is what the rivals would make it alone: that is what a forecast is fitted
    on, and what the hindsight optimum pays. With `answering` False it stays so: fixed prices, of the same market.

    Predicted values are true, all traffic is valid and of one source, and the campaign decides the budget.

    Raises `InvalidMarket` for parameters out of range, before any work.
    """

    def __init__(
        self,
        config: RivalMarketConfig | None = None,
        seed: np.random.SeedSequence | None = None,
        played: int = 1,
        answering: bool = True,
        name: str = "rivals",
    ) -> None:
        self.config = config or RivalMarketConfig()
        if not 1 <= played <= self.config.bidders:
            raise InvalidMarket(
                f"{played} of {self.config.bidders} bidders cannot be played by others. Give 1 to all of them."
            )
        seed = seed or np.random.SeedSequence([seeding.LOG_TRAINING, 0])
        own, rest = (np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, k)) for k in range(2))
        self.played, self.answering = played, answering
        self._log = _pool_log(self.config, np.random.default_rng(own), name)
        self.bidders = Bidders.drawn(self.config, self._log, np.random.default_rng(rest))
        blocks, stretches = self.config.slots // self.config.level_slots, self.config.slots // self.config.traffic_slots
        sizes = (1, stretches, blocks * self.config.categories, blocks * self.config.bidders)
        self._ends = np.cumsum(sizes)

    @property
    def log(self) -> AuctionLog:
        """The pool that days are drawn from, with the prices of its synthetic log; days have columns of their own."""
        return self._log

    @property
    def slots(self) -> int:
        """Slots per day, T."""
        return self.config.slots

    @property
    def draws(self) -> int:
        """Standard uniforms that one day is made from."""
        return int(self._ends[-1])

    @property
    def level_slots(self) -> int:
        """Slots over which a value level lasts; divides T."""
        return self.config.level_slots

    @property
    def draws_outcomes(self) -> bool:
        """True: realised outcomes are drawn from the true expectations."""
        return True

    @property
    def digest(self) -> str:
        """Hex digest of the parameters, the pool and who is played, 32 digits."""
        text = f"{self.config.digest}{self._log.digest}{self.played}{self.answering}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def days(self, uniforms: NDArray[np.float64]) -> DayBatch:
        """Make B days from `uniforms` (B, draws) in [0, 1), B / `played` markets of the first row of each.

        Raises:
            InvalidMarket: the shape or the range is wrong, or rows do not come in whole markets.
        """
        self._check(uniforms)
        day = self._market_days(uniforms[:: self.played])
        rows, segments = len(uniforms), len(self._log.segments)
        count = np.repeat(day.count, self.played, axis=0)
        total = count.sum(axis=1)
        offset = np.cumsum(total) - total
        level = day.level[:, :, : self.played].transpose(0, 2, 1).reshape(rows, self.slots)
        undecided = np.full(rows, np.nan)
        windows = DayBatch(
            start=offset[:, None] + np.cumsum(count, axis=1) - count,
            count=count,
            keep=None,
            price_scale=np.ones((rows, self.slots, segments), np.float32),
            value_scale=np.repeat(level[:, :, None], segments, axis=2),
            calibration=np.ones((rows, 3), np.float32),
            invalid_share=np.zeros((rows, self.slots), np.float32),
            invalid_source=np.zeros((rows, self.slots), np.int16),
            salt=(uniforms[:, 0] * _SALT).astype(np.uint64) + np.arange(rows, dtype=np.uint64) % np.uint64(self.played),
            budget=undecided,
            conversion_value=undecided.copy(),
            max_cpa=undecided.copy(),
            uniforms=uniforms,
        )
        columns = self._columns(day, offset, total)
        rivals = RivalDays(self.config, self.bidders, self.played, day, columns, windows, self.answering)
        return replace(windows, answers=rivals)

    def _check(self, uniforms: NDArray[np.float64]) -> None:
        if uniforms.ndim != 2 or uniforms.shape[1] != self.draws or len(uniforms) % self.played:
            raise InvalidMarket(
                f"uniforms have shape {uniforms.shape}: give ({self.played} for each market, {self.draws})"
            )
        if not (np.all(uniforms >= 0.0) and np.all(uniforms < 1.0)):
            raise InvalidMarket("uniforms lie outside [0, 1) or are NaN: draw them with Generator.random")

    def _market_days(self, uniforms: NDArray[np.float64]) -> MarketDay:
        """Of G markets, from (G, draws)."""
        config, markets = self.config, len(uniforms)
        window, traffic, category, own = np.split(uniforms, self._ends[:-1], axis=1)
        stretched = np.repeat(1.0 + config.traffic_halfwidth * (2.0 * traffic - 1.0), config.traffic_slots, axis=1)
        count = np.rint(config.auctions_per_slot * stretched).astype(np.int64)
        total = count.sum(axis=1, keepdims=True)
        first = np.floor(window * (config.pool_auctions - total + 1)).astype(np.int64)
        of_category = 1.0 + config.category_halfwidth * (2.0 * category.reshape(markets, -1, config.categories) - 1.0)
        of_own = 1.0 + config.own_halfwidth * (2.0 * own.reshape(markets, -1, config.bidders) - 1.0)
        level = (of_category[:, :, self.bidders.category] * of_own).astype(np.float32)
        return MarketDay(
            start=first + np.cumsum(count, axis=1) - count,
            count=count,
            level=np.repeat(level, config.level_slots, axis=1),
        )

    def _columns(self, day: MarketDay, offset: NDArray[np.int64], total: NDArray[np.int64]) -> OwnColumns:
        """The auctions of every row, one row's after another's."""
        log, size = self._log, int(total.sum())
        bidder = np.repeat(np.arange(len(total)) % self.played, total)
        at = np.arange(size) + np.repeat(np.repeat(day.start[:, 0], self.played) - offset, total)
        # each bidder's KPIs are those of another auction of the pool, and the first one's those of the auction itself
        value = (at + bidder * (self.config.pool_auctions // self.config.bidders)) % self.config.pool_auctions
        return OwnColumns(
            market_price=np.empty(size, np.float32),
            exposure=log.exposure[value],
            interaction=log.interaction[value],
            conversion=log.conversion[value],
            segment=log.segment[at],
            source=np.zeros(size, np.int16),
            invalid=np.zeros(size, np.bool_),
        )


def _pool_log(config: RivalMarketConfig, rng: np.random.Generator, name: str) -> AuctionLog:
    """Auctions at unit level, as those of `daily`; what is predicted is true, and all are of one source."""
    size = config.pool_auctions
    synthetic = SyntheticConfig(**DAILY.model_dump() | {"log_auctions": max(size, 4 * 48 * 200)})
    log = generate_log(synthetic, rng, name)
    return replace(
        log,
        true_exposure=log.exposure,
        true_interaction=log.interaction,
        true_conversion=log.conversion,
        source=np.zeros(log.n, np.int16),
        invalid=np.zeros(log.n, np.bool_),
        sources=1,
    )


@lru_cache(maxsize=4)
def rival_market(
    config: RivalMarketConfig,
    domain: int = seeding.LOG_TRAINING,
    seed: int = 0,
    played: int = 1,
    answering: bool = True,
) -> RivalMarket:
    """The market of a configuration; its bidders are drawn once for each domain and seed."""
    return RivalMarket(config, np.random.SeedSequence([domain, seed]), played, answering)


@lru_cache(maxsize=4)
def rival_forecast(config: RivalMarketConfig, seed: int = 0) -> Forecast:
    """The forecast of a market of rivals, from training days at the prices that rivals make alone."""
    market = rival_market(config, seeding.LOG_TRAINING, seed, answering=False)
    uniforms = seeding.stream(seeding.FORECAST, seed).random((FORECAST_DAYS, market.draws))
    return fit_forecast(market, market.days(uniforms), config.conversion_value)


def rival_campaign(config: RivalMarketConfig) -> Campaign:
    """The default campaign in a market of rivals."""
    return Campaign(budget=config.budget, conversion_value=config.conversion_value)

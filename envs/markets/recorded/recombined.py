"""The recombined replay market: training days chained from blocks of recorded days."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import ndtri

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import MarketWrapper
from bidpilot.envs.markets.recorded.carrying import Carried
from bidpilot.envs.markets.recorded.days import campaign_terms, plain_days
from bidpilot.envs.markets.recorded.measure import RecordedLevels, measure_levels
from bidpilot.envs.markets.recorded.replay import RecordedMarket

Matrix = NDArray[np.float64]

_LEAST_UNIFORM = 2.0**-54  # a uniform of exactly 0 would be an infinite normal score


class RecombinationConfig(BaseModel):
    """How training days are made from recorded ones; the defaults keep the recorded spread of levels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level_slots: int = Field(
        default=8, ge=1, description="slots of one block, over which a value level lasts; divides the day"
    )
    traffic_slots: int = Field(
        default=4, ge=1, description="slots over which a traffic level lasts; divides level_slots"
    )
    sigma_day: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="standard deviation of the log of a day's value level; none: as between recorded days",
    )
    value_breadth: float = Field(
        default=1.0,
        ge=1,
        allow_inf_nan=False,
        description="exponent of block value levels about their median; 1: as recorded",
    )
    sigma_price: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="standard deviation of the log of a day's price level; none: as between recorded days",
    )
    sigma_traffic: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="standard deviation of the log of a day's auctions; none: as between recorded days",
    )
    traffic_breadth: float = Field(
        default=1.0,
        ge=1,
        allow_inf_nan=False,
        description="exponent of traffic levels about their median; 1: as recorded",
    )
    sigma_budget: float = Field(
        default=0.2,
        ge=0,
        allow_inf_nan=False,
        description="standard deviation of the log of budget over recorded budget (tightness)",
    )
    carries: Carried = Field(
        default="rates",
        description="what a block keeps whatever campaign is drawn: its conversion rate, or the money that it is worth",
    )


@dataclass(frozen=True)
class _Layout:
    """Which uniforms of a day decide what; the same whatever the parameters are."""

    slots: int
    blocks: int
    halves: int

    def split(self, uniforms: Matrix) -> dict[str, Matrix]:
        """The named columns, each (B, width)."""
        names = list(self._widths())
        edges = np.cumsum(list(self._widths().values()))[:-1]
        return dict(zip(names, np.split(uniforms, edges, axis=1), strict=True))

    @property
    def total(self) -> int:
        return sum(self._widths().values())

    def _widths(self) -> dict[str, int]:
        return {
            "campaign": 1,
            "salt": 1,
            "scores": 4,  # normal: value, price, traffic of the day; budget
            "donor": self.blocks,
            "value": self.blocks,
            "traffic": self.halves,
            "window": self.slots,
        }


class RecombinedMarket(MarketWrapper):
    """Training days from few recorded ones: blocks of random days with redrawn levels.

    A day is a chain of T / level_slots blocks, each copied from the same time of a random recorded day,
    so intraday curves and the course of prices inside a block stay. Then, each from its own uniforms:

    - value: the block is brought to unit level (divided by its recorded level) and given a level drawn
      from the recorded ones (inverse CDF, interpolated, its exponent widened by `value_breadth`) times
      a log-normal day level. A level is of conversion rates, against the mean of all blocks; where money
      carries over it is of conversion * conversion_value, and a block is then worth the same whatever
      campaign is drawn (interactions have no such price; they are scaled along, as the kernel has one
      value scale).
    - traffic: half-blocks are given redrawn levels in the same way, scaled together so that a day's
      auctions vary as recorded days' do; realised by the length of windows. A shorter window starts
      at a random auction of its slot. A longer one grows on both sides into its block's neighbouring
      slots, where values have the same level and prices are closest, and never out of the block: what
      the block cannot fill is cut.
    - price: a log-normal day level; the recorded day's own level is taken out first.
    - campaign: budget, conversion value and target of a random recorded day, the budget times a
      log-normal factor.

    Outcomes are drawn, since recorded ones do not fit redrawn values.

    Args:
        log: the training log.
        config: every parameter, with its unit.
        days: indices of the recorded days to recombine; all of them where None. Nothing is read of the others.

    Raises:
        InvalidMarket: the block lengths do not divide the day.
    """

    def __init__(
        self, log: AuctionLog, config: RecombinationConfig | None = None, days: ArrayLike | None = None
    ) -> None:
        config = config or RecombinationConfig()
        if log.slots % config.level_slots or config.level_slots % config.traffic_slots:
            raise InvalidMarket(
                f"level_slots {config.level_slots} must divide the log's {log.slots} slots, and "
                f"traffic_slots {config.traffic_slots} must divide level_slots."
            )
        super().__init__(RecordedMarket(log, config.level_slots))
        self.config = config
        self._donors = np.arange(log.n_days) if days is None else np.asarray(days, dtype=np.int64)
        self._offsets = log.offsets[self._donors]
        self.levels: RecordedLevels = measure_levels(
            log, config.level_slots, config.traffic_slots, config.carries, self._donors
        )
        self._layout = _Layout(log.slots, log.slots // config.level_slots, log.slots // config.traffic_slots)
        self._terms = campaign_terms(log)[self._donors]
        self._block_of_slot = np.arange(log.slots) // config.level_slots
        self._half_of_slot = np.arange(log.slots) // config.traffic_slots

    @property
    def draws(self) -> int:
        """Standard uniforms per day."""
        return self._layout.total

    @property
    def draws_outcomes(self) -> bool:
        """True: recorded outcomes do not fit redrawn values."""
        return True

    @property
    def digest(self) -> str:
        """Hex digest of the log, the parameters, and the days where they are not all."""
        whole = np.array_equal(self._donors, np.arange(self.log.n_days))
        chosen = "" if whole else f":{self._donors.tolist()}"
        text = f"recombined:{self.config.model_dump_json()}:{self.log.digest}{chosen}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def days(self, uniforms: NDArray[np.float64]) -> DayBatch:
        """Make B days from uniforms (B, draws) in [0, 1); the same row gives the same day.

        Raises:
            InvalidMarket: the shape or a value is not that.
        """
        if uniforms.ndim != 2 or uniforms.shape[1] != self.draws:
            raise InvalidMarket(f"The uniforms have shape {uniforms.shape}; give (B, {self.draws}).")
        if not ((uniforms >= 0) & (uniforms < 1)).all():
            raise InvalidMarket("A uniform is not in [0, 1). Draw them with Generator.random.")
        draws = self._layout.split(uniforms)
        scores = ndtri(np.maximum(draws["scores"], _LEAST_UNIFORM))
        donor = _pick(draws["donor"], len(self._donors))  # (B, blocks)
        campaign = _pick(draws["campaign"], len(self._donors))[:, 0]
        terms = self._terms[campaign]
        terms[:, 0] *= np.exp(self.config.sigma_budget * scores[:, 3])
        value = self._value_scale(draws["value"], scores[:, 0], donor, campaign)
        price = self._price_scale(scores[:, 1], donor)
        start, count = self._windows(draws, scores[:, 2], donor)
        return plain_days(
            self.log,
            start,
            count,
            salt=(draws["salt"][:, 0] * 2.0**53).astype(np.uint64),
            terms=terms,
            value_scale=value[:, self._block_of_slot],
            price_scale=price[:, self._block_of_slot],
        )

    def _value_scale(self, draw: Matrix, day: Matrix, donor: NDArray[np.int64], campaign: NDArray[np.int64]) -> Matrix:
        """What a block's values are multiplied by, (B, blocks)."""
        levels, config = self.levels, self.config
        sigma = levels.day_value_sigma if config.sigma_day is None else config.sigma_day
        logs = _inverse_cdf(levels.value_spread, draw) * config.value_breadth
        level = np.exp(levels.value_median + logs + sigma * day[:, None])
        blocks = np.arange(self._layout.blocks)
        unit = np.where(levels.value_known[donor, blocks], level / levels.value[donor, blocks], 1.0)
        # In money, the block's is kept although the campaign's conversion value is another one.
        scale: Matrix = unit * levels.value_worth[donor] / levels.value_worth[campaign][:, None]
        return scale

    def _price_scale(self, day: Matrix, donor: NDArray[np.int64]) -> Matrix:
        """What a block's prices are multiplied by, (B, blocks)."""
        sigma = self.levels.day_price_sigma if self.config.sigma_price is None else self.config.sigma_price
        scale: Matrix = np.exp(sigma * day[:, None] - self.levels.price_effect[donor])
        return scale

    def _traffic_ratio(self, draw: Matrix, day: Matrix, donor: NDArray[np.int64]) -> Matrix:
        """Redrawn over recorded traffic of each half-block, (B, halves)."""
        levels, config = self.levels, self.config
        sigma = levels.day_traffic_sigma if config.sigma_traffic is None else config.sigma_traffic
        logs = _inverse_cdf(levels.traffic_spread, draw) * config.traffic_breadth
        level = np.exp(levels.traffic_median + logs)
        usual = levels.traffic_mean.sum()
        level *= (np.exp(sigma * day) * usual / (level @ levels.traffic_mean))[:, None]
        halves = np.arange(self._layout.halves)
        donor_of_half = donor[:, self._block_of_slot[:: config.traffic_slots]]
        ratio: Matrix = level / levels.traffic[donor_of_half, halves]
        return ratio

    def _windows(
        self, draws: dict[str, Matrix], day: Matrix, donor: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First auction and number of auctions of each slot's window, both (B, T)."""
        ratio = self._traffic_ratio(draws["traffic"], day, donor)[:, self._half_of_slot]
        donor = donor[:, self._block_of_slot]
        slot = np.arange(self.slots)
        first = self._offsets[donor, slot]
        recorded = self._offsets[donor, slot + 1] - first
        block_slot = self._block_of_slot * self.level_slots
        block_first = self._offsets[donor, block_slot]
        block_last = self._offsets[donor, block_slot + self.level_slots]
        count = np.minimum(np.rint(recorded * ratio).astype(np.int64), block_last - block_first)
        spare = np.maximum(recorded - count, 0)
        shorter = first + np.minimum((draws["window"] * (spare + 1)).astype(np.int64), spare)
        longer = np.clip(first - (count - recorded) // 2, block_first, block_last - count)
        return np.where(count <= recorded, shorter, longer), count


def _pick(draw: Matrix, days: int) -> NDArray[np.int64]:
    return np.minimum((draw * days).astype(np.int64), days - 1)


def _inverse_cdf(sorted_values: Matrix, draw: Matrix) -> Matrix:
    """Quantiles of a sample, interpolated, for uniforms of any shape."""
    ranks = np.arange(len(sorted_values), dtype=np.float64)
    return np.interp(draw * (len(sorted_values) - 1), ranks, sorted_values)

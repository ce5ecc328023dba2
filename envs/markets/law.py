"""The law of a synthetic market: how its levels vary, and what bids win at each; all but what a day will bring.

Levels are drawn from the market itself, thousands of days of them, and curves taken over its whole log. A bidder knows
neither; references and teachers are told both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.kpi import CONVERSION, EXPOSURE, INTERACTION
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import BidLandscape
from bidpilot.bidding.landscape.unit_curves import SegmentTerms, unit_curves
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.envs.synthetic.day_levels import PRICE, TRAFFIC, VALUE, DayLevels

DAYS: Final = 4096
"""Days that a law's levels are drawn from."""
AUCTIONS: Final = 1 << 18
"""Of a market's log, at most, that curves are taken over: evenly spaced ones."""
_SEED = 0x1A3
_VALUE_NODES, _PRICE_NODES, _TRAFFIC_NODES = 10, 6, 3
_LEAST = 2.0**-16
_PER_OCTAVE = 8  # value levels that curves are taken at


@runtime_checkable
class LawfulMarket(Protocol):
    """A market whose law is known: one that levels can be drawn from."""

    @property
    def config(self) -> SyntheticConfig:
        """The market's parameters."""

    @property
    def log(self) -> AuctionLog:
        """Its auctions, at unit level."""

    @property
    def draws(self) -> int:
        """Standard uniforms that one day is made from."""

    @property
    def demand(self) -> NDArray[np.float64]:
        """Auctions (T,) that a slot has at level 1."""

    @property
    def price_curve(self) -> NDArray[np.float64]:
        """Price level (T,) of a slot where all others are 1."""

    def levels(self, uniforms: NDArray[np.float64]) -> DayLevels:
        """The levels of the days that are made from `uniforms`."""


@dataclass(frozen=True)
class Law:
    """How the levels of a market's days vary. Blocks are taken as independent of each other, given the day."""

    demand: NDArray[np.float64]  # (T,) auctions at level 1
    price_curve: NDArray[np.float64]  # (T,)
    level_slots: int  # slots of a block
    traffic_slots: int  # slots over which a traffic level lasts, within a block
    value: NDArray[np.float64]  # (K,) equally likely pairs of a block's value level ...
    price: NDArray[np.float64]  # (K,) ... and price level, relative to the day's
    traffic: NDArray[np.float64]  # (J,) equally likely levels of traffic, relative to the day's
    unshaken: NDArray[np.float64]  # (T,) share of the traffic of later blocks that shocks are expected to leave, from
    # those that have not begun before slot t; at a block's first slot it is one of the later ones
    value_range: tuple[float, float]  # least and greatest value level of a slot

    @classmethod
    def of(cls, market: LawfulMarket) -> Law:
        """The law of a market, from `DAYS` days of its levels."""
        config = market.config
        uniforms = np.random.default_rng(_SEED).random((DAYS, market.draws))
        levels = market.levels(uniforms)
        block = np.s_[:, :: config.level_slots]
        value, price = (levels.now[k][block] / levels.lasting[k][block] for k in (VALUE, PRICE))
        calm = levels.now[TRAFFIC] / (levels.lasting[TRAFFIC] * levels.shock)
        traffic_slots = int(np.gcd(config.traffic_slots, config.level_slots))
        pairs = _nodes(value.ravel(), price.ravel())
        return cls(
            demand=market.demand,
            price_curve=market.price_curve,
            level_slots=config.level_slots,
            traffic_slots=traffic_slots,
            value=pairs[0],
            price=pairs[1],
            traffic=_means(np.sort(calm[:, ::traffic_slots].ravel()), _TRAFFIC_NODES),
            unshaken=_unshaken(levels.shock, market.demand, config.level_slots),
            value_range=(float(levels.now[VALUE].min()), float(levels.now[VALUE].max())),
        )

    @property
    def slots(self) -> int:
        """Slots per day, T."""
        return len(self.demand)

    @property
    def blocks(self) -> int:
        """Blocks of a day."""
        return self.slots // self.level_slots


def _means(ordered: NDArray[np.float64], groups: int) -> NDArray[np.float64]:
    """Means (groups,) of equal parts of what is ordered; one where all is the same."""
    groups = groups if ordered[-1] - ordered[0] > 1e-9 else 1
    return np.array([part.mean() for part in np.array_split(ordered, groups)])


def _nodes(value: NDArray[np.float64], price: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Equally likely pairs (K,) that stand for draws: by value, and by price among draws of like value."""
    values, prices = [], []
    spread = float(np.ptp(value)) > 1e-9, float(np.ptp(price)) > 1e-9
    for alike in np.array_split(np.argsort(value, kind="stable"), _VALUE_NODES if spread[0] else 1):
        by_price = alike[np.argsort(price[alike], kind="stable")]
        for part in np.array_split(by_price, _PRICE_NODES if spread[1] else 1):
            values.append(value[part].mean())
            prices.append(price[part].mean())
    return np.array(values), np.array(prices)


def _unshaken(shock: NDArray[np.float64], demand: NDArray[np.float64], level_slots: int) -> NDArray[np.float64]:
    """`Law.unshaken` (T,) from the shocks of days (D, T)."""
    share = np.ones(len(demand))
    for t in range(len(demand)):
        later = -(-t // level_slots) * level_slots
        calm = shock[:, t - 1] == 1.0 if t else np.ones(len(shock), np.bool_)
        if calm.any() and later < len(demand):
            share[t] = float((shock[calm, later:] @ demand[later:]).mean() / demand[later:].sum())
    return share


@dataclass(frozen=True)
class LawCurves:
    """Spend per auction at price level 1, by value level and scale, for U directions."""

    log_value: NDArray[np.float64]  # (V,) log2 of the value level, evenly spaced
    spend: NDArray[np.float64]  # (U, V, POINTS) currency
    share: NDArray[np.float64]  # (U, 3) of each KPI in the mean bid at value level 1

    @classmethod
    def of(
        cls,
        market: LawfulMarket,
        law: Law,
        direction: NDArray[np.float64],
        first_price: NDArray[np.bool_],
        shading: NDArray[np.float64] | None,
        terms: SegmentTerms | None,
    ) -> LawCurves:
        """Curves of directions (U, 3), currency per unit of KPI at scale 1, as `unit_curves` takes them."""
        log = market.log
        pick = np.s_[:: max(1, -(-log.n // AUCTIONS))]
        kpi = np.stack([log.exposure[pick], log.interaction[pick], log.conversion[pick]], axis=1).astype(np.float64)
        price, segment = log.market_price[pick].astype(np.float64), log.segment[pick].astype(np.int16)
        low, high = (np.log2(level) * _PER_OCTAVE for level in law.value_range)
        log_value = np.arange(np.floor(low) - 4, np.ceil(high) + 5) / _PER_OCTAVE
        spend = np.empty((len(direction), len(log_value), curves.POINTS))
        for v, level in enumerate(np.exp2(log_value)):
            at_level = kpi * np.array([1.0, level, level])
            land = BidLandscape(price, at_level, segment, np.full(len(price), 1.0 / len(price)))
            spend[:, v] = unit_curves(land, direction, first_price, shading, terms).spend
        mean = direction * kpi.mean(axis=0)
        return cls(log_value, spend, mean / mean.sum(axis=1, keepdims=True))

    def at(self, u: NDArray[np.int64], level: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B, POINTS) curves of directions `u` (B,) at value levels (B,), linear in the level's logarithm."""
        last = len(self.log_value) - 1
        place = np.clip((np.log2(level) - self.log_value[0]) * _PER_OCTAVE, 0.0, last)
        low = np.minimum(place.astype(np.int64), last - 1)
        part = (place - low)[:, None]
        between: NDArray[np.float64] = (1.0 - part) * self.spend[u, low] + part * self.spend[u, low + 1]
        return between

    def mean_bid(self, u: NDArray[np.int64], level: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B,) mean bid at value levels (B,), relative to that at level 1: exposure does not move with the level."""
        fixed = self.share[u, EXPOSURE]
        bid: NDArray[np.float64] = fixed + (1.0 - fixed) * level
        return bid

    def seen_level(
        self, u: NDArray[np.int64], level: NDArray[np.float64], calibration: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Value levels (B,) whose mean bids are those of predictions off by `calibration` (B, 3) at `level` (B,)."""
        own = self.share[u]
        moving = own[:, INTERACTION] + own[:, CONVERSION]
        off = own * (calibration - np.array([1.0, 0.0, 0.0]))
        bid = off[:, EXPOSURE] + (off[:, INTERACTION] + off[:, CONVERSION]) * level
        seen: NDArray[np.float64] = np.divide(bid, moving, out=level.copy(), where=moving > 0)
        return np.maximum(seen, _LEAST)

"""The forecast day in bins: what convex programs and their duals are written on.

A day to come is the landscape's auctions at the levels that training days showed, the same in every
slot but for demand and price level. Auctions of one segment whose value per price is alike share a bin:
`BINS` to a segment lose less than 0.5 % of the best plan's value (held by a test).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidLandscape
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, Forecast
from bidpilot.bidding.rule import Rule, price

BINS = 64
_REACH = 2.0  # octaves of value per price around the margin that inner bins cover; one bin beyond at each end
_MIXES = 4  # groups by make-up where more than one KPI is relevant
_FAR = 24.0  # octaves, in place of infinitely many
_VALUE_GROUPS, _PRICE_GROUPS = 7, 3  # levels of training blocks are grouped by value, then by price


@dataclass(frozen=True)
class BinnedDay:
    """N bins over T slots. Conversions are at the forecast's worth."""

    segment: NDArray[np.int64]  # (N,)
    weight: NDArray[np.float64]  # (N,) share of a slot's auctions; sums to 1; 0 where a bin is empty
    price: NDArray[np.float64]  # (N,) mean of what an auction costs at slot price level 1, currency
    value: NDArray[np.float64]  # (N, 3) mean value
    auctions: NDArray[np.float64]  # (T,) expected per slot
    price_curve: NDArray[np.float64]  # (T,) price level
    segments: tuple[str, ...]  # (S,) names
    charge: NDArray[np.float64]  # (S,) what is paid per threshold, which `price` holds; 1 at second price

    @property
    def demand(self) -> float:
        """Auctions of the day."""
        return float(self.auctions.sum())

    @property
    def market(self) -> float:
        """What all auctions of the day cost, currency."""
        return float((self.auctions @ self.price_curve) * (self.weight @ self.price))

    @property
    def totals(self) -> NDArray[np.float64]:
        """What all auctions of the day bring (3,)."""
        total: NDArray[np.float64] = self.demand * (self.weight @ self.value)
        return total


class Charge(Protocol):
    """What is paid per price of an auction that is won."""

    def __call__(self, auctions: ForecastAuctions, bid: NDArray[np.float64], segments: int) -> NDArray[np.float64]:
        """(S,) for a rule that bids `bid` (P,) before shading."""


@dataclass(frozen=True)
class ForecastAuctions:
    """The un-binned day at slot price level 1: P auctions, each at each level that training days showed.

    A bid before shading wins an auction where it reaches its `price`, and pays that times the segment's charge.
    """

    segment: NDArray[np.int64]  # (P,)
    weight: NDArray[np.float64]  # (P,) share of a slot's auctions, sums to 1
    value: NDArray[np.float64]  # (P, 3) conversions at the forecast's worth
    price: NDArray[np.float64]  # (P,) currency
    charge: Charge | None = None  # none: what is paid is the price
    _mixes: dict[tuple[bool, ...], tuple[NDArray[np.int64], int]] = field(default_factory=dict, repr=False)

    def mix(self, relevant: NDArray[np.bool_]) -> tuple[NDArray[np.int64], int]:
        """A group (P,) for each auction by how its `relevant` (3,) KPIs compare, and the number of groups."""
        key = tuple(bool(r) for r in relevant)
        if key not in self._mixes:
            self._mixes[key] = self._group(relevant) if sum(key) > 1 else (np.zeros(len(self.price), np.int64), 1)
        return self._mixes[key]

    def _group(self, relevant: NDArray[np.bool_]) -> tuple[NDArray[np.int64], int]:
        with np.errstate(divide="ignore"):
            part = np.maximum(np.log2(self.value[:, relevant]), -_FAR)
        part -= part.mean(axis=1, keepdims=True)
        order = np.argsort(-part.var(axis=0), kind="stable")
        mix = np.zeros(len(self.price), np.int64)
        first, second = (_MIXES, 1) if relevant.sum() == 2 else (_MIXES // 2, 2)
        for s in np.unique(self.segment):
            here = np.flatnonzero(self.segment == s)
            mix[here] = second * _quantile_group(part[here, order[0]], first)
            mix[here] += _quantile_group(part[here, order[1]], second)
        return mix, _MIXES


@lru_cache(maxsize=8)
def forecast_auctions(forecast: Forecast) -> ForecastAuctions:
    """The landscape at every level of the training days' blocks, grouped.

    Raises:
        InvalidLandscape: the auctions carry no weight.
    """
    land, (level, share) = forecast.landscape, _level_nodes(forecast)
    if not land.weight.sum() > 0:
        raise InvalidLandscape("the forecast's auctions carry no weight. Fit it on days that have auctions.")
    count = len(share)
    return ForecastAuctions(
        segment=np.repeat(land.segment.astype(np.int64), count),
        weight=(land.weight[:, None] * share).ravel() / land.weight.sum(),
        value=(land.value[:, None, :] * level[None, :, :3]).reshape(-1, 3),
        price=(land.price[:, None] * level[None, :, PRICE_LEVEL]).ravel(),
    )


def bin_auctions(
    forecast: Forecast,
    auctions: ForecastAuctions,
    alpha: NDArray[np.float64],
    multiplier: NDArray[np.float64],
    beta: NDArray[np.float64],
    relevant: NDArray[np.bool_],
    bins: int = BINS,
) -> BinnedDay:
    """The day in `bins` bins per segment, by how far a rule's bid is from the price and by its make-up.

    Bins are finest at the margin, where the rule bids the price: any rule near this one loses next to
    nothing by them. Where several KPIs are `relevant` (3,), each step is shared among `_MIXES` groups of auctions
    with different parts of them, so that coefficients may tilt. `alpha` (3,) is for the forecast's columns,
    `multiplier` and `beta` are (S,).
    """
    count = len(forecast.segments)
    bid = price(Rule(alpha[None], multiplier[None], beta[None]), 0, auctions.value, auctions.segment)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(bid > 0, np.log2(np.maximum(bid, 0.0)) - np.log2(auctions.price), -np.inf)
    mix, mixes = auctions.mix(relevant)
    steps = bins // mixes
    inner = max(steps - 2, 1)
    place = np.clip(np.floor((ratio + _REACH) * (inner / (2 * _REACH))) + 1, 0, steps - 1)
    key = (auctions.segment * steps + place.astype(np.int64)) * mixes + mix
    size = count * steps * mixes
    weight: NDArray[np.float64] = np.bincount(key, auctions.weight, size).astype(np.float64)
    some = np.where(weight > 0, weight, 1.0)
    columns = [np.bincount(key, auctions.weight * column, size) / some for column in auctions.value.T]
    mean_price = np.bincount(key, auctions.weight * auctions.price, size) / some
    segment, charge = np.repeat(np.arange(count), steps * mixes), np.ones(count)
    if auctions.charge is not None:
        charge = auctions.charge(auctions, bid, count)
        mean_price *= charge[segment]
    return BinnedDay(
        segment=segment,
        weight=weight,
        price=mean_price,
        value=np.stack(columns, axis=1),
        auctions=forecast.auctions,
        price_curve=forecast.price_curve,
        segments=forecast.segments,
        charge=charge,
    )


def _quantile_group(values: NDArray[np.float64], groups: int) -> NDArray[np.int64]:
    edges = np.quantile(values, np.arange(1, groups) / groups)
    return np.searchsorted(edges, values, side="right")


def _level_nodes(forecast: Forecast) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Levels (L, 4) of KPI and price on training days' blocks, and their weights (L,)."""
    levels, seen = forecast.block_levels
    level = levels[seen][:, : PRICE_LEVEL + 1]
    order = np.argsort(np.log(np.maximum(level[:, :3], 2.0**-16)).sum(axis=1), kind="stable")
    nodes, weight = [], []
    for group in np.array_split(order, min(_VALUE_GROUPS, len(order))):
        by_price = group[np.argsort(level[group, PRICE_LEVEL], kind="stable")]
        for part in np.array_split(by_price, min(_PRICE_GROUPS, len(by_price))):
            nodes.append(level[part].mean(axis=0))
            weight.append(len(part) / len(order))
    return np.array(nodes), np.array(weight)

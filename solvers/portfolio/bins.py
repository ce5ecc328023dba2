"""Days to come in bins that all campaigns share: an auction is in one bin, so that no plan counts it twice.

Slots enter through their price level alone: a campaign bids the same rule all day, so auctions of one price and
value are alike whenever they come. Auctions of one segment share a bin when the same campaign gains most by them,
at much the same value per price and lead over the next campaign.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.binned import forecast_auctions
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, TRAFFIC_LEVEL, Forecast

Vector = NDArray[np.float64]

SCENARIOS = (5, 4)  # groups of training days by value level, each split by price level
_PARTS = 4  # of a day, by price level or value per price
_REACH = 1.75  # octaves of value per price on either side of the margin


@dataclass(frozen=True)
class Auctions:
    """P kinds of auctions of one day, conversions at the forecast's worth."""

    segment: NDArray[np.int64]  # (P,)
    count: Vector  # (P,) auctions of the day
    price: Vector  # (P,) currency
    value: Vector  # (P, 3)


class Margin(NamedTuple):
    """What C campaigns gain by an auction and what money costs them, in the owner's utility."""

    gain: Vector  # (C, 3) per unit of KPI, conversions at the forecast's worth
    share: Vector  # (C, S) per won exposure: the price of a tail share
    cost: Vector  # (C, S) per currency, > 0


@dataclass(frozen=True)
class Bins:
    """N bins of Z scenario days of equal probability."""

    scenario: NDArray[np.int64]  # (N,)
    segment: NDArray[np.int64]  # (N,)
    count: Vector  # (N,) auctions of the scenario day, > 0
    price: Vector  # (N,) mean, currency
    value: Vector  # (N, 3) mean, conversions at the forecast's worth
    scenarios: int  # Z


class _Grid(NamedTuple):
    """How finely a day is binned."""

    steps: int  # of value per price, one beyond the reach at each end
    bend: float  # octaves from the margin within which steps are finest
    leads: tuple[float, ...]  # edges of the lead over the next campaign, as shares of the price's cost


_FINE = _Grid(16, 0.15, (0.1, 0.4))
_COARSE = _Grid(8, 1.0, (0.25,))  # of scenario days: there are many, and each has its own margin


@dataclass(frozen=True)
class _Nodes:
    """Parts of a day, alike within."""

    count: Vector  # (L,) auctions
    price: Vector  # (L,) level
    value: Vector  # (L, 3) levels


@lru_cache(maxsize=4)
def expected_day(forecast: Forecast) -> Auctions:
    """The forecast's day in expectation: auctions at every level that training days showed."""
    one = forecast_auctions(forecast)
    order = np.argsort(forecast.price_curve, kind="stable")
    group = _equal_parts(forecast.auctions[order], _PARTS)
    count, price = _means(group, forecast.auctions[order], forecast.price_curve[order, None])
    return _cross(one.segment, one.weight, one.price, one.value, _Nodes(count, price[:, 0], np.ones((len(count), 3))))


@lru_cache(maxsize=4)
def scenario_days(forecast: Forecast) -> tuple[Auctions, ...]:
    """At most 24 days of equal probability, each the landscape at the levels of a group of training days' blocks."""
    land = forecast.landscape
    segment, weight = land.segment.astype(np.int64), land.weight / land.weight.sum()
    return tuple(
        _cross(segment, weight, land.price, land.value, _block_nodes(forecast, days))
        for days in scenario_groups(forecast)
    )


def scenario_groups(forecast: Forecast) -> tuple[NDArray[np.int64], ...]:
    """Training days by quantiles of their value level, and of their price level within: groups of equal probability."""
    level, seen = forecast.block_levels
    some = np.flatnonzero(seen.any(axis=1))
    weight = np.where(seen, level[..., TRAFFIC_LEVEL], 0.0)
    day = np.einsum("db,dbk->dk", weight, level)[some] / weight.sum(axis=1)[some, None]
    by_value = np.argsort(np.log(np.maximum(day[:, :3], 2.0**-16)).sum(axis=1), kind="stable")
    groups: list[NDArray[np.int64]] = []
    for part in np.array_split(by_value, min(SCENARIOS[0], len(by_value))):
        by_price = part[np.argsort(day[part, PRICE_LEVEL], kind="stable")]
        groups += [some[few] for few in np.array_split(by_price, min(SCENARIOS[1], len(by_price)))]
    return tuple(groups)


def _block_nodes(forecast: Forecast, days: NDArray[np.int64]) -> _Nodes:
    """The mean of some training days: their blocks by value per price."""
    level, seen = forecast.block_levels[0][days], forecast.block_levels[1][days]
    shape = (forecast.blocks, forecast.level_slots)
    auctions = forecast.auctions.reshape(shape).sum(axis=1)
    money = (forecast.auctions * forecast.price_curve).reshape(shape).sum(axis=1)
    curve = np.where(auctions > 0, money / np.where(auctions > 0, auctions, 1.0), 1.0)
    price = (level[..., PRICE_LEVEL] * curve)[seen]
    count = (level[..., TRAFFIC_LEVEL] * auctions)[seen] / len(days)
    value = level[seen][:, :3]
    order = np.argsort(np.log(np.maximum(value, 2.0**-16)).mean(axis=1) - np.log(price), kind="stable")
    group = _equal_parts(count[order], _PARTS)
    total, mean = _means(group, count[order], np.column_stack([price, value])[order])
    return _Nodes(total, mean[:, 0], mean[:, 1:])


def _equal_parts(count: Vector, parts: int) -> NDArray[np.int64]:
    """A group (n,) for each entry in order, so that groups hold equal counts."""
    middle = (np.cumsum(count) - 0.5 * count) / count.sum()
    part: NDArray[np.int64] = np.minimum(middle * parts, parts - 1).astype(np.int64)
    return part


def _means(group: NDArray[np.int64], count: Vector, columns: Vector) -> tuple[Vector, Vector]:
    """Counts (L,) of the groups that have any, and their means (L, k) of columns (n, k)."""
    total: Vector = np.bincount(group, count).astype(np.float64)
    some = total > 0
    sums = [np.bincount(group, count * column)[some] / total[some] for column in columns.T]
    return total[some], np.stack(sums, axis=1)


def _cross(segment: NDArray[np.int64], weight: Vector, price: Vector, value: Vector, nodes: _Nodes) -> Auctions:
    """Every auction at every node; `weight` (P,) sums to 1."""
    return Auctions(
        segment=np.tile(segment, len(nodes.count)),
        count=np.multiply.outer(nodes.count, weight).ravel(),
        price=np.multiply.outer(nodes.price, price).ravel(),
        value=(nodes.value[:, None, :] * value).reshape(-1, 3),
    )


def bin_days(days: tuple[Auctions, ...], margin: Margin) -> Bins:
    """Bins of scenario days, finest where campaigns are indifferent at this `margin`."""
    parts = [_bin_day(day, margin, _FINE if len(days) == 1 else _COARSE) for day in days]
    scenario = np.repeat(np.arange(len(parts)), [len(part.count) for part in parts])
    return Bins(
        scenario=scenario,
        segment=np.concatenate([part.segment for part in parts]),
        count=np.concatenate([part.count for part in parts]),
        price=np.concatenate([part.price for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        scenarios=len(days),
    )


def _bin_day(day: Auctions, margin: Margin, grid: _Grid) -> Auctions:
    campaigns, segments = margin.cost.shape
    best, worth, cost, lead = _best(day, margin)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(worth > 0, np.log2(worth) - np.log2(cost), -np.inf)
    depth = np.arcsinh(ratio / grid.bend) / np.arcsinh(_REACH / grid.bend)  # within -1 .. 1 in reach
    place = np.clip(np.floor((depth + 1.0) * (grid.steps / 2 - 1)) + 1, 0, grid.steps - 1).astype(np.int64)
    key, groups = (day.segment * campaigns + best) * grid.steps + place, 1
    if campaigns > 1:
        groups = len(grid.leads) + 1
        group = np.searchsorted(grid.leads, lead / np.maximum(cost, 1e-300))
        key = key * groups + np.where(place > 0, group, 0)
    size = segments * campaigns * grid.steps * groups
    count: Vector = np.bincount(key, day.count, size).astype(np.float64)
    some = np.flatnonzero(count > 0)
    means = [np.bincount(key, day.count * x, size)[some] / count[some] for x in (day.price, *day.value.T)]
    return Auctions(some // (size // segments), count[some], means[0], np.stack(means[1:], axis=1))


def _best(day: Auctions, margin: Margin) -> tuple[NDArray[np.int64], Vector, Vector, Vector]:
    """The campaign that gains most by each auction (P,), its worth and cost there, and its lead over the next."""
    size = len(day.price)
    best, worth, cost = np.zeros(size, np.int64), np.zeros(size), np.zeros(size)
    first, second = np.full(size, -np.inf), np.full(size, -np.inf)
    for c, (gain, share, money) in enumerate(zip(*margin, strict=True)):
        its_worth = day.value @ gain + share[day.segment]
        its_cost = money[day.segment] * day.price
        surplus = its_worth - its_cost
        better = surplus > first
        np.maximum(second, np.minimum(surplus, first), out=second)
        np.maximum(first, surplus, out=first)
        best[better] = c
        np.copyto(worth, its_worth, where=better)
        np.copyto(cost, its_cost, where=better)
    return best, worth, cost, first - second

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

from bidpilot.bidding.binned import forecast_auctions
from bidpilot.bidding.forecast import PRICE_LEVEL, TRAFFIC_LEVEL, Forecast

Vector = NDArray[np.float64]

SCENARIOS = (6, 4)  # groups of training days by value level, each split by price level
_PRICE_GROUPS = 4  # of slots
_REACH, _STEPS = 1.75, 16  # octaves of value per price on either side of the margin; steps, one beyond at each end
_LEADS = (0.1, 0.4)  # lead over the next campaign, as shares of what the auction's price costs
_COARSE_STEPS = 10  # of scenario days, of which there are many


class Auctions(NamedTuple):
    """P kinds of auctions of one day, conversions in money."""

    segment: NDArray[np.int64]  # (P,)
    count: Vector  # (P,) auctions of the day
    price: Vector  # (P,) currency
    value: Vector  # (P, 3)


class Margin(NamedTuple):
    """What C campaigns gain by an auction and what money costs them, in the owner's utility."""

    gain: Vector  # (C, 3) per unit of KPI, conversions in money
    share: Vector  # (C, S) per won exposure: the price of a tail share
    cost: Vector  # (C, S) per currency, > 0

    def worth(self, value: Vector, segment: NDArray[np.int64]) -> Vector:
        """(P, C) utility of auctions with values (P, 3) in segments (P,)."""
        worth: Vector = value @ self.gain.T + self.share.T[segment]
        return worth


@dataclass(frozen=True)
class Bins:
    """N bins of Z scenario days of equal probability."""

    scenario: NDArray[np.int64]  # (N,)
    segment: NDArray[np.int64]  # (N,)
    count: Vector  # (N,) auctions of the scenario day, > 0
    price: Vector  # (N,) mean, currency
    value: Vector  # (N, 3) mean, conversions in money
    scenarios: int  # Z


@lru_cache(maxsize=4)
def expected_day(forecast: Forecast) -> Auctions:
    """The forecast's day in expectation: auctions at every level that training days showed."""
    one = forecast_auctions(forecast)
    return _over_slots(forecast, one.segment, one.weight, one.price, one.value)


@lru_cache(maxsize=4)
def scenario_days(forecast: Forecast) -> tuple[Auctions, ...]:
    """At most 24 days of equal probability: the landscape at the mean levels of groups of training days."""
    land = forecast.landscape
    segment = land.segment.astype(np.int64)
    weight = land.weight / land.weight.sum()
    return tuple(
        _over_slots(
            forecast, segment, weight * level[TRAFFIC_LEVEL], land.price * level[PRICE_LEVEL], land.value * level[:3]
        )
        for level in scenario_levels(forecast)
    )


def scenario_levels(forecast: Forecast) -> Vector:
    """(Z, 5) levels of KPI, price and traffic of scenario days, equally probable."""
    weight = np.where(forecast.observed, forecast.auctions * forecast.history[:, :, TRAFFIC_LEVEL], 0.0)
    total = weight.sum(axis=1)
    seen = total > 0
    level = np.einsum("dt,dtk->dk", weight[seen], forecast.history[seen]) / total[seen, None]
    level[:, TRAFFIC_LEVEL] = total[seen] / forecast.auctions.sum()
    by_value = np.argsort(np.log(np.maximum(level[:, :3], 2.0**-16)).sum(axis=1), kind="stable")
    groups = []
    for part in np.array_split(by_value, min(SCENARIOS[0], len(by_value))):
        by_price = part[np.argsort(level[part, PRICE_LEVEL], kind="stable")]
        groups += [level[few].mean(axis=0) for few in np.array_split(by_price, min(SCENARIOS[1], len(by_price)))]
    return np.array(groups)


def _over_slots(
    forecast: Forecast, segment: NDArray[np.int64], weight: Vector, price: Vector, value: Vector
) -> Auctions:
    """Auctions per day by slots' price levels, from shares (P,) of a slot's auctions at price level 1."""
    order = np.argsort(forecast.price_curve, kind="stable")
    mass = np.cumsum(forecast.auctions[order]) / forecast.auctions.sum()
    group = np.minimum((mass - 1e-12) * _PRICE_GROUPS, _PRICE_GROUPS - 1).astype(np.int64)
    count = np.bincount(group, forecast.auctions[order], _PRICE_GROUPS)
    level = np.bincount(group, (forecast.auctions * forecast.price_curve)[order], _PRICE_GROUPS)
    some = count > 0
    count, level = count[some], level[some] / count[some]
    return Auctions(
        segment=np.tile(segment, len(count)),
        count=np.multiply.outer(count, weight).ravel(),
        price=np.multiply.outer(level, price).ravel(),
        value=np.tile(value, (len(count), 1)),
    )


def bin_days(days: tuple[Auctions, ...], margin: Margin) -> Bins:
    """Bins of scenario days, finest where campaigns are indifferent at this `margin`."""
    steps = _STEPS if len(days) == 1 else _COARSE_STEPS
    parts = [_bin_day(day, margin, steps) for day in days]
    scenario = np.repeat(np.arange(len(parts)), [len(part.count) for part in parts])
    return Bins(scenario, *(np.concatenate(column) for column in zip(*parts, strict=True)), scenarios=len(days))


def _bin_day(day: Auctions, margin: Margin, steps: int) -> Auctions:
    campaigns, segments = margin.cost.shape
    worth = margin.worth(day.value, day.segment)
    cost = margin.cost.T[day.segment] * day.price[:, None]
    surplus = worth - cost
    best = surplus.argmax(axis=1)
    row = np.arange(len(best))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log2(np.maximum(worth[row, best], 0.0)) - np.log2(cost[row, best])
    ratio = np.where(worth[row, best] > 0, ratio, -np.inf)
    place = np.clip(np.floor((ratio + _REACH) * ((steps - 2) / (2 * _REACH))) + 1, 0, steps - 1).astype(np.int64)
    key, leads = (day.segment * campaigns + best) * steps + place, 1
    if campaigns > 1:
        leads = len(_LEADS) + 1
        lead = surplus[row, best]
        surplus[row, best] = -np.inf
        lead -= surplus.max(axis=1)
        group = np.searchsorted(_LEADS, lead / np.maximum(cost[row, best], 1e-300))
        key = key * leads + np.where(place > 0, group, 0)
    size = segments * campaigns * steps * leads
    count: Vector = np.bincount(key, day.count, size).astype(np.float64)
    some = np.flatnonzero(count > 0)
    means = [np.bincount(key, day.count * x, size)[some] / count[some] for x in (day.price, *day.value.T)]
    return Auctions(some // (size // segments), count[some], means[0], np.stack(means[1:], axis=1))

"""Who bids for an auction: only the campaign that gains most by it, so that an owner never raises its own price."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidPortfolio
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.solvers.portfolio.bins import Margin, expected_day
from bidpilot.solvers.portfolio.plan import PortfolioRule

Vector = NDArray[np.float64]

_GRID = 512  # bids at which the win curve is kept
_FAR = 2.0**20  # of the dearest price: beyond it no bid goes
_EVERY = 5  # of the expected day's auctions are looked at to meet a spend
_ROUNDS, _STEP = 4, (0.8, 1.25)  # to meet it; change of money's cost in each


class Offers(NamedTuple):
    """What C campaigns would bid for N auctions."""

    bid: Vector  # (N, C) currency
    surplus: Vector  # (N, C) expected gain of the bid in the owner's utility, before the price is known


class Assignment(NamedTuple):
    """The one campaign that bids for each of N auctions."""

    campaign: NDArray[np.int64]  # (N,) -1 where none bids
    bid: Vector  # (N,) currency, 0 where none bids


def bid_rule(forecast: Forecast, margin: Margin, unit: Vector) -> PortfolioRule:
    """The rules `m[s] * (alpha . v) + beta[s]` whose bid is what an auction is worth in money.

    `unit` (3,) is what one of each KPI is in the forecast's columns.
    """
    base = margin.cost.min(axis=1, keepdims=True)  # (C, 1)
    bids, saved = _savings(forecast)
    return PortfolioRule(
        alpha=margin.gain / base * unit,
        multiplier=base / margin.cost,
        beta=margin.share / margin.cost,
        cost=margin.cost,
        bids=bids,
        saved=saved,
    )


def offers(rule: PortfolioRule, predicted: NDArray[np.floating], segment: NDArray[np.integer]) -> Offers:
    """What each campaign would bid for auctions with predicted KPIs (N, 3), own units, in segments (N,), second price.

    A campaign's expected surplus is its money's cost times the mean over prices below its bid of bid less price.

    Raises:
        InvalidPortfolio: shapes or segments do not fit the rule.
    """
    segments = rule.multiplier.shape[1]
    if predicted.ndim != 2 or predicted.shape[1] != 3 or segment.shape != predicted.shape[:1]:
        raise InvalidPortfolio(
            f"auctions need predicted (N, 3) and segment (N,); got {predicted.shape} and {segment.shape}."
        )
    if len(segment) and not (segment.min() >= 0 and segment.max() < segments):
        raise InvalidPortfolio(f"segments must lie in 0 .. {segments - 1}; got {segment.min()} .. {segment.max()}.")
    worth = predicted.astype(np.float64) @ rule.alpha.T
    bid = np.maximum(rule.multiplier.T[segment] * worth + rule.beta.T[segment], 0.0)
    saved = np.empty_like(bid)
    for s in range(segments):
        here = segment == s
        saved[here] = np.interp(bid[here], rule.bids, rule.saved[s])
    return Offers(bid, rule.cost.T[segment] * saved)


def assign(rule: PortfolioRule, predicted: NDArray[np.floating], segment: NDArray[np.integer]) -> Assignment:
    """The campaign that bids for each auction, and its bid: the one with the largest expected surplus.

    Raises:
        InvalidPortfolio: shapes or segments do not fit the rule.
    """
    bid, surplus = offers(rule, predicted, segment)
    best = surplus.argmax(axis=1)
    row = np.arange(len(best))
    bids = bid[row, best] > 0
    return Assignment(np.where(bids, best, -1), np.where(bids, bid[row, best], 0.0))


def met(forecast: Forecast, margin: Margin, unit: Vector, spend: Vector) -> Margin:
    """The margin whose rule, auction by auction and before prices are known, spends `spend` (C,) on the expected day.

    The program's own prices are as coarse as its bins; each campaign's is moved by a few percent.
    """
    day, sample = expected_day(forecast), slice(None, None, _EVERY)
    own = day.value[sample] / unit
    segment, price, money = day.segment[sample], day.price[sample], (day.count * day.price)[sample] * _EVERY
    for _ in range(_ROUNDS):
        bid, surplus = offers(bid_rule(forecast, margin, unit), own, segment)
        best = surplus.argmax(axis=1)
        won = bid[np.arange(len(best)), best] >= price
        spent = np.bincount(best[won], money[won], len(spend))
        ratio = np.where(spend > 0, spent / np.where(spend > 0, spend, 1.0), 1.0)
        margin = margin._replace(cost=margin.cost * np.clip(np.sqrt(ratio), *_STEP)[:, None])
    return margin


@lru_cache(maxsize=4)
def _savings(forecast: Forecast) -> tuple[Vector, Vector]:
    """Bids (G,) and the mean of max(bid - price, 0) over each segment's auctions (S, G).

    A segment without auctions has the prices of all.
    """
    day = expected_day(forecast)
    positive = day.price[day.price > 0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (1.0, 1.0)
    edges = np.geomspace(0.5 * low, 2.0 * high, _GRID)
    place = np.searchsorted(edges, day.price)  # the first bid that wins it
    size = len(forecast.segments) * (_GRID + 1)
    key = day.segment * (_GRID + 1) + place
    count = np.bincount(key, day.count, size).reshape(-1, _GRID + 1)[:, :_GRID]
    paid = np.bincount(key, day.count * day.price, size).reshape(-1, _GRID + 1)[:, :_GRID]
    none = count.sum(axis=1) <= 0
    count[none], paid[none] = count.sum(axis=0), paid.sum(axis=0)
    total = count.sum(axis=1, keepdims=True)
    saved = (edges * np.cumsum(count, axis=1) - np.cumsum(paid, axis=1)) / total
    beyond = saved[:, -1:] + (_FAR - 1.0) * edges[-1]
    bids = np.concatenate([[0.0], edges, [_FAR * edges[-1]]])
    return bids, np.concatenate([np.zeros_like(beyond), np.maximum(saved, 0.0), beyond], axis=1)

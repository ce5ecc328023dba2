"""Replays a day of auctions with an owner's campaigns side by side, auction by auction in arrival order."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidPortfolio
from bidpilot.envs.clearing.day import DayAuctions
from bidpilot.solvers.portfolio.assign import offers
from bidpilot.solvers.portfolio.plan import PortfolioRule

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class DayReplay:
    """What C campaigns bought on a day."""

    wins: NDArray[np.int64]  # (C,) won exposures
    spend: Vector  # (C, S) currency per segment
    kpi: Vector  # (C, 3) true totals, own units
    predicted: Vector  # (C, 3) predicted totals
    entered: NDArray[np.bool_]  # (N, C) the bids that entered each auction
    contested: int  # auctions with more than one bid of the owner


def replay_day(day: DayAuctions, rule: PortfolioRule, budgets: Vector, exclusive: bool = True) -> DayReplay:
    """Play a day under second price with `budgets` (C,), currency.

    Only the campaign with the largest expected surplus among those with money left bids, `min(bid, money left)`; a
    tie with the market price wins. With `exclusive` False every campaign bids for itself, and the winner pays the
    owner's own second bid where that is above the market price: what self-competition costs.

    Raises:
        InvalidPortfolio: the budgets or the day's segments do not fit the rule.
    """
    if budgets.shape != (len(rule.alpha),) or not np.isfinite(budgets).all() or (budgets < 0).any():
        raise InvalidPortfolio(f"budgets must be {len(rule.alpha)} finite amounts >= 0; got {budgets}.")
    bid, surplus = offers(rule, day.predicted, day.segment)
    count, segments = rule.multiplier.shape
    wins, spend = np.zeros(count, np.int64), np.zeros((count, segments))
    kpi, predicted = np.zeros((count, 3)), np.zeros((count, 3))
    entered = np.zeros(bid.shape, np.bool_)
    left = budgets.astype(np.float64)
    _play(
        bid,
        surplus,
        left,
        exclusive,
        day.segment,
        day.price,
        day.true,
        day.predicted,
        wins,
        spend,
        kpi,
        predicted,
        entered,
    )
    return DayReplay(wins, spend, kpi, predicted, entered, int((entered.sum(axis=1) > 1).sum()))


@numba.njit(cache=True, error_model="numpy")
def _play(  # type: ignore[no-untyped-def]
    bid, surplus, left, exclusive, segment, price, true, predicted, wins, spend, kpi, predicted_kpi, entered
):  # fmt: skip
    campaigns = bid.shape[1]
    for i in range(bid.shape[0]):
        chosen = -1
        if exclusive:
            for c in range(campaigns):
                can = left[c] > 0.0 and bid[i, c] > 0.0
                if can and (chosen < 0 or surplus[i, c] > surplus[i, chosen]):
                    chosen = c
        first, second, winner = 0.0, 0.0, -1
        for c in range(campaigns):
            a = min(bid[i, c], left[c])
            if a <= 0.0 or (exclusive and c != chosen):
                continue
            entered[i, c] = True
            if winner < 0 or a > first:
                first, second, winner = a, first, c
            elif a > second:
                second = a
        if winner < 0 or first < price[i]:
            continue
        paid = max(np.float64(price[i]), second)
        left[winner] -= paid
        wins[winner] += 1
        spend[winner, segment[i]] += paid
        for j in range(3):
            kpi[winner, j] += true[i, j]
            predicted_kpi[winner, j] += predicted[i, j]

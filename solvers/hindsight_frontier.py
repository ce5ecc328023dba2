"""Hindsight optima that a sort solves: one linear value, a budget, perhaps a target cost per conversion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.target import target_factor

Floats = NDArray[np.float64]


def _by_worth(value: Floats, price: Floats) -> NDArray[np.int64]:
    """Indices of the auctions with a value, most value per price first."""
    worth = np.flatnonzero(value > 0)
    with np.errstate(divide="ignore"):
        return worth[np.argsort(-value[worth] / price[worth], kind="stable")]


def knapsack_shares(value: Floats, price: Floats, budget: float) -> Floats:
    """Shares (N,) in [0, 1] that maximise value . x subject to price . x <= budget; value, price (N,) >= 0.

    Exact (Dantzig 1957): by value per price, the last one in part.
    """
    shares = np.zeros(len(value))
    order = _by_worth(value, price)
    spend = np.cumsum(price[order])
    whole = int(np.searchsorted(spend, budget, side="right"))
    shares[order[:whole]] = 1.0
    if whole < len(order):
        left = budget - (float(spend[whole - 1]) if whole else 0.0)
        shares[order[whole]] = left / float(price[order[whole]])
    return shares


def fractional_knapsack(value: Floats, price: Floats, budget: float) -> float:
    """max value . x subject to price . x <= budget, 0 <= x <= 1, for value, price (N,) >= 0. Exact (Dantzig 1957)."""
    return float(value @ knapsack_shares(value, price, budget))


def best_spend_with_target(value: Floats, price: Floats, budget: float, target: float) -> Floats:
    """Shares (N,) that maximise `X * min(1, (target * X / s) ** 2)` for X = value . x, s = price . x <= budget.

    For every spend the most X is best, so the optimum lies on the knapsack's frontier, whose cost per
    value only grows. Where the penalty acts, the score on a piece X = a + b s, a, b >= 0, is
    `(a + b s) ** 3 / s ** 2`, which falls and then rises: its maxima are at breakpoints, at the budget, or
    where the penalty starts.
    """
    order = _by_worth(value, price)
    total = np.concatenate([[0.0], np.cumsum(value[order])])
    spend = np.concatenate([[0.0], np.cumsum(price[order])])
    score = np.where(spend <= budget, total * target_factor(target * total, spend), -1.0)
    spends = [min(budget, float(spend[-1])), float(spend[int(np.argmax(score))])]
    within = spend <= target * total
    last = int(np.flatnonzero(within)[-1])
    if last < len(order):  # the penalty starts inside this piece, where a + b s = s / target
        per_price = value[order[last]] / price[order[last]]
        spends.append((total[last] - per_price * spend[last]) / (1.0 / target - per_price))
    tried = [knapsack_shares(value, price, min(s, budget)) for s in spends]
    return max(tried, key=lambda shares: _score(float(shares @ value), float(shares @ price), target))


def _score(total: float, spend: float, target: float) -> float:
    return total * float(target_factor(target * total, spend))

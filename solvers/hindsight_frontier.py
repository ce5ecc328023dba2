"""Hindsight optima that a sort solves: one linear value, a budget, perhaps a CPA target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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


def best_spend_with_target(value: Floats, price: Floats, budget: float, max_cpa: float) -> Floats:
    """Shares (N,) that maximise `X * min(1, (max_cpa * X / s) ** 2)` for X = value . x, s = price . x <= budget.

    For every spend the most X is best, so the optimum lies on the knapsack's frontier, whose cost per
    value only grows. Where the penalty acts, the score on a piece X = a + b s, a, b >= 0, is
    `(a + b s) ** 3 / s ** 2`, which falls and then rises: its maxima are at breakpoints, at the budget, or
    where the penalty starts.
    """
    order = _by_worth(value, price)
    total = np.concatenate([[0.0], np.cumsum(value[order])])
    spend = np.concatenate([[0.0], np.cumsum(price[order])])
    with np.errstate(divide="ignore", invalid="ignore"):
        penalty = np.where(spend > max_cpa * total, (max_cpa * total / spend) ** 2, 1.0)
    score = np.where(spend <= budget, total * penalty, -1.0)
    spends = [min(budget, float(spend[-1])), float(spend[int(np.argmax(score))])]
    within = spend <= max_cpa * total
    last = int(np.flatnonzero(within)[-1])
    if last < len(order):  # the penalty starts inside this piece, where a + b s = s / max_cpa
        per_price = value[order[last]] / price[order[last]]
        spends.append((total[last] - per_price * spend[last]) / (1.0 / max_cpa - per_price))
    tried = [knapsack_shares(value, price, min(s, budget)) for s in spends]
    return max(tried, key=lambda shares: _score(float(shares @ value), float(shares @ price), max_cpa))


def _score(total: float, spend: float, max_cpa: float) -> float:
    return total if spend <= max_cpa * total else total * (max_cpa * total / spend) ** 2

"""What a day's auctions can add up to: a zonotope, seen through its support function."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.kpi import KPI

Floats = NDArray[np.float64]

KPIS = len(KPI)


class Attainable:
    """The totals of a day over every share `y` in [0, 1]^N of its auctions.

    A vector of totals has `3 + 2 G` entries: the three KPIs, then the spend of each group of auctions
    (currency), then the auctions won of each group. The set of all such vectors is a zonotope: the best
    point in a direction buys exactly the auctions whose own contribution is positive, so the support
    function is one pass over the auctions.

    Args:
        value: KPIs of the auctions, (N, 3), >= 0.
        price: market prices, (N,), currency, >= 0.
        group: group of each auction, (N,), in [0, groups).
        groups: how many groups, G.
    """

    def __init__(
        self, value: NDArray[np.floating], price: NDArray[np.floating], group: NDArray[np.integer], groups: int
    ) -> None:
        self.groups = groups
        order = np.argsort(group, kind="stable") if groups > 1 else slice(None)
        self._columns = np.empty((KPIS + 1, len(price)))
        self._columns[:KPIS] = value[order].T
        self._columns[KPIS] = price[order]
        self._bounds = np.zeros(groups + 1, np.int64)
        np.cumsum(np.bincount(group, minlength=groups) if groups > 1 else [len(price)], out=self._bounds[1:])
        self.all = np.zeros(KPIS + 2 * groups)  # totals of every auction
        self.all[:KPIS] = self._columns[:KPIS].sum(axis=1)
        for g in range(groups):
            self.all[KPIS + g] = self._columns[KPIS, self._bounds[g] : self._bounds[g + 1]].sum()
        self.all[KPIS + groups :] = np.diff(self._bounds)

    def best(self, direction: Floats) -> tuple[float, Floats]:
        """The largest `direction . totals`, and totals (3 + 2 G,) that reach it; `direction` (3 + 2 G,)."""
        totals = np.zeros(KPIS + 2 * self.groups)
        return _best(self._columns, self._bounds, np.ascontiguousarray(direction), totals), totals

    def best_ratio(self, kpi: int) -> float:
        """The most of a KPI per currency that any auction has; infinite where one is free."""
        worth = self._columns[kpi] > 0
        if not worth.any():
            return 0.0
        value, price = self._columns[kpi][worth], self._columns[KPIS][worth]
        return float((value / price).max()) if (price > 0).all() else np.inf


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc"})  # sums in any order: in vectors
def _best(columns, bounds, direction, totals):  # type: ignore[no-untyped-def]
    groups = bounds.size - 1
    a, b, c = direction[0], direction[1], direction[2]
    e_of, n_of, c_of, p_of = columns[0], columns[1], columns[2], columns[3]
    support = 0.0
    for g in range(groups):
        per_cost, per_win = direction[3 + g], direction[3 + groups + g]
        gain = e = n = k = paid = won = 0.0
        for i in range(bounds[g], bounds[g + 1]):
            d = a * e_of[i] + b * n_of[i] + c * c_of[i] + per_cost * p_of[i] + per_win
            buy = 1.0 if d > 0.0 else 0.0
            gain += buy * d
            e += buy * e_of[i]
            n += buy * n_of[i]
            k += buy * c_of[i]
            paid += buy * p_of[i]
            won += buy
        support += gain
        totals[0] += e
        totals[1] += n
        totals[2] += k
        totals[3 + g] = paid
        totals[3 + groups + g] = won
    return support

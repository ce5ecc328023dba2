"""The re-plan for many rows at once: compiled, which the library that serves cannot be."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.adaptive import AdaptiveReplanner
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.plan.planner import Planner

# an argument, since a compiled function that is kept on disk keeps another module's constants with it
_GRID = curves.LOWEST, curves.PER_OCTAVE, curves.POINTS - 1


class CompiledReplanner(Replanner):
    """`Replanner` to the last bit, its search row by row in place of all rows step by step.

    Each search begins at the grid point that the row's last one found: from slot to slot scales move little.
    """

    def _set_curves(self, table: NDArray[np.float64], index: NDArray[np.int64]) -> None:
        super()._set_curves(table, index)
        self._found = np.zeros(len(index), np.int64)

    def _solve(
        self,
        first: NDArray[np.int64],
        size: NDArray[np.float64],
        shift: NDArray[np.float64],
        left: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        x: NDArray[np.float64] = _solve_rows(self._curves, _GRID, first, size, shift, left, self._found)
        return x


class CompiledAdaptiveReplanner(CompiledReplanner, AdaptiveReplanner):
    """`AdaptiveReplanner` to the last bit, likewise."""

    @staticmethod
    def _gaps(
        seen: NDArray[np.float64], told: NDArray[np.float64], precision: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        sums: tuple[NDArray[np.float64], NDArray[np.float64]] = _sums_of_gaps(seen, told[:, :, 0], precision[:, 0])
        return sums


def compiled_replanner(replan: Replan, planner: Planner, plan: BudgetPlan, index: NDArray[np.int64]) -> Replanner:
    """As `bidpilot.bidding.day.replanners.replanner`, compiled."""
    if replan is Replan.ADAPTIVE:
        return CompiledAdaptiveReplanner(planner.forecast, plan, index, planner.outlook(plan))
    return CompiledReplanner(planner.forecast, plan, index)


@numba.njit(cache=True, error_model="numpy")
def _solve_rows(table, grid, first, size, shift, left, found):  # type: ignore[no-untyped-def]
    """What `Replanner._solve` does; no curve falls, nor does their sum, so that any search ends at the same point."""
    lowest, per_octave, last = grid
    x = np.empty(left.size)
    parts = len(first)
    base, place, above, below = np.empty(parts, np.int64), np.empty(parts, np.int64), np.empty(parts), np.empty(parts)
    for b in range(left.size):
        for j in range(parts):
            offset = min(max(shift[j, b] * per_octave, -last), last)
            whole = np.floor(offset)
            base[j], place[j] = first[j, b], np.int64(whole)
            above[j] = size[j, b] * (offset - whole)
            below[j] = size[j, b] - above[j]
        low, step = found[b], 1
        high = low + 1
        at_low = _spend(low, table, last, base, place, above, below)
        at_high = _spend(high, table, last, base, place, above, below)
        while at_low > left[b] and low > 0:
            high, at_high = low, at_low
            low, step = max(low - step, 0), 2 * step
            at_low = _spend(low, table, last, base, place, above, below)
        while at_high <= left[b] and high < last:
            low, at_low = high, at_high
            high, step = min(high + step, last), 2 * step
            at_high = _spend(high, table, last, base, place, above, below)
        while high - low > 1:
            middle = (low + high) >> 1
            at_middle = _spend(middle, table, last, base, place, above, below)
            if at_middle <= left[b]:
                low, at_low = middle, at_middle
            else:
                high, at_high = middle, at_middle
        found[b] = low
        rise = at_high - at_low
        fraction = (left[b] - at_low) / rise if rise > 0.0 else 1.0
        x[b] = lowest + (low + min(max(fraction, 0.0), 1.0)) / per_octave
    return x


@numba.njit(inline="always")
def _spend(k, table, last, first, place, above, below):  # type: ignore[no-untyped-def]
    """Expected spend at grid point `k`; the terms in the order that NumPy adds them in."""
    total = 0.0
    for j in range(len(place)):
        total += below[j] * table[first[j] + min(max(place[j] + k, 0), last)]
    for j in range(len(place)):
        total += above[j] * table[first[j] + min(max(place[j] + 1 + k, 0), last)]
    return total


@numba.njit(cache=True, error_model="numpy")
def _sums_of_gaps(seen, told, precision):  # type: ignore[no-untyped-def]
    """`bidpilot.bidding.plan.demand.sums_of_gaps`, the terms in its order."""
    windows, rows = seen.shape
    first, second = np.zeros((len(told), rows)), np.zeros((len(told), rows))
    for h in range(len(told)):
        for n in range(windows):
            for b in range(rows):
                gap = seen[n, b] - told[h, n]
                weighed = precision[n] * gap
                first[h, b] += weighed
                second[h, b] += weighed * gap
    return first, second

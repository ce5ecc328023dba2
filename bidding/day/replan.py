"""The re-plan: the bid scale at which the money left is expected to be spent, given what has been seen.

The current block's remaining slots are taken at the level believed of it; later blocks in expectation
over the levels that training days showed, around the level believed of this day.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.statistics import PRICE, TRAFFIC, VALUE, DayStatistics
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan

_LAST = curves.POINTS - 1
_STEPS = tuple(1 << k for k in reversed(range(int(_LAST).bit_length())))


class Replanner:
    """Re-plans B rows over one day, slot by slot.

    Expected spend at scale x is a sum of three curves, each with its own size and shift: later blocks
    with the day's level unknown, the same with it known, and the rest of the current block.
    """

    def __init__(self, forecast: Forecast, plan: BudgetPlan, index: NDArray[np.int64]) -> None:
        """Begin a day; row b follows plan `index[b]`."""
        self._level_slots = forecast.level_slots
        self._scale = plan.scale[index]
        self._set_curves(np.concatenate([plan.later_unknown, plan.later_known, plan.now[:, None]], axis=1), index)
        self._known, self._now = forecast.blocks + 1, 2 * (forecast.blocks + 1)  # where these curves begin
        self._rest = forecast.rest_of_block

    def _set_curves(self, table: NDArray[np.float64], index: NDArray[np.int64]) -> None:
        """Keep the curves (U, C, POINTS) that are solved on, and where each row's begin."""
        self._curves = table.ravel()
        self._row = index * (table.shape[1] * curves.POINTS)

    def beliefs(self, levels: Posterior, statistics: DayStatistics) -> Posterior:
        """Levels that the re-plan of the coming slot is made with: `levels`, against the mean day that is planned."""
        return levels.about(statistics.expected.level)

    def scale(self, levels: Posterior, left: NDArray[np.float64], t: int) -> NDArray[np.float64]:
        """log2 of the scale (B,) relative to the plan's, before slot `t`, with `left` (B,) currency to spend."""
        later = -(-t // self._level_slots)
        demand, curve_shift = self._rest[t]
        day, now, trust = levels.day, levels.block, levels.trust[VALUE]
        size = np.empty((3, len(left)))
        np.exp2(day[TRAFFIC] + day[PRICE], out=size[0])
        np.multiply(size[0], trust, out=size[1])
        size[0] -= size[1]
        np.multiply(np.exp2(now[TRAFFIC] + now[PRICE]), demand, out=size[2])
        shift = np.empty_like(size)
        shift[:2] = day[VALUE] - day[PRICE]
        np.subtract(now[VALUE] - now[PRICE], curve_shift, out=shift[2])
        first = np.array([[later], [self._known + later], [self._now]]) * curves.POINTS + self._row
        return self._solve(first, size, shift, left) - self._scale

    def _solve(
        self,
        first: NDArray[np.int64],
        size: NDArray[np.float64],
        shift: NDArray[np.float64],
        left: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """x (B,) with sum of size * curve(x + shift) = left, by bisection on the grid, then linear.

        `first`, `size`, `shift` are (C, B): where a curve begins, its size and its shift in octaves.
        """
        offset = np.minimum(np.maximum(shift * curves.PER_OCTAVE, -_LAST), _LAST)
        whole = np.floor(offset)
        above = size * (offset - whole)
        weight = np.concatenate([size - above, above])  # of the grid points below and above, (2 C, B)
        below = whole.astype(np.int64)
        place = np.concatenate([below, below + 1])
        base = np.concatenate([first, first])

        def spend(k: NDArray[np.int64]) -> NDArray[np.float64]:
            # np.clip on integers looks up their limits each time
            at = np.minimum(np.maximum(place + k, 0), _LAST)
            at += base
            value = self._curves.take(at)
            value *= weight
            return value.sum(axis=0)  # type: ignore[no-any-return]

        low = np.zeros(len(left), np.int64)
        for step in _STEPS:
            low += step * (spend(low + step) <= left)
        low = np.minimum(low, _LAST - 1)
        at_low, at_high = spend(low), spend(low + 1)
        rise = at_high - at_low
        fraction = np.divide(left - at_low, rise, out=np.ones_like(rise), where=rise > 0)
        return curves.LOWEST + (low + np.minimum(np.maximum(fraction, 0.0), 1.0)) / curves.PER_OCTAVE

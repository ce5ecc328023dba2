"""The re-plan: the bid scale at which the money left is expected to be spent, given what has been seen.

The current block's remaining slots are taken at the level believed of it; later blocks in expectation
over the levels that training days showed, around the level believed of this day.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding import curves
from bidpilot.bidding.forecast import Forecast
from bidpilot.bidding.levels import Posterior
from bidpilot.bidding.plan import BudgetPlan
from bidpilot.bidding.statistics import PRICE, TRAFFIC, VALUE


def replan(
    forecast: Forecast,
    plan: BudgetPlan,
    index: NDArray[np.int64],
    levels: Posterior,
    left: NDArray[np.float64],
    t: int,
) -> NDArray[np.float64]:
    """log2 of the scale (B,) relative to the plan's, before slot `t`, with `left` (B,) currency to spend."""
    block, inside = divmod(t, forecast.level_slots)
    day, now = levels.day, levels.block
    known = plan.later_known[:, block + (inside > 0)][index]
    unknown = plan.later_unknown[:, block + (inside > 0)][index]
    later = unknown + levels.trust[VALUE][:, None] * (known - unknown)
    later_size = np.exp2(day[TRAFFIC] + day[PRICE])
    later_shift = day[VALUE] - day[PRICE]
    if inside == 0:
        return _solve([(later, np.arange(len(index)), later_size, later_shift)], left) - plan.scale[index]
    rest = slice(t, (block + 1) * forecast.level_slots)
    demand = forecast.auctions[rest] * forecast.price_curve[rest]
    total = demand.sum()
    curve_shift = float(demand @ np.log2(forecast.price_curve[rest]) / total) if total > 0 else 0.0
    now_size = total * np.exp2(now[TRAFFIC] + now[PRICE])
    now_shift = now[VALUE] - now[PRICE] - curve_shift
    terms = [(later, np.arange(len(index)), later_size, later_shift), (plan.now, index, now_size, now_shift)]
    return _solve(terms, left) - plan.scale[index]


_Term = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


def _solve(terms: list[_Term], left: NDArray[np.float64]) -> NDArray[np.float64]:
    """x (B,) with sum of size * curve(x + shift) over terms = left, by bisection on the grid, then linear.

    A term is (curves (U, POINTS), row of each (B,), size (B,), shift (B,)).
    """
    last = curves.POINTS - 1
    parts = []
    for curve, row, size, shift in terms:
        offset = np.clip(shift * curves.PER_OCTAVE, -last, last)
        whole = np.floor(offset)
        parts.append((curve.ravel(), row * curves.POINTS, size, whole.astype(np.int64), offset - whole))

    def spend(k: NDArray[np.int64]) -> NDArray[np.float64]:
        total = np.zeros_like(left)
        for flat, base, size, whole, fraction in parts:
            low = np.minimum(np.maximum(k + whole, 0), last)  # np.clip looks up the integers' limits each time
            below = flat[base + low]
            above = flat[base + np.minimum(low + 1, last)]
            total += size * (below + fraction * (above - below))
        return total

    low = np.zeros(len(left), np.int64)
    high = np.full(len(left), last)
    for _ in range(int(np.ceil(np.log2(last)))):
        middle = (low + high) >> 1
        under = spend(middle) <= left
        low = np.where(under, middle, low)
        high = np.where(under, high, middle)
    at_low, at_high = spend(low), spend(high)
    rise = at_high - at_low
    fraction = np.clip(np.divide(left - at_low, rise, out=np.ones_like(rise), where=rise > 0), 0.0, 1.0)
    return curves.LOWEST + (low + fraction) / curves.PER_OCTAVE  # type: ignore[no-any-return]

"""Intervals of days to come, from days that were played: of one day, of the mean over several, and of a change.

All suppose that a day to come is drawn as the played ones were, and that units (days, or groups of days that share
something) are drawn independently.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]
Units = NDArray[np.int64]


class Interval(NamedTuple):
    """Where something is to be expected, in its own unit. NaN where too little is known."""

    estimate: float
    low: float
    high: float


_UNKNOWN = Interval(np.nan, np.nan, np.nan)


def one_day(values: Array, units: Units, level: float) -> Interval:
    """Where one day to come lies with probability `level`; the estimate is the median of `values` (D,).

    Where every day is a unit of its own and there are enough of them, ends are order statistics: with `k = floor((D +
    1)(1 - level) / 2)`, the k-th smallest and largest hold the next of D + 1 exchangeable days with probability at
    least `1 - 2 k / (D + 1)`, whatever their law (Wilks 1941). Else, by Student's t on logarithms where all values are
    positive: `mean +- t sqrt(s^2 + v)`, with `s^2` the variance of days and `v` that of their mean over units. Days of
    NaN are left out; fewer than two units have no interval.
    """
    known = np.isfinite(values)
    values, units = values[known], units[known]
    count = len(np.unique(units))
    if count < 2:
        return _UNKNOWN
    middle = float(np.median(values))
    rank = int((count + 1) * (1.0 - level) / 2.0 + 1e-9)  # 40 of 0.2 are four, not less by a rounding
    if count == len(values) and rank >= 1:
        ordered = np.sort(values)
        return Interval(middle, float(ordered[rank - 1]), float(ordered[-rank]))
    logs = (values > 0).all()
    scale = np.log(values) if logs else values
    spread = np.sqrt(scale.var(ddof=1) + mean_variance(scale - scale.mean(), units))
    reach = _critical(count, level) * spread
    low, high = scale.mean() - reach, scale.mean() + reach
    return Interval(middle, *(float(np.exp(x)) if logs else float(x) for x in (low, high)))


def over_days(above: Array, below: Array, units: Units, horizon: float, level: float) -> Interval:
    """Where the sum of `above` over that of `below` on `horizon` days to come lies; both (D,) on the played days.

    With `below` all 1 that is the mean. The estimate is `r = sum above / sum below`; a day's influence on it is `e =
    (above - r below) / mean below` (the delta method), and the ends are `r +- t sqrt(s_e^2 / horizon + v)`: what the
    days to come vary by, and what is not known of their mean from the played ones. An infinite horizon asks for that
    mean.
    """
    r, influence = ratio(above, below)
    return _with_ends(r, influence, units, horizon, level)


def change(
    above: tuple[Array, Array], below: tuple[Array, Array], units: Units, horizon: float, level: float
) -> Interval:
    """Where the relative change of such a ratio lies from the first to the second of two scenarios on the same days.

    On the logarithm of their quotient, whose influences are paired by day.
    """
    (first, before), (second, after) = (ratio(a, b) for a, b in zip(above, below, strict=True))
    if not (first > 0 and second > 0):
        return _UNKNOWN
    found = _with_ends(np.log(second / first), after / second - before / first, units, horizon, level)
    return Interval(*(float(np.expm1(x)) for x in found))


def ratio(above: Array, below: Array) -> tuple[float, Array]:
    """`sum above / sum below`, and the influence (D,) of each day on it; NaN where `below` is nothing."""
    mean = float(below.mean())
    if mean <= 0:
        return np.nan, np.full_like(above, np.nan)
    r = float(above.mean()) / mean
    return r, (above - r * below) / mean


def mean_variance(influence: Array, units: Units) -> float:
    """Variance of the mean of `influence` (D,), of mean 0, whose days belong to `units` (D,); for one unit infinite.

    `U / (U - 1) sum over units (sum of the unit)^2 / D^2`; with days for units, the usual `s^2 / D`.
    """
    _, unit = np.unique(units, return_inverse=True)
    sums = np.bincount(unit, influence)
    count = len(sums)
    if count < 2:
        return np.inf
    return float(count / (count - 1.0) * (sums**2).sum() / len(influence) ** 2)


def _with_ends(estimate: float, influence: Array, units: Units, horizon: float, level: float) -> Interval:
    count = len(np.unique(units))
    if count < 2 or not np.isfinite(estimate):
        return Interval(estimate, np.nan, np.nan)
    variance = influence.var(ddof=1) / horizon + mean_variance(influence, units)
    reach = float(_critical(count, level) * np.sqrt(variance))
    return Interval(estimate, estimate - reach, estimate + reach)


def _critical(units: int, level: float) -> float:
    return float(stdtrit(units - 1, 0.5 + level / 2.0))

"""Intervals of rates over days: one alone, and many compared at once.

A rate is the sum of one column over that of another, over D days that share nothing: a ratio estimator. The influence
of day d on its log is that of the jackknife (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11)

    psi_d = (D - 1) (log r - log r without day d)

and the error of the log sd(psi) / sqrt(D), so that an interval is exp(log r -+ t sd / sqrt(D)) with Student's t of
D - 1 degrees: it stays above 0, and what a day does to both columns cancels. Of K differences at once each has its
interval at level 1 - alpha / K (Bonferroni), whatever they share: the greatest of |t| under their own correlation
(Hothorn, Bretz and Westfall, 2008) is narrower, and was wrong in a tenth of families of ten days.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Array = NDArray[np.float64]

LEAST_DAYS: Final = 5
"""Days that an interval takes at least: of fewer nobody knows how much days differ."""
LEAST_EVENTS: Final = 10.0
"""Conversions that an interval takes at least: of fewer the log of a rate is far from normal."""
_ROUNDING: Final = 1e-9  # differences of equal sums
ALL_ON_ONE_DAY: Final = "all of it is of one day"


class Verdict(StrEnum):
    """What is known of a difference."""

    more = "more"
    less = "less"
    unknown = "cannot be told"


@dataclass(frozen=True)
class Estimate:
    """A number with its interval. `value` is None where there is none, `low` and `high` where it has no interval."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str | None = None  # why a part is missing, for people

    @property
    def known(self) -> bool:
        """Whether it has an interval."""
        return self.low is not None and self.high is not None

    @property
    def verdict(self) -> Verdict:
        """What may be said of a difference: its interval leaves 0 out, or it does not."""
        if self.low is not None and self.low > _ROUNDING:
            return Verdict.more
        if self.high is not None and self.high < -_ROUNDING:
            return Verdict.less
        return Verdict.unknown

    def scaled(self, factor: float) -> Estimate:
        """The same times a factor above 0."""
        value, low, high = (None if x is None else factor * x for x in (self.value, self.low, self.high))
        return Estimate(value, low, high, self.why)


def ratio(above: Array, below: Array, alpha: float = 0.05, events: float | None = None) -> Estimate:
    """The sum of `above` (D,) over that of `below` (D,), with its interval at level 1 - `alpha`.

    Args:
        above, below: totals of days, >= 0.
        alpha: share of intervals that may miss the truth.
        events: how many rare things, such as conversions, were counted; None: nothing rare is.
    """
    top, bottom, days = float(above.sum()), float(below.sum()), len(above)
    if bottom <= 0:
        return Estimate(None, why="nothing to divide by")
    value = top / bottom
    why = too_little(days, events)
    if why is None and top <= 0:
        why = "nothing counted"
    if why is None and (on_one_day(above) or on_one_day(below)):
        why = ALL_ON_ONE_DAY
    if why is not None:
        return Estimate(value, why=why)
    error = float(influence(above, below).std(ddof=1)) / np.sqrt(days)
    wide = float(np.exp(student.ppf(1 - alpha / 2, days - 1) * error))
    return Estimate(value, value / wide, value * wide)


def too_little(days: int, events: float | None) -> str | None:
    """Why there is no interval; None where there is."""
    if days < LEAST_DAYS:
        return f"{days} days: an interval takes {LEAST_DAYS}"
    if events is not None and events < LEAST_EVENTS:
        return f"{events:.3g} conversions: an interval takes {LEAST_EVENTS:.0f}"
    return None


def influence(above: Array, below: Array) -> Array:
    """What each day (D, ...) adds to the log of a rate, times D, by the jackknife; along the first axis.

    Every day must be one of several with something in either column.
    """
    days, top, bottom = len(above), above.sum(axis=0), below.sum(axis=0)
    return np.asarray((days - 1) * (np.log(top / bottom) - np.log((top - above) / (bottom - below))))


def on_one_day(column: Array) -> bool:
    """Whether all of a column (D,) is of one day, so that nobody knows how much it differs."""
    return bool((column.sum() - column).min() <= 0)


@dataclass(frozen=True)
class Differences:
    """K differences of logs with intervals that hold together."""

    estimate: Array  # (K,)
    low: Array  # (K,)
    high: Array  # (K,)


def together(estimate: Array, psi: Array, alpha: float = 0.05) -> Differences:
    """Intervals of K estimates (K,) that all hold at once with probability 1 - `alpha` or more.

    Args:
        estimate: of each.
        psi: influences (D, K) of D days.
        alpha: share of families of which any interval may miss.
    """
    days, number = psi.shape
    wide = student.ppf(1 - alpha / number / 2, days - 1) * psi.std(axis=0, ddof=1) / np.sqrt(days)
    return Differences(estimate, estimate - wide, estimate + wide)

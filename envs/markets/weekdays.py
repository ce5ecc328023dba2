"""Fits by how much weekdays differ, on training days that have dates, no further than chance cannot explain.

The log2 level of a date is its weekday's effect and independent noise. Effects are drawn towards 0 as best linear
predictions (Searle, Casella and McCulloch, "Variance Components", 1992, sections 3.4 and 3.6); their own variance is
taken at the lower end of its interval, not as estimated: where dates are few, or alike, all effects are exactly 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from bidpilot.bidding.kpi import EXPOSURE
from bidpilot.bidding.landscape.calendar import LEVELS, UNDATED, WEEKDAYS, CalendarEffects, NamedEvent, weekday_of

_SURE: Final = 0.95
"""Confidence with which effects vary at least as much as they are taken to."""
_LEAST: Final = 2.0**-16  # of a level
_SLIGHTEST: Final = 1e-12  # variance of noise: a log without any is believed


def fit_calendar(
    level: NDArray[np.float64], date: NDArray[np.int64] | None, events: Sequence[NamedEvent] = ()
) -> CalendarEffects | None:
    """Effects of weekdays on the levels (D, 5) of training days, what `events` were expected to do taken out first.

    Args:
        level: of whole days, in the order of a forecast's history; campaigns of one date are one day.
        date: (D,) days since 1970; None, or undated: nothing is learnt of the week.
        events: named events of training days and of days to come.

    Returns:
        The effects and events, a forecast's calendar; None where there are neither.
    """
    effect, doubt = np.zeros((WEEKDAYS, LEVELS)), np.zeros((WEEKDAYS, LEVELS))
    named = CalendarEffects(events=tuple(events))
    if date is not None and (date != UNDATED).any():
        dated = date != UNDATED
        log_level = np.log2(np.maximum(level[dated], _LEAST)) - named.expect(date[dated]).level
        dates, of = np.unique(date[dated], return_inverse=True)
        for k in range(LEVELS):
            if k == EXPOSURE:
                continue
            mean = np.bincount(of, log_level[:, k]) / np.bincount(of)
            effect[:, k], doubt[:, k] = weekday_effects(mean, weekday_of(dates))
        effect -= np.log2(np.exp2(effect).mean(axis=0))  # factors of a whole week have mean 1
    return CalendarEffects(effect, doubt, named.events) if effect.any() or events else None


def weekday_effects(
    log_level: NDArray[np.float64], weekday: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Effects (7,) of weekdays on the levels (D,) of dates, and the variance (7,) that is left of each.

    One random effect, unequal groups. F, the ratio of mean squares between and within weekdays, over its quantile
    without effects gives the lower end of the interval of their variance.
    """
    count = np.bincount(weekday, minlength=WEEKDAYS)
    seen = count > 0
    groups, days = int(seen.sum()), len(log_level)
    if groups < 2 or days <= groups:
        return np.zeros(WEEKDAYS), np.zeros(WEEKDAYS)
    mean = np.bincount(weekday, log_level, WEEKDAYS) / np.maximum(count, 1)
    noise = max(float(((log_level - mean[weekday]) ** 2).sum() / (days - groups)), _SLIGHTEST)
    between = float((count * (mean - log_level.mean()) ** 2).sum() / (groups - 1))
    size = (days - float((count**2).sum()) / days) / (groups - 1)
    beyond_chance = between / float(fdtri(groups - 1, days - groups, _SURE))
    variance = (beyond_chance - noise) / size
    if variance <= 0.0:
        return np.zeros(WEEKDAYS), np.zeros(WEEKDAYS)
    precision = np.where(seen, 1.0 / (variance + noise / np.maximum(count, 1)), 0.0)
    centre = float(precision @ mean / precision.sum())
    return variance * precision * (mean - centre), variance * (1.0 - variance * precision)

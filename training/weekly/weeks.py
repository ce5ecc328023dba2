"""The week against the week before: differences per measure, same weekdays paired, and whether a gain has lasted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np
from scipy.stats import t as student

from bidpilot.bidding.errors import TooFewDays
from bidpilot.bidding.kpi import KPI
from bidpilot.training.roi.intervals import LEAST_DAYS, LEAST_EVENTS, Array, Estimate, Verdict
from bidpilot.training.roi.purchases import Purchases, Totals
from bidpilot.training.weekly.weighed import Weighed

WEEK: Final = 7


@dataclass(frozen=True)
class Difference:
    """One measure of this week over that of the week before, less 1."""

    measure: str
    before: float | None  # a day's mean, or a rate over all days
    now: float | None
    change: Estimate  # relative; its interval is by pairs of the same weekday, each measure for itself
    verdict: Verdict
    good: Verdict | None  # which way is better; None: neither


@dataclass(frozen=True)
class WeekComparison:
    """This week and the week before, day by day of the same weekday."""

    name: str
    days: tuple[str, ...]  # (P,) this week's that have a partner, in time order
    before: tuple[str, ...]  # (P,) their partners
    utility: Difference  # expected utility per money: what is said of the week
    differences: tuple[Difference, ...]
    gain: Difference | None  # utility per money of the week before over that before it; None: there is none
    kept: Difference | None  # of this week over the week before the last
    told: str  # what may be said, in a sentence
    daily: tuple[tuple[float | None, ...], tuple[float | None, ...]]  # utility per money: (P,) now and before
    notes: tuple[str, ...]


class _Measure(NamedTuple):
    name: str
    above: Callable[[Totals], Array]  # (D,)
    below: Callable[[Totals], Array]
    good: Verdict | None
    rare: bool = False  # whether it is of conversions that came, which are few


def _day(totals: Totals) -> Array:
    return np.ones(len(totals.days))


def _spend(totals: Totals) -> Array:
    return np.asarray(totals.spend.sum(axis=1))


def _came(totals: Totals) -> Array:
    return np.asarray(totals.conversions.sum(axis=1))


def _value(totals: Totals) -> Array:
    return np.asarray(totals.value.sum(axis=1))


def _expected(j: int) -> Callable[[Totals], Array]:
    return lambda totals: np.asarray(totals.expected[..., j].sum(axis=1))


MEASURES: Final = (
    _Measure("spend", _spend, _day, None),
    _Measure("exposures won", lambda totals: np.asarray(totals.wins.sum(axis=1)), _day, Verdict.more),
    *(_Measure(f"expected {name}", _expected(j), _day, Verdict.more) for j, name in enumerate(KPI)),
    _Measure("conversions", _came, _day, Verdict.more, rare=True),
    _Measure("value", _value, _day, Verdict.more, rare=True),
    _Measure("expected cost per conversion", _spend, _expected(2), Verdict.less),
    _Measure("cost per conversion", _spend, _came, Verdict.less, rare=True),
    _Measure("ROI", _value, _spend, Verdict.more, rare=True),
)
"""What is compared. A measure is a sum over a sum; expected ones are of what was to be expected of the exposures."""


def compare_weeks(
    purchases: Purchases,
    weighed: Weighed,
    until: str | None = None,
    alpha: float = 0.05,
) -> WeekComparison:
    """Compare the last seven days with the seven before them.

    Days with dates are paired a week apart, others by their place. The utility per money, each KPI over its mean of
    the week before, is what is said of the week; the other measures are beside it, and one in twenty of their
    intervals misses.

    Args:
        purchases: what was bought; days before these two weeks say whether a gain of the week before has lasted.
        weighed: weights of the KPIs, and whose they are.
        until: the last day of the week, ISO 8601 or a label of `purchases.days`; None: the last day there is.
        alpha: share of intervals that may miss.

    Raises:
        TooFewDays: no day has a partner in the week before, or `until` is no day.
    """
    totals = purchases.by()
    now, before, first = paired_days(totals.days, until)
    if not now:
        raise TooFewDays(
            f"no day of the last week of {purchases.name} has a partner a week before; it has {len(totals.days)} days, "
            f"to {totals.days[-1]}. Give two weeks."
        )
    weights = _weights(totals, before, weighed.preference)
    utility = _Measure(
        "utility per money", lambda t: np.asarray(t.expected.sum(axis=1) @ weights), _spend, Verdict.more
    )

    def compared(measure: _Measure, days: Sequence[int], partners: Sequence[int]) -> Difference:
        return _difference(totals, measure, days, partners, alpha)

    main = compared(utility, now, before)
    known = [(n, b, f) for n, b, f in zip(now, before, first, strict=True) if f is not None]
    earlier = [f for *_, f in known]
    gain = compared(utility, [b for _, b, _ in known], earlier) if known else None
    kept = compared(utility, [n for n, *_ in known], earlier) if known else None
    rates = utility.above(totals) / np.where(_spend(totals) > 0, _spend(totals), np.nan)
    return WeekComparison(
        name=purchases.name,
        days=tuple(totals.days[d] for d in now),
        before=tuple(totals.days[d] for d in before),
        utility=main,
        differences=tuple(compared(measure, now, before) for measure in MEASURES),
        gain=gain,
        kept=kept,
        told=_told(main, gain, kept),
        daily=(_numbers(rates[list(now)]), _numbers(rates[list(before)])),
        notes=(f"worth of conversions: {purchases.valued}", weighed.told, *purchases.notes),
    )


def paired_days(days: Sequence[str], until: str | None = None) -> tuple[list[int], list[int], list[int | None]]:
    """Places of the last week's days, of their partners a week before, and of those two weeks before where known.

    Raises:
        TooFewDays: `until` is none of the days.
    """
    if until is not None and until not in days:
        raise TooFewDays(f"{until} is no day that is there; they run from {days[0]} to {days[-1]}. Name one of them.")
    try:
        moments = [date.fromisoformat(day) for day in days]
        place = {moment: k for k, moment in enumerate(moments)}
        last = date.fromisoformat(until) if until is not None else max(moments)

        def at(back: int) -> int | None:
            return place.get(last - timedelta(days=back))
    except ValueError:
        end = len(days) - 1 if until is None else list(days).index(until)

        def at(back: int) -> int | None:
            return end - back if end >= back else None

    found = [(at(back), at(back + WEEK), at(back + 2 * WEEK)) for back in reversed(range(WEEK))]
    pairs = [(now, before, first) for now, before, first in found if now is not None and before is not None]
    return [now for now, *_ in pairs], [before for _, before, _ in pairs], [first for *_, first in pairs]


def _weights(totals: Totals, before: Sequence[int], preference: tuple[float, float, float]) -> Array:
    """(3,) what one of each KPI counts for: its weight over its mean day of the week before."""
    mean = totals.expected[list(before)].sum(axis=1).mean(axis=0)
    return np.where(mean > 0, np.array(preference) / np.where(mean > 0, mean, 1.0), 0.0)


def _difference(
    totals: Totals, measure: _Measure, now: Sequence[int], before: Sequence[int], alpha: float
) -> Difference:
    above, below = measure.above(totals), measure.below(totals)
    columns = np.stack([above[list(now)], below[list(now)], above[list(before)], below[list(before)]], axis=1)
    here, there = (_rate(columns[:, k].sum(), columns[:, k + 1].sum()) for k in (0, 2))
    counted = [totals.counted(of) for of in (now, before)] if measure.rare else []
    rare = min((number for number in counted if number is not None), default=None)
    change = _change(columns, alpha, rare)
    return Difference(measure.name, there, here, change, change.verdict, measure.good)


def _change(columns: Array, alpha: float, rare: float | None) -> Estimate:
    """Relative difference of two rates from pairs (P, 4): the jackknife of the log, by pairs."""
    sums = columns.sum(axis=0)
    if not (sums > 0).all():
        return Estimate(None, why="nothing in one of the weeks")
    signs = np.array([1.0, -1.0, -1.0, 1.0])
    log = float(np.log(sums) @ signs)
    value, pairs = float(np.expm1(log)), len(columns)
    if pairs < LEAST_DAYS:
        return Estimate(value, why=f"{pairs} pairs of days: an interval takes {LEAST_DAYS}")
    if rare is not None and rare < LEAST_EVENTS:
        return Estimate(value, why=f"{rare:.3g} conversions in one of the weeks: an interval takes {LEAST_EVENTS:.0f}")
    rest = sums - columns
    if not (rest > 0).all():
        return Estimate(value, why="all of a week is of one day")
    psi = (pairs - 1) * (log - np.log(rest) @ signs)
    wide = float(student.ppf(1 - alpha / 2, pairs - 1) * psi.std(ddof=1) / np.sqrt(pairs))
    return Estimate(value, float(np.expm1(log - wide)), float(np.expm1(log + wide)))


def _told(main: Difference, gain: Difference | None, kept: Difference | None) -> str:
    """What may be said of the week, and of a gain before it."""
    said = {
        Verdict.more: "this week's money bought more than the week before's",
        Verdict.less: "this week's money bought less than the week before's",
        Verdict.unknown: "whether this week's money bought more or less than the week before's cannot be told",
    }[main.verdict]
    if main.change.why is not None:
        said += f" ({main.change.why})"
    if gain is None or kept is None:
        return f"{said}; there is no week before these two, so that whether a gain lasted cannot be told"
    if gain.verdict is not Verdict.more:
        return f"{said}; the week before had no proven gain over the one before it, so that there is none to last"
    if kept.verdict is Verdict.more:
        return f"{said}; the week before's gain lasted"
    if main.verdict is Verdict.less:
        return f"{said}; the week before's gain was lost"
    return f"{said}; whether the week before's gain lasted cannot be told"


def _rate(above: float, below: float) -> float | None:
    return float(above / below) if below > 0 else None


def _numbers(values: Array) -> tuple[float | None, ...]:
    return tuple(value if np.isfinite(value) else None for value in values.tolist())

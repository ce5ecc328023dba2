"""Pace against plan: how the money went over the day."""

from __future__ import annotations

from typing import Final

import numpy as np

from bidpilot.training.reporting.charts.chart import Lines, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import percent

KEY: Final = "pace"
TITLE: Final = "Pace against plan"
_USUAL: Final = "No purchase is known, so that there is no pace."
_NO_PLAN: Final = "No plan is known. Name what was served: --bundle FOLDER."
_MOST_DAYS: Final = 14  # rows of days


def section(evidence: Evidence) -> Section:
    """Money spent so far over the day, its spread over days, beside the plan's."""
    course = evidence.course
    if course is None or not len(course.spent):
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    spent = 100 * course.spent
    hours = tuple((24 * np.linspace(0, 1, spent.shape[1])).tolist())
    middle = np.median(spent, axis=0)
    band: tuple[tuple[float, ...], tuple[float, ...]] | tuple[None, None] = (None, None)
    if len(spent) > 2:
        low, high = np.quantile(spent, [0.1, 0.9], axis=0)
        band = tuple(low.tolist()), tuple(high.tolist())
    name = "spent" if len(spent) == 1 else "spent, median of days"
    series = [Series(name, tuple(middle.tolist()), *band)]
    if course.planned is not None:
        series.append(Series("planned", tuple((100 * course.planned).tolist())))
    chart = Lines("Budget spent so far", hours, tuple(series), "hour", "percent of the budget", dashed=("planned",))
    end = course.spent[:, -1]
    lead = f"{percent(_whole(evidence, end))} of the budget was spent"
    lead += "" if len(end) == 1 else f", from {percent(float(end.min()))} to {percent(float(end.max()))} by day"
    if course.planned is not None:
        gap = float(np.abs(middle / 100 - course.planned).max())
        lead += f"; the widest gap to the plan within the day is {percent(gap)} of the budget"
    sheets = (_by_day(evidence),) if 1 < len(end) <= _MOST_DAYS else ()
    notes = () if course.planned is not None else (evidence.why_missing("plan", _NO_PLAN),)
    return Section(KEY, TITLE, f"{lead}.", (chart,), sheets, notes)


def _whole(evidence: Evidence, end: np.ndarray) -> float:
    """Share of all money that was spent, so that a small campaign counts for as much as it has."""
    purchases = evidence.purchases
    budget = float("nan") if purchases is None else float(purchases.budget.sum())
    if purchases is None or not budget > 0:
        return float(end.mean())
    return float(purchases.cost.sum()) / budget


def _by_day(evidence: Evidence) -> Sheet:
    assert evidence.course is not None
    slots = evidence.course.spent.shape[1] - 1
    rows = []
    for k, spent in enumerate(evidence.course.spent):
        quarters = (percent(float(spent[round(slots * share)])) for share in (0.25, 0.5, 0.75, 1.0))
        rows.append((evidence.course.labels[k], *quarters))
    return Sheet(("day", "by 6:00", "by 12:00", "by 18:00", "by 24:00"), tuple(rows), "Spent of the budget")

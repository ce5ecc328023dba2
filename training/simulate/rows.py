"""Rows of scenarios: every metric with its intervals, and how often such intervals covered what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.training.report.simulate import CheckRow, Ends, ScenarioRow
from bidpilot.training.simulate.intervals import Interval, change, one_day, over_days
from bidpilot.training.simulate.outcomes import METRICS, Outcomes
from bidpilot.training.simulate.scenarios import Scenario

LEVELS: Final = (0.8, 0.95)
DAY, MEAN, CHANGE = "one day", "mean", "change"
Found = dict[tuple[int, str, str, float], Interval]
"""Intervals by scenario, metric, kind and level."""


def intervals(played: Outcomes, units: NDArray[np.int64], horizon: int) -> Found:
    """Every interval that is told of K scenarios on D days; of the base there is no change."""
    found: Found = {}
    for metric in METRICS:
        above, below = played.parts(metric)
        daily = played.of_day(metric)
        for k in range(len(played.worth)):
            for level in LEVELS:
                found[k, metric, DAY, level] = one_day(daily[k], units, level)
                found[k, metric, MEAN, level] = over_days(above[k], below[k], units, horizon, level)
                if k > 0:
                    pair = (above[0], above[k]), (below[0], below[k])
                    found[k, metric, CHANGE, level] = change(*pair, units, horizon, level)
    return found


def scenario_rows(scenarios: Sequence[Scenario], found: Found) -> list[ScenarioRow]:
    """A row for each scenario and metric."""
    return [_row(k, scenario, metric, found) for k, scenario in enumerate(scenarios) for metric in METRICS]


def _row(k: int, scenario: Scenario, metric: str, found: Found) -> ScenarioRow:
    def ends(kind: str, level: float) -> Ends:
        interval = found.get((k, metric, kind, level))
        if interval is None or not np.isfinite(interval).all():
            return None
        return interval.low, interval.high

    def estimate(kind: str) -> float | None:
        interval = found.get((k, metric, kind, LEVELS[0]))
        return None if interval is None or not np.isfinite(interval.estimate) else interval.estimate

    low, high = LEVELS
    return ScenarioRow(
        scenario=scenario.name,
        group=scenario.group,
        relative=scenario.change,
        metric=metric,
        mean=estimate(MEAN),
        mean_80=ends(MEAN, low),
        mean_95=ends(MEAN, high),
        day=estimate(DAY),
        day_80=ends(DAY, low),
        day_95=ends(DAY, high),
        change=estimate(CHANGE),
        change_80=ends(CHANGE, low),
        change_95=ends(CHANGE, high),
    )


def check_rows(
    scenarios: Sequence[Scenario], found: Found, happened: Outcomes, units: NDArray[np.int64], horizon: int
) -> list[CheckRow]:
    """How many of the held-out days, and of their runs of `horizon` days, lie within the intervals.

    A run is of days that share nothing, in order; days that are left over are in none. Where a metric is a ratio to
    nothing, it is not counted.
    """
    runs = _runs(units, horizon)
    rows = []
    for (k, metric, kind, level), interval in found.items():
        if kind == DAY:
            values = happened.of_day(metric)[k]
        else:
            above, below = (part[:, runs].sum(axis=2) for part in happened.parts(metric))
            means = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
            base = np.where(means[0] > 0, means[0], np.nan)
            values = means[k] if kind == MEAN else means[k] / base - 1.0
        values = values[np.isfinite(values)]
        if len(values) and np.isfinite(interval).all():
            # equal ends, of what is the same on all days, are to hold it for all rounding
            slack = 1e-9 * max(abs(interval.low), abs(interval.high))
            within = (values >= interval.low - slack) & (values <= interval.high + slack)
            rows.append(
                CheckRow(
                    scenario=scenarios[k].name,
                    metric=metric,
                    kind=kind,
                    level=level,
                    covered=int(within.sum()),
                    of=len(values),
                )
            )
    return rows


def _runs(units: NDArray[np.int64], horizon: int) -> NDArray[np.int64]:
    """(R, horizon) days of runs; a day of each unit, since days to come share nothing."""
    _, first = np.unique(units, return_index=True)
    first = np.sort(first)
    return first[: len(first) // horizon * horizon].reshape(-1, horizon)


def pooled(rows: Sequence[CheckRow]) -> list[CheckRow]:
    """The same rows over several checks, summed by scenario, metric, kind and level."""
    sums: dict[tuple[str, str, str, float], CheckRow] = {}
    for row in rows:
        key = row["scenario"], row["metric"], row["kind"], row["level"]
        before = sums.get(key)
        if before is None:
            sums[key] = row
        else:
            sums[key] = {**row, "covered": before["covered"] + row["covered"], "of": before["of"] + row["of"]}
    return list(sums.values())

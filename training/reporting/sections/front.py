"""The Pareto front, and where the campaign stands on it."""

from __future__ import annotations

from itertools import combinations
from typing import Final

import numpy as np

from bidpilot.bidding.kpi import KPI
from bidpilot.training.report.tables import PreferenceFrontRow, short_name
from bidpilot.training.reporting.charts.chart import Group, Points
from bidpilot.training.reporting.evidence import Evidence, Front
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import number, percent

KEY: Final = "front"
TITLE: Final = "The front, and the campaign on it"
_USUAL: Final = "No forecast is known, and so no front. Name what was served: --bundle FOLDER."


def section(evidence: Evidence) -> Section:
    """What each KPI costs in the others, in shares of the ideal point."""
    front = evidence.front
    if evidence.fronts:
        return _attained(evidence.fronts)
    if front is None:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    charts = tuple(_panel(front, x, y) for x, y in combinations(front.active, 2))
    lead = (
        "Each point is a plan with the same money under the same constraints; no plan has more of one KPI without less "
        "of another. Shares are of the ideal point, the most of a KPI that the whole budget could buy alone. With "
        "three KPIs, what looks worse in one picture has more of the third."
    )
    rows = [("the campaign's plan", front.own), ("knee: most of all together", front.knee)]
    rows += [(f"most {KPI[j]}", end) for j, end in zip(front.active, front.ends, strict=True)]
    if front.reached is not None:
        rows.insert(1, ("bought, mean of days", front.reached))
    sheet = Sheet(
        ("", *(KPI[j] for j in front.active)),
        tuple((name, *(percent(float(share[j])) for j in front.active)) for name, share in rows),
    )
    return Section(KEY, TITLE, lead, charts, (sheet,))


def _attained(rows: tuple[PreferenceFrontRow, ...]) -> Section:
    """Fronts that agents attained over preferences, suite by suite."""
    charts: list[Points] = []
    for suite in dict.fromkeys(row["suite"] for row in rows):
        here = [(short_name(row["agent"]), 100 * np.array(row["totals"])) for row in rows if row["suite"] == suite]
        for x, y in combinations(range(len(KPI)), 2):
            groups = tuple(Group(name, tuple(at[:, x].tolist()), tuple(at[:, y].tolist())) for name, at in here)
            title = f"{KPI[y].capitalize()} against {KPI[x]} on {suite}"
            charts.append(Points(title, groups, f"{KPI[x]}, percent of the ideal", f"{KPI[y]}, percent"))
    best = max(rows, key=lambda row: row["hypervolume_share"])
    lead = (
        f"Most of the exact front is attained by {short_name(best['agent'])} on {best['suite']}: "
        f"{percent(best['hypervolume_share'])} of its hypervolume. Each point is the mean of days at one preference, "
        "in shares of the ideal point; the loss is of utility against the hindsight optimum of the same preference."
    )
    return Section(KEY, "The fronts of agents", lead, tuple(charts), (_losses(rows),))


def _losses(rows: tuple[PreferenceFrontRow, ...]) -> Sheet:
    columns = ("agent", "suite", "hypervolume, of the exact front's", "mean loss", "worst loss", "at preference")
    return Sheet(
        columns,
        tuple(
            (
                short_name(row["agent"]),
                row["suite"],
                percent(row["hypervolume_share"]),
                percent(row["mean_loss"]),
                percent(row["worst_loss"]),
                " : ".join(map(number, row["worst_preference"])),
            )
            for row in rows
        ),
        texts=2,
    )


def _panel(front: Front, x: int, y: int) -> Points:
    def group(name: str, shares: np.ndarray, marker: str) -> Group:
        at = 100 * np.atleast_2d(shares)
        return Group(name, tuple(at[:, x].tolist()), tuple(at[:, y].tolist()), marker)  # type: ignore[arg-type]

    groups = [group("plan", front.share, "o"), group("the campaign's plan", front.own, "*")]
    if front.reached is not None:
        groups.append(group("bought", front.reached, "o"))
    groups.append(group("knee", front.knee, "D"))
    title = f"{KPI[y].capitalize()} against {KPI[x]}"
    return Points(title, tuple(groups), f"{KPI[x]}, percent of the ideal", f"{KPI[y]}, percent")

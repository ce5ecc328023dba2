"""The Pareto front, and where the campaign stands on it."""

from __future__ import annotations

from itertools import combinations
from typing import Final

import numpy as np

from bidpilot.bidding.kpi import KPI
from bidpilot.training.reporting.charts.chart import Group, Points
from bidpilot.training.reporting.evidence import Evidence, Front
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import percent

KEY: Final = "front"
TITLE: Final = "The front, and the campaign on it"
_USUAL: Final = "No forecast is known, and so no front. Name what was served: --bundle FOLDER."


def section(evidence: Evidence) -> Section:
    """What each KPI costs in the others, in shares of the ideal point."""
    front = evidence.front
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

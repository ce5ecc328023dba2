"""What was bought by user tier, where segments tell it."""

from __future__ import annotations

from typing import Final

import numpy as np

from bidpilot.envs.synthetic.generate import USERS
from bidpilot.training.reporting.charts.chart import Bars, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import number, percent, ratio

KEY: Final = "users"
TITLE: Final = "By user tier"
_USUAL: Final = (
    "No segment tells the tier of the user (new, active, loyal, dormant). Make it the channel: or tier: of a log's "
    "mapping, or a part of imp.ext.bidpilot.segment; a request's user is kept nowhere else."
)


def section(evidence: Evidence) -> Section:
    """Money, exposures and KPIs of each user tier that a part of a segment's name tells."""
    purchases = evidence.purchases
    if purchases is None:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    tier = np.array([user_tier(name) for name in purchases.segments], np.int64)
    if (tier < 0).all():
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    names = (*USERS, "not told")
    place = np.where(tier < 0, len(USERS), tier)[purchases.segment]
    columns = (purchases.cost, None, *purchases.kpi.T, purchases.value)
    spend, wins, quality, interactions, conversions, value = (
        np.bincount(place, column, len(names)).astype(float).tolist() for column in columns
    )
    there = [k for k in range(len(names)) if (np.where(tier < 0, len(USERS), tier) == k).any()]  # that had requests
    rows = [
        (names[k], number(spend[k]), percent(ratio(spend[k], sum(spend))), number(wins[k]), number(quality[k]),
         number(interactions[k]), number(conversions[k]), number(ratio(value[k], spend[k])))
        for k in there
    ]  # fmt: skip
    sheet = Sheet(
        ("user tier", "spend", "of all", "exposures", "quality", "interactions", "conversions", "ROI"), tuple(rows)
    )
    shares = Series("of all money", tuple(100 * spend[k] / max(sum(spend), 1e-300) for k in there))
    chart = Bars("Money by user tier", tuple(row[0] for row in rows), (shares,), "percent of all")
    return Section(KEY, TITLE, "", (chart,), (sheet,))


def user_tier(segment: str) -> int:
    """Place in USERS of the tier that a part of a segment's name is; -1 where none is."""
    return next((USERS.index(part) for part in segment.split("/") if part in USERS), -1)

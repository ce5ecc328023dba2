"""What was bought by user tier, where segments tell it."""

from __future__ import annotations

from typing import Final

from bidpilot.training.reporting.charts.chart import Bars, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.bought import columns, of_what, row
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import within
from bidpilot.training.roi.model import roi_model
from bidpilot.training.roi.purchases import UNTOLD, By

KEY: Final = "users"
TITLE: Final = "By user tier"
_USUAL: Final = (
    "No segment tells the tier of the user (new, active, loyal, dormant). Make it the channel: or tier: of a log's "
    "mapping, or a part of imp.ext.bidpilot.segment; a request's user is kept nowhere else."
)


def section(evidence: Evidence) -> Section:
    """Money, exposures, KPIs and ROI of each user tier that a part of a segment's name tells."""
    purchases = evidence.purchases
    if purchases is None:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    totals = purchases.by(By.user)
    if totals.groups == (UNTOLD,):
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    found = roi_model(totals)
    rows = tuple((*row(totals, g), within(group.roi.low, group.roi.high)) for g, group in enumerate(found.groups))
    shares = Series("of all money", tuple(100 * group.spend_share for group in found.groups))
    chart = Bars("Money by user tier", totals.groups, (shares,), "percent of all")
    sheet = Sheet(("user tier", *columns(totals.valued), "95 %"), rows)
    return Section(KEY, TITLE, "", (chart,), (sheet,), (of_what(purchases),))

"""The last week against the week before, and whether a gain lasted."""

from __future__ import annotations

from typing import Final

from bidpilot.bidding.errors import TooFewDays
from bidpilot.training.reporting.charts.chart import Bars, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import DASH, number, sentence, within
from bidpilot.training.weekly.weeks import Difference, compare_weeks
from bidpilot.training.weekly.weighed import Weighed

KEY: Final = "weeks"
TITLE: Final = "The week against the week before"
_USUAL: Final = "No purchase is known. Give a bid server's decisions, a log, or a run of train or solve."


def section(evidence: Evidence) -> Section:
    """Differences of measures with intervals by pairs of weekdays."""
    if evidence.purchases is None or KEY in evidence.lacks:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    weighed = evidence.weighed or Weighed.usual(evidence.purchases)
    try:
        found = compare_weeks(evidence.purchases, weighed)
    except TooFewDays as error:
        return Section(KEY, TITLE, missing=f"Two weeks are needed: {error}")
    series = (Series("last week", found.daily[0]), Series("week before", found.daily[1]))
    charts = (Bars("Expected utility per money", found.days, series, "utility"),) if len(found.days) > 1 else ()
    rows = tuple(_row(one) for one in (found.utility, *found.differences))
    sheet = Sheet(("a day's mean, or a rate", "week before", "last week", "change", "95 %", "verdict"), rows)
    lead = f"{found.told[0].upper()}{found.told[1:]}."
    return Section(KEY, TITLE, lead, charts, (sheet,), (sentence(weighed.told),))


def _row(one: Difference) -> tuple[str, ...]:
    change = one.change
    return (
        one.measure,
        number(one.before),
        number(one.now),
        DASH if change.value is None else f"{100 * change.value:+.1f} %",
        within(change.low, change.high, relative=True),
        str(one.verdict) if change.why is None else f"{one.verdict}: {change.why}",
    )

"""Alerts and incidents of a bid server."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Final

from bidpilot.serving.incidents.incident import Incident, Level
from bidpilot.training.reporting.charts.chart import Bars, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import plural

KEY: Final = "incidents"
TITLE: Final = "Alerts and incidents"
_USUAL: Final = "Incidents are kept by a bid server alone. Name its state folder: --state FOLDER."
_MOST: Final = 30  # rows
_LEVELS: Final = {Level.none: "watched", Level.throttle: "throttled", Level.pause: "paused", Level.stop: "stopped"}


def section(evidence: Evidence) -> Section:
    """What was noticed, what was done, and what is open."""
    incidents = evidence.incidents
    if incidents is None:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    if not incidents:
        return Section(
            KEY, TITLE, "The bid server kept no incident: none came about, or its bundle has no bands to watch by."
        )
    still = sum(one.open for one in incidents)
    latest = sorted(incidents, key=lambda one: one.steps[0].at if one.steps else 0.0, reverse=True)
    rows = tuple(map(_row, latest[:_MOST]))
    columns = ("opened, UTC", "what", "campaign", "highest level", "now", "why")
    notes = (f"{len(incidents) - _MOST} older incidents are left out.",) if len(incidents) > _MOST else ()
    lead = f"{plural(len(incidents), 'incident')}, {still} still open."
    return Section(KEY, TITLE, lead, _charts(incidents), (Sheet(columns, rows, texts=6),), notes)


def _charts(incidents: tuple[Incident, ...]) -> tuple[Bars, ...]:
    risks = Counter(one.risk.replace("_", " ") for one in incidents)
    if len(risks) < 2:
        return ()
    names, counts = zip(*risks.most_common(), strict=True)
    return (Bars("Incidents by risk", names, (Series("incidents", tuple(map(float, counts))),), "number", lying=True),)


def _row(one: Incident) -> tuple[str, ...]:
    opened = datetime.fromtimestamp(one.steps[0].at, UTC) if one.steps else None
    target = "" if one.target.kind in ("campaign", "bidder") else f" of {one.target.kind} {one.target.index}"
    highest = max((step.level for step in one.steps), default=one.level)
    now = ("acknowledged" if one.acknowledged else "open") if one.open else "over"
    when = f"{one.day}, slot {one.slot}" if opened is None else f"{opened:%Y-%m-%d %H:%M}"
    return (when, one.risk.replace("_", " ") + target, one.campaign or "bidder", _LEVELS[highest], now, one.explanation)

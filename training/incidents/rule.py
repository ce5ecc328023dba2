"""Plays the slots of an incident's day through the alarm rule again: are the same alarms told?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bidpilot.bidding.bundle import load_bundle
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import InvalidIncident
from bidpilot.bidding.watch.alarm import Alarm
from bidpilot.bidding.watch.bands import Bands
from bidpilot.bidding.watch.scan import Scan
from bidpilot.serving.incidents.incident import Incident, Level

_NEAR = 1  # slots: late news may have moved a score over its threshold sooner


def bands_of(folder: Path) -> Bands:
    """The bands of a bundle.

    Raises:
        InvalidBundle, BundleMismatch: it cannot be read.
        InvalidIncident: it has none.
    """
    bands = load_bundle(folder).bands
    if bands is None:
        raise InvalidIncident(f"the bundle {folder} has no bands. Export it again, or give the one that was served.")
    return bands


def alarms_again(incident: Incident, bands: Bands) -> list[Alarm]:
    """The alarms that the day's slots bring under these bands, by what is known of them in the end.

    Raises:
        InvalidIncident: its file has no slots of its day.
    """
    rows = [row for row in incident.slots if row["date"] == incident.day.isoformat()]
    if not rows:
        raise InvalidIncident(f"{incident.id} keeps no slots of its day: nothing can be held against bands.")
    scan = Scan(bands, rows[0]["budget"], incident.day.weekday())
    by_slot, alarms = {row["slot"]: row for row in rows}, list[Alarm]()
    held = max((step.level for step in incident.steps), default=Level.none) > Level.none
    for slot in range(max(by_slot) + 1):
        row = by_slot.get(slot)
        # under a response the campaign did not bid as on training days
        played = not (held and slot > incident.slot)
        alarms += scan.close(None if row is None else totals_of(row), played)
    return alarms


def totals_of(row: dict[str, Any]) -> SlotTotals:
    """The totals of a slot that an incident's file keeps, one row; what it does not keep is 0."""
    totals = SlotTotals.zeros(1, 1, 1)
    totals.auctions[0] = row["requests"] - row["refused"]
    totals.source_refused[0, 0] = row["refused"]
    totals.wins[0], totals.spend[0] = row["wins"], row["spend"]
    kpi = ("exposure", "interaction", "conversion")
    totals.predicted[0] = np.array([row[f"predicted_{name}"] for name in kpi])
    totals.realised[0] = np.array([row[f"realised_{name}"] for name in kpi])
    return totals


def compared(incident: Incident, again: Sequence[Alarm]) -> str:
    """In words, which of the incident's alarms are told again."""
    told = [a for a in incident.alarms if "metric" in a and "window" in a]
    found = [any(b.metric == a["metric"] and abs(b.slot - a["slot"]) <= _NEAR for b in again) for a in told]
    missing = [f"{a['metric']} at slot {a['slot']}" for a, same in zip(told, found, strict=True) if not same]
    if not told:
        return "no band told of it"
    return f"{sum(found)} of {len(told)} alarms again" + (f", not {missing[0]}" if missing else "")

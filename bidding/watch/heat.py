"""The heat map of incidents: which risk touched which channel at which hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bidpilot.bidding.watch.alarm import Risk

RISKS: Final = tuple(Risk)
"""The first axis of a heat map."""


def slot_hours(slots: int, hours: int = 24) -> NDArray[np.int64]:
    """(T,) the hour that each slot of a day begins in."""
    return np.arange(slots) * hours // slots


def heat(incidents: Iterable[Mapping[str, Any]], channels: ArrayLike, hours: ArrayLike) -> NDArray[np.int64]:
    """Incidents of each risk that touched each channel in each hour, (R, C, H) in the order of `RISKS`.

    An incident touches the slots from the first of its alarms' windows to the last that any of them was told in, and
    the slot that it was noticed in; an hour counts it once. That of a segment touches its channel, any other all of
    them: a source sends to all.

    Args:
        incidents: fields of incidents, as `Incident.model_dump` and their files have them: `risk`, `target`, `slot`
            and `alarms`; what the server's own events told of has no `window`, and is of its slot alone.
        channels: (S,) number of each segment's channel, as `channel_index` gives it.
        hours: (T,) hour of each slot, as `slot_hours` gives it.
    """
    of_segment, of_slot = np.asarray(channels, np.int64), np.asarray(hours, np.int64)
    found = np.zeros((len(RISKS), int(of_segment.max()) + 1, int(of_slot.max()) + 1), np.int64)
    for incident in incidents:
        risk, target = RISKS.index(Risk(incident["risk"])), incident["target"]
        touched = of_slot[_touched(incident, len(of_slot))]
        segment = target["index"] if target["kind"] == "segment" else None
        where = slice(None) if segment is None else slice(of_segment[segment], of_segment[segment] + 1)
        for hour in np.unique(touched):
            found[risk, where, hour] += 1
    return found


def _touched(incident: Mapping[str, Any], slots: int) -> slice:
    """The slots of an incident, within the day."""
    alarms = incident.get("alarms") or ()
    noticed = int(incident["slot"])
    first = min([noticed, *(int(alarm["slot"]) - int(alarm.get("window", 1)) + 1 for alarm in alarms)])
    last = max([noticed, *(int(alarm["slot"]) for alarm in alarms)])
    return slice(min(max(first, 0), slots - 1), min(max(last, 0), slots - 1) + 1)

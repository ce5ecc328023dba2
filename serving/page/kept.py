"""The incidents that a bidder keeps, and where and when they hit, as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.segments import channel_index, channels
from bidpilot.bidding.watch.heat import RISKS, heat, slot_hours
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.incidents.incident import Incident
from bidpilot.serving.page.operations import Grid

_HOURS = 24
_MOST = 100  # incidents that are shown, the latest


class Kept:
    """`Operations` of a bidder's responder.

    Args:
        bidder: whose incidents are shown.
        register: the risk register, shown before what has happened.
    """

    def __init__(self, bidder: Bidder, register: Sequence[Grid] = ()) -> None:
        self._bidder, self._register = bidder, tuple(register)
        self._known: list[tuple[str, int]] = []
        self._grids = self._register

    def incidents(self) -> Sequence[Incident]:
        """Those that go on, and those over for less than a day; of many the latest."""
        found = sorted(self._bidder.responder.news(), key=lambda one: (one.open, one.seen), reverse=True)
        return found[:_MOST]

    def risks(self) -> Sequence[Grid]:
        """The register, and how many incidents that are kept hit each channel, and were of each risk, by hour."""
        held = list(self._bidder.responder.incidents.values())
        known = [(one.id, len(one.alarms)) for one in held]
        if known != self._known:
            self._known, self._grids = known, self._register + self._maps(held)
        return self._grids

    def _maps(self, held: Sequence[Incident]) -> tuple[Grid, ...]:
        segments, slots = self._bidder.bundle.manifest.segments, self._bidder.calendar.slots
        found = heat(
            [_fields(one) for one in held], channel_index(segments).tolist(), slot_hours(slots, _HOURS).tolist()
        )
        of_risk, seen = found.max(axis=1), found.sum(axis=(1, 2)) > 0
        rows = tuple(str(risk) for risk, there in zip(RISKS, seen, strict=True) if there)
        if not rows:
            return ()
        return (
            _grid("Incidents by channel and hour", channels(segments), found.sum(axis=0)),
            _grid("Incidents by risk and hour", rows, of_risk[seen]),
        )


def _fields(incident: Incident) -> dict[str, Any]:
    """What a heat map reads; what the server's own events told of has no window."""
    alarms = [{"slot": alarm.get("slot", incident.slot), "window": alarm.get("window", 1)} for alarm in incident.alarms]
    return {"risk": incident.risk, "target": incident.target.model_dump(), "slot": incident.slot, "alarms": alarms}


def _grid(title: str, rows: tuple[str, ...], counts: NDArray[np.int64]) -> Grid:
    hours = tuple(f"{hour:02d}" for hour in range(_HOURS))
    return Grid(title, rows, hours, tuple(map(tuple, counts.tolist())), "that this server keeps")

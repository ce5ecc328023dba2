"""The guard as one switch: what watches and responds beside the bidder, and the operator on duty."""

from __future__ import annotations

from typing import Protocol

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.watch.bands import Bands
from bidpilot.bidding.watch.scan import Scan
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.incidents.incident import Incident, Level

_ACKNOWLEDGES = 3600.0  # seconds from a response to when the operator on duty has taken the incident on


class Guard(Protocol):
    """What the walk calls as a server would."""

    def tick(self, now: float) -> None:
        """Look at what has ended, and at deadlines; called after each tick of the bidder."""

    @property
    def incidents(self) -> list[Incident]:
        """Every incident so far, by when it was opened."""


class NoGuard:
    """Alerts are off; that responses are, says the configuration."""

    def __init__(self) -> None:
        self.incidents: list[Incident] = []

    def tick(self, now: float) -> None:
        """Nobody looks."""


class OnDuty:
    """Alerts and responses are on; an operator takes each incident on an hour after its response."""

    def __init__(self, bidder: Bidder, bands: Bands, campaign: str = "default") -> None:
        self._bidder, self._campaign, self._bands = bidder, campaign, bands
        self._scan, self._account, self._next = self._begin()

    def _begin(self) -> tuple[Scan, str, int]:
        day = self._bidder.days[self._campaign]
        scan = Scan(self._bands, day.campaign.budget, None)
        return scan, day.account, 0

    def tick(self, now: float) -> None:
        """Hold what has ended against the bands, and take on what has waited."""
        bidder = self._bidder
        moment = bidder.moment
        kept = None
        while self._next < (moment.slot if moment.date == self._account.partition("@")[2] else bidder.calendar.slots):
            if kept is None:
                like = SlotTotals.zeros(1, len(bidder.bundle.manifest.segments), bidder.desk.sources)
                kept = bidder.desk.state.slots(self._account, like)
            for alarm in self._scan.close(kept.get(self._next)):
                bidder.responder.alarm(self._campaign, alarm)
            self._next += 1
        if moment.date != self._account.partition("@")[2]:
            self._scan, self._account, self._next = self._begin()
        for incident in bidder.responder.open:
            since = max((step.at for step in incident.steps if step.action.value in _DONE), default=now)
            if incident.level > Level.none and not incident.acknowledged and now - since >= _ACKNOWLEDGES:
                bidder.responder.acknowledge(incident.id, "operator", "on duty")

    @property
    def incidents(self) -> list[Incident]:
        """Every incident so far, by when it was opened."""
        return sorted(self._bidder.responder.incidents.values(), key=lambda one: one.steps[0].at)


_DONE = ("throttled", "paused", "stopped")

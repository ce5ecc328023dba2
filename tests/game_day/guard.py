"""The guard as one switch: alerts and responses of the bidder itself, and the operator on duty."""

from __future__ import annotations

from typing import Protocol

from bidpilot.serving.bidder import Bidder
from bidpilot.serving.incidents.incident import Action, Incident, Level

_ACKNOWLEDGES = 3600.0  # seconds from a response to when the operator on duty has taken the incident on
_DONE = (Action.throttled, Action.paused, Action.stopped)


class Guard(Protocol):
    """What the walk asks of one."""

    def tick(self, now: float) -> None:
        """Called after each tick of the bidder."""

    @property
    def incidents(self) -> list[Incident]:
        """Every incident so far, by when it was opened."""


class NoGuard:
    """Alerts are off, since the bundle has no bands, and so are responses, as the configuration says."""

    def __init__(self) -> None:
        self.incidents: list[Incident] = []

    def tick(self, now: float) -> None:
        """Nobody looks."""


class OnDuty:
    """Alerts and responses are on; an operator takes each incident on an hour after its response."""

    def __init__(self, bidder: Bidder) -> None:
        self._responder = bidder.responder

    def tick(self, now: float) -> None:
        """Take on what has waited."""
        for incident in self._responder.open:
            since = max((step.at for step in incident.steps if step.action in _DONE), default=now)
            if incident.level > Level.none and not incident.acknowledged and now - since >= _ACKNOWLEDGES:
                self._responder.acknowledge(incident.id, "operator", "on duty")

    @property
    def incidents(self) -> list[Incident]:
        """Every incident so far, by when it was opened."""
        return sorted(self._responder.incidents.values(), key=lambda one: one.steps[0].at)

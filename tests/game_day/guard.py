"""The guard as one switch: what watches and responds beside the bidder, and the operator on duty."""

from __future__ import annotations

from typing import Protocol

from bidpilot.serving.bidder import Bidder
from bidpilot.serving.incidents.incident import Incident


class Guard(Protocol):
    """What the walk calls as a server would."""

    def tick(self, now: float) -> None:
        """Look at what has ended, and at deadlines; called after each tick of the bidder."""

    @property
    def incidents(self) -> list[Incident]:
        """Every incident so far, by when it was opened."""


class NoGuard:
    """Alerts and responses are off."""

    def __init__(self, bidder: Bidder) -> None:
        self.incidents: list[Incident] = []

    def tick(self, now: float) -> None:
        """Nobody looks."""

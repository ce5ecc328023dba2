"""What a person is told of a source: what is known, what follows, since when, and what would change it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a source is treated."""

    open = "open"
    doubted = "doubted"  # bid on at a discount
    limited = "limited"  # refused beyond its quota
    refused = "refused"  # refused whole


@dataclass(frozen=True)
class SourceReport:
    """One source of one campaign's day, before the coming slot."""

    source: int
    status: Status
    since: int | None  # slot; None where it is open
    multiplier: float  # of its bids
    probability: float  # that what it sends is invalid
    requests: float  # of the last slot, the refused among them
    usual: float  # that it was expected to send in it
    quota: float  # requests that it was given in the last slot
    views: float  # told of its wins, what is long ago counting less
    views_expected: float  # that valid traffic would have brought
    events: float  # likes, comments, shares and follows, likewise
    events_expected: float
    surge_evidence: float | None  # nats for invalid traffic since the surge began; None without one
    clear: float  # nats below which the limit is lifted
    remembered: float  # log odds that the day began with

    @property
    def why(self) -> str:
        """The evidence in words."""
        outcomes = (
            f"{self.views:.0f} views where {self.views_expected:.0f} were expected, "
            f"{self.events:.0f} interactions where {self.events_expected:.0f} were"
        )
        if self.status is Status.limited:
            return f"{self.requests:.0f} requests where {self.usual:.0f} are usual; {outcomes}"
        return outcomes

    def summary(self) -> dict[str, str | int | float | None]:
        """How it is treated and why, for whoever asks a server."""
        return {
            "status": self.status.value,
            "since": self.since,
            "probability": self.probability,
            "why": self.why,
            "would_clear": self.would_clear,
        }

    @property
    def would_clear(self) -> str:
        """What would change its treatment; empty where it is open."""
        if self.status is Status.open:
            return ""
        if self.status is Status.limited:
            return (
                f"views and interactions of the surge's own wins that bring its evidence below {self.clear:g} nats "
                f"(now {self.surge_evidence or 0.0:.1f}), or a quota kept for some hours"
            )
        return "views as many as its wins let expect; without wins its evidence fades over days"

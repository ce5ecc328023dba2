"""One request as the terms of its impressions see it: what is read of it once for all of them."""

from __future__ import annotations

from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.messages import BidRequest
from bidpilot.serving.restrictions.blocks import Blocks
from bidpilot.serving.restrictions.person import Person


class Visit:
    """A request, made ready once.

    Args:
        request: as it came.
        seat: that would bid.
        refusal: why nobody bids on any of its impressions; None where somebody may.
    """

    __slots__ = ("blocks", "marks", "person", "refusal", "request", "seat")

    def __init__(self, request: BidRequest, seat: str, refusal: Refusal | None = None) -> None:
        self.request, self.seat, self.refusal = request, seat, refusal
        self.blocks = Blocks.of(request)
        """None where it blocks nothing."""
        self.person = Person.of(request)
        """None where it tells of nobody."""
        self.marks: tuple[int, ...] | None = None
        """What the person is known by; None while nobody has asked, empty where nothing is known."""

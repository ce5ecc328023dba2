"""One request as the terms of its impressions see it: what is read of it once for all of them."""

from __future__ import annotations

from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.messages import BidRequest
from bidpilot.serving.restrictions.blocks import Blocks
from bidpilot.serving.restrictions.person import Person, tells_age


class Visit:
    """A request, made ready once.

    Args:
        request: as it came.
        seat: that would bid.
        refusal: why nobody bids on any of its impressions; None where somebody may.
    """

    __slots__ = ("_person", "blocks", "marks", "may_be_minor", "refusal", "request", "seat")

    def __init__(self, request: BidRequest, seat: str, refusal: Refusal | None = None) -> None:
        self.request, self.seat, self.refusal = request, seat, refusal
        r = request
        self.blocks = Blocks(r) if r.badv or r.bcat or r.bapp or r.wlang or r.acat or r.wlangb else None
        """None where it blocks nothing."""
        self.may_be_minor = tells_age(request)
        """Whether the person is to be asked for the age, whatever campaigns want."""
        self._person: Person | None = None
        self.marks: tuple[int, ...] | None = None
        """What the person is known by; None while nobody has asked, empty where nothing is known."""

    @property
    def person(self) -> Person:
        """Who would see it, as far as that may be read."""
        if self._person is None:
            self._person = Person(self.request)
        return self._person

"""The bids of one response. Until it is sent they can be withdrawn, and then hold no money."""

from __future__ import annotations

from bidpilot.serving.auction import Bid
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.messages import BidObject, BidResponse, NoBidReason, SeatBid, encode


class Offer:
    """Bids that were made for one request, with what is sent of each."""

    __slots__ = ("_bidder", "_bids", "_objects")

    def __init__(self, bidder: Bidder) -> None:
        self._bidder = bidder
        self._bids: list[Bid] = []
        self._objects: list[BidObject] = []

    @property
    def bids(self) -> int:
        """Bids that hold money for this response, or would but that they are tests."""
        return len(self._bids)

    def made(self, bid: Bid) -> None:
        """A bid holds its money from now on."""
        self._bids.append(bid)

    def written(self, entry: BidObject) -> None:
        """What is to be sent of the bid that was made last."""
        self._objects.append(entry)

    def response(self, id: str, seat: str, currency: str) -> BidResponse | None:
        """The response with all bids; None where there is none."""
        if not self._objects:
            return None
        return BidResponse(id=id, seatbid=[SeatBid(seat, self._objects)], cur=currency)

    def withdraw(self, keep: int = 0) -> None:
        """Free the money of all bids but the first `keep`."""
        for bid in self._bids[keep:]:
            self._bidder.take_back(bid)
        del self._bids[keep:], self._objects[keep:]

    def fit(self, size: int, most: int) -> int:
        """Withdraw the last bids of a response of `size` bytes until it has at most `most`; how many."""
        before = len(self._objects)
        keep = before
        while keep and size > most:
            keep -= 1
            size -= len(encode(self._objects[keep])) + 1  # and a comma
        self.withdraw(keep)
        return before - keep


def no_bid(id: str, reason: NoBidReason) -> BidResponse:
    """A response without bids that says why."""
    return BidResponse(id=id, nbr=reason.value)

"""The control page: its files, its stream, and one campaign's slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bidpilot.serving.bidder import Bidder
from bidpilot.serving.drain import Drain
from bidpilot.serving.http import Request, Response
from bidpilot.serving.page import campaign
from bidpilot.serving.page.feed import Feed
from bidpilot.serving.page.files import Files
from bidpilot.serving.page.kept import Kept
from bidpilot.serving.page.operations import Grid, Operations
from bidpilot.serving.page.snapshot import Ask, Snapshots
from bidpilot.serving.tokens import Who

_STREAM = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-store")]
_FULL = Response(503, b'{"error":"too many pages look at this server, or it is about to end: try again"}')


class Page:
    """What the admin application asks.

    Args:
        bidder: what is shown.
        currency: of all amounts.
        drain: on while no bid is made any more; streams end then.
        register: the risk register, where there is one.
    """

    def __init__(self, bidder: Bidder, currency: str, drain: Drain, register: Sequence[Grid] = ()) -> None:
        self.bidder, self._files = bidder, Files()
        self.feed = Feed(Snapshots(bidder, currency, drain))
        self.watch(Kept(bidder, register))

    def watch(self, operations: Operations) -> None:
        """Show the incidents and risks that `operations` tells of."""
        self.feed.snapshots.operations = operations

    def file(self, request: Request) -> Response | None:
        """The page's own file that is asked for, which needs no token; None where it is none."""
        return self._files.answer(request)

    def stream(self, who: Who, together: Ask | None = None) -> Response:
        """GET /admin/stream; `together` tells the money of all workers."""
        self.feed.snapshots.ask = together
        listener = self.feed.join(who)
        return _FULL if listener is None else Response(200, b"", _STREAM, listener)

    def campaign(self, name: str) -> dict[str, Any]:
        """GET /admin/page/NAME: its running day, slot by slot."""
        return campaign.detail(self.bidder, name)

"""Events wait for the bill of their bid: what a bid that was lost or never billed brought is nothing to learn from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.store import Resolved, Settlement
from bidpilot.serving.notices import Ticket
from bidpilot.serving.told import Told

MOST: Final = 1 << 16
"""Bids whose events wait, and bids that are remembered as billed. Of more, the first are forgotten."""
_EVERY = 10.0  # seconds between two questions about bids that wait

_Hear = Callable[[Ticket, Told], None]


class Unbilled:
    """Counts events once their bid is known to be billed, here or, as the ledger says, by another bidder.

    Args:
        keeper: asks the ledger; one question at a time, of all bids that have come up since the last.
        count: hears of an event of a billed bid.
        drop: hears of an event that waits no longer, and never counts.
        most: bids that are remembered.
    """

    def __init__(self, keeper: Keeper, count: _Hear, drop: _Hear, most: int = MOST) -> None:
        self._keeper, self._count, self._drop, self._most = keeper, count, drop, most
        self._waiting: dict[str, list[tuple[Ticket, Told]]] = {}  # by the bid's key, who waits longest first
        self._billed: dict[bytes, None] = {}  # bids that were, the first first
        self._new: dict[str, Ticket] = {}  # that nobody has asked about yet
        self._asking = False
        self._asked = 0.0  # when all were asked about, seconds since 1970

    def __len__(self) -> int:
        """Bids whose events wait."""
        return len(self._waiting)

    def add(self, ticket: Ticket, told: Told) -> None:
        """An event was told, and is weighed."""
        if bytes.fromhex(ticket.key) in self._billed:
            self._count(ticket, told)
            return
        if (known := self._waiting.get(ticket.key)) is not None:
            known.append((ticket, told))
            return
        if len(self._waiting) >= self._most:
            self._end(next(iter(self._waiting)), self._drop)
        self._waiting[ticket.key] = [(ticket, told)]
        self._new[ticket.key] = ticket
        self._ask()

    def billed(self, ticket: Ticket) -> None:
        """The bill of a bid is booked."""
        if len(self._billed) >= self._most:
            del self._billed[next(iter(self._billed))]
        self._billed[bytes.fromhex(ticket.key)] = None
        self._end(ticket.key, self._count)

    def tend(self, now: float) -> None:
        """Ask again, every so often, about bids that wait: another bidder may have had their bills."""
        if not self._waiting or 0 <= now - self._asked < _EVERY:
            return
        self._asked = now
        self._new.update((key, kept[0][0]) for key, kept in self._waiting.items())
        self._ask()

    def forget(self, over: Callable[[Ticket], bool]) -> None:
        """Drop the events of bids whose day is over."""
        for key in [key for key, kept in self._waiting.items() if over(kept[0][0])]:
            self._end(key, self._drop)

    def _end(self, key: str, hear: _Hear) -> None:
        self._new.pop(key, None)
        for ticket, told in self._waiting.pop(key, ()):
            hear(ticket, told)

    def _ask(self) -> None:
        if self._asking or not self._new:
            return
        self._asking = True
        asked, self._new = self._new, {}
        batch = [Settlement(t.key, t.account, t.lease, t.amount, 0.0, t.slot) for t in asked.values()]
        self._keeper.run(lambda store: store.resolve(batch), lambda found: self._answered(asked, found))

    def _answered(self, asked: dict[str, Ticket], found: list[Resolved] | None) -> None:
        self._asking = False
        for ticket, answer in zip(asked.values(), found or (), strict=found is not None):
            if answer.settled:
                self.billed(ticket)
        self._ask()

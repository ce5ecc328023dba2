"""Asks a shared store what other bidders were told of bids whose money is to be freed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.reservations import Reservation
from bidpilot.serving.ledger.store import Resolved, Settlement


class Enquiry:
    """One question at a time, of all reservations that have come up since the last.

    Args:
        account, keeper: whose reservations they are, and who asks.
        found: gets each reservation with what is known of it elsewhere.
    """

    def __init__(self, account: str, keeper: Keeper, found: Callable[[Reservation, Resolved], None]) -> None:
        self._account, self._keeper, self._found = account, keeper, found
        self._waiting: list[Reservation] = []
        self._asking = False

    def about(self, held: Iterable[Reservation]) -> None:
        """Ask about reservations, which are claimed until the answer."""
        for one in held:
            one.claimed = True
            self._waiting.append(one)
        if not self._asking and self._waiting:
            self._ask()

    def _ask(self) -> None:
        self._asking = True
        asked, self._waiting = self._waiting, []
        # of a bid that was lost nothing more is waited for
        batch = [Settlement(h.key, self._account, h.lease, h.amount, 0.0 if h.lost else h.expires) for h in asked]
        self._keeper.run(lambda store: store.resolve(batch), lambda found: self._answered(asked, found))

    def _answered(self, asked: list[Reservation], found: list[Resolved] | None) -> None:
        self._asking = False
        for held, answer in zip(asked, found or [Resolved(pending=True)] * len(asked), strict=True):
            held.claimed = False
            self._found(held, answer)
        if self._waiting:
            self._ask()

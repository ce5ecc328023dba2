"""Money of bids that comes back, once they were billed, lost or have run out: what surely is in the lease again."""

from __future__ import annotations

from collections.abc import Callable

from bidpilot.serving.ledger.enquiry import Enquiry
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.reservations import Reservation, Reservations
from bidpilot.serving.ledger.store import Resolved


class Returns:
    """Ends reservations. What may have left the lease is not counted: the next grant tells what the lease has more.

    Args:
        account, keeper: whose reservations they are, and who asks a shared store what other bidders were told.
        held: the reservations.
        credit: gets what of a reservation's amount is in its lease again, micro-units.
        expired: hears of reservations that ran out, with what was settled for them elsewhere.
    """

    def __init__(
        self,
        account: str,
        keeper: Keeper,
        held: Reservations,
        credit: Callable[[Reservation, int], None],
        expired: Callable[[Reservation, int], None],
    ) -> None:
        self._held, self._credit, self._expired = held, credit, expired
        self._keeper, self._enquiry = keeper, Enquiry(account, keeper, self._found)

    def paid(self, held: Reservation, amount: int) -> None:
        """A bid was billed: `amount` was taken for it, and the rest is in its lease."""
        if self._held.remove(held):
            self._credit(held, held.amount - amount)

    def unpaid(self, held: Reservation) -> None:
        """Nothing was taken for a bid: its money is the account's where it has left the lease, or may have."""
        if self._held.remove(held) and not (held.taken or held.unsure):
            self._credit(held, held.amount)

    def elsewhere(self, held: Reservation) -> None:
        """A bid was billed by another bidder, or by a call whose answer was lost, at a price that is not known."""
        self._held.remove(held)

    def lost(self, held: Reservation) -> None:
        """A bid was told lost."""
        held.lost = True
        if self._keeper.store.shared:
            self._enquiry.about([held])
        else:
            self.unpaid(held)

    def expire(self, now: float) -> None:
        """End what has run out."""
        gone = self._held.run_out(now)
        if self._keeper.store.shared:
            self._enquiry.about(gone)
            return
        for held in gone:
            self.unpaid(held)
            self._expired(held, 0)

    def _found(self, held: Reservation, answer: Resolved) -> None:
        """A shared store has told what other bidders know of a bid that was lost or has run out."""
        if answer.won is not None:
            self._held.has_won(held, answer.won)
            self._held.taken_out(held)
            self._held.ask_again(held)
        elif answer.settled:
            if held.taken:  # what it left in the lease has come with a grant, or will
                self.elsewhere(held)
            else:
                self.paid(held, answer.settled)
            self._expired(held, answer.settled)
        elif answer.pending:
            self._held.ask_again(held)  # at the next turn
        else:
            self.unpaid(held)
            if not held.lost:
                self._expired(held, 0)

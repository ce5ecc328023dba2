"""What became of bids elsewhere: of those whose time is over, and of those that another process has booked."""

from __future__ import annotations

from collections.abc import Callable

from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.reservations import Reservation, Reservations
from bidpilot.serving.ledger.store import Resolved, Settlement


class Elsewhere:
    """Lets the reservations of one wallet go.

    Args:
        account: the wallet's.
        keeper: talks to the store; where others settle too, they are asked for before a reservation is let go.
        held: the reservations.
        forget: a bid cannot be billed any more; `paid` micro-units were taken from its lease for it.
    """

    def __init__(
        self, account: str, keeper: Keeper, held: Reservations, forget: Callable[[Reservation, int], None]
    ) -> None:
        self._account, self._keeper, self._held, self._forget = account, keeper, held, forget
        self.on_expired: Callable[[Reservation, int], None] = lambda *_: None  # with what was settled for it elsewhere

    def expire(self, now: float) -> None:
        """Let those go whose time is over."""
        gone = self._held.run_out(now)
        if self._keeper.store.shared:
            self.ask(gone)
            return
        for held in gone:
            self._lapse(held)

    def ask(self, gone: list[Reservation]) -> None:
        """Ask what became of bids, and let go those that nobody will bill."""
        if not gone:
            return
        for held in gone:
            held.claimed = True
        batch = [Settlement(h.key, self._account, h.lease, h.amount, h.expires) for h in gone]
        self._keeper.run(lambda store: store.resolve(batch), lambda found: self._resolved(gone, found))

    def hear(self, key: str, paid: int | None, until: float = 0.0) -> Reservation | None:
        """Another process has booked the bill of a bid, of which the lease has `paid`, or its win, held `until`."""
        held = self._held.find(key)
        if held is None or held.claimed:  # where it is being asked for, the answer tells
            return None
        if paid is None:
            self._win(held, until)
        else:
            self._forget(held, paid)
        return held

    def _resolved(self, gone: list[Reservation], found: list[Resolved] | None) -> None:
        for held, answer in zip(gone, found or [Resolved(pending=True)] * len(gone), strict=True):
            held.claimed = False
            if answer.pending:
                self._held.ask_again(held)  # at the next turn
            elif answer.won is not None:
                self._win(held, answer.won)
            elif answer.settled:
                self._forget(held, answer.settled)
                self.on_expired(held, answer.settled)
            else:
                self._lapse(held)

    def _win(self, held: Reservation, until: float) -> None:
        self._held.has_won(held, until)
        self._held.taken_out(held)

    def _lapse(self, held: Reservation) -> None:
        """Nobody has billed a bid in time: its money is free again, for the account where it left the lease.

        Where a lost answer leaves that unknown it counts as if, and the next grant tells what the lease has more.
        """
        if held.taken or held.unsure:
            self._held.remove(held)
        else:
            self._forget(held, 0)
        self.on_expired(held, 0)

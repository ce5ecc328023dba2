"""What outstanding bids of one wallet may cost, and when their money is let go."""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import msgspec

from bidpilot.serving.ledger.store import Win


class Reservation(msgspec.Struct):
    """What one outstanding bid may cost."""

    key: str
    lease: str
    amount: int  # micro-units
    expires: float  # seconds since 1970; money is held until then
    record: Any  # the bid, for whoever hears of it again; None where a process before this one made it
    slot: int = 0  # of the auction
    claimed: bool = False  # a billing notice, or a question, is on its way to the store
    lost: bool = False  # told so: nobody can win by it any more
    won: bool = False  # it is known to have won: nothing frees its money but its bill, or a long time
    taken: bool = False  # its money is out of the lease: the store holds it for the win
    unsure: bool = False  # whether its money has left the lease: a call to the store was not answered
    turn: int = 0  # its place among those that run out out of line; 0: in line


@dataclass(frozen=True)
class WalletConfig:
    """How money is taken from the account."""

    chunk: int  # most that lies unused in a lease, micro-units
    hold: float  # seconds for which a bid's money is held: bid.exp and the grace period
    slack: float = 30.0  # seconds beyond `hold` that a lease lasts without renewal


class Reservations:
    """Outstanding bids by key, and in the order in which their money runs out."""

    def __init__(self) -> None:
        self.amount = 0  # of all of them
        self.won = 0  # of those whose money is out of the lease
        self.by_slot: Counter[int] = Counter()  # amount, by the slot of the auction
        self.won_by_slot: Counter[int] = Counter()
        self._open: dict[str, Reservation] = {}
        self._line: deque[Reservation] = deque()  # of turn 0: most are held alike, and come as they run out
        self._last = -math.inf  # when the last of them does
        self._others: list[tuple[float, int, Reservation]] = []  # a heap; entries of an earlier turn are void
        self._turn = 0

    def __len__(self) -> int:
        """How many they are."""
        return len(self._open)

    def find(self, key: str) -> Reservation | None:
        """That of a bid; None where it is not outstanding."""
        return self._open.get(key)

    def add(self, held: Reservation, usual: bool = False) -> None:
        """Hold the money of a bid, for the `usual` time or for another."""
        self._open[held.key] = held
        self.amount += held.amount
        self.by_slot[held.slot] += held.amount
        if usual and held.expires >= self._last:
            self._last = held.expires
            self._line.append(held)
        else:
            self.ask_again(held)

    def ask_again(self, held: Reservation) -> None:
        """Let it run out at its time, or at the next turn where that is over."""
        self._turn = held.turn = self._turn + 1
        heapq.heappush(self._others, (held.expires, held.turn, held))

    def has_won(self, held: Reservation, until: float) -> None:
        """It has won: its money is held until then."""
        if not held.won:
            held.won = True
            held.expires = max(held.expires, until)
            self.ask_again(held)

    def taken_out(self, held: Reservation) -> None:
        """Its money is no longer the lease's."""
        if not held.taken:
            held.taken = True
            self.won += held.amount
            self.won_by_slot[held.slot] += held.amount

    def adopt(self, win: Win) -> None:
        """The store holds money for a win of a bid that this process does not know, or has let run out."""
        if win.key in self._open:
            return
        held = Reservation(win.key, win.lease, win.amount, win.until, None, win.slot, won=True)
        self.add(held)
        self.taken_out(held)

    def remove(self, held: Reservation) -> bool:
        """Its money is not held any more; False where it was not."""
        if self._open.get(held.key) is not held:
            return False
        del self._open[held.key]
        self.amount -= held.amount
        self.by_slot[held.slot] -= held.amount
        if held.taken:
            self.won -= held.amount
            self.won_by_slot[held.slot] -= held.amount
        return True

    def run_out(self, now: float) -> list[Reservation]:
        """Those whose time is over, each told once, unless they are being billed."""
        gone, line, others, find = list[Reservation](), self._line, self._others, self._open.get
        while line and (line[0].turn or line[0].expires < now):
            held = line.popleft()
            if not held.turn and find(held.key) is held and not held.claimed:
                gone.append(held)
        while others and others[0][0] < now:
            _, turn, held = heapq.heappop(others)
            if held.turn == turn and find(held.key) is held and not held.claimed:
                gone.append(held)
        return gone

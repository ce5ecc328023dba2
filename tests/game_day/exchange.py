"""The exchanges: they send a day's auctions to a bidder, tell it what came of its bids, and keep their own books."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bidpilot.serving.auction import NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.ledger.store import MICRO, Booked, Held
from bidpilot.serving.notices import Ticket
from bidpilot.serving.told import Told
from tests.game_day.day import EXCHANGES, Auctions
from tests.game_day.faults import Fault, Outage, SilentExchange


@dataclass
class Books:
    """What the exchanges count of one play. Amounts in micro-units."""

    slots: int
    billed: int = 0  # and answered: the bidder has said that it is booked
    owed: int = 0  # bids of wins that were told and are not billed
    unbilled_most: int = 0  # the most of `owed`
    value: NDArray[np.float64] = field(init=False)  # (T, 3) true KPIs of people's exposures
    spend: NDArray[np.int64] = field(init=False)  # (T,) billed, and owed at the market price
    wasted: NDArray[np.int64] = field(init=False)  # (T,) of it on bots
    bids: NDArray[np.int64] = field(init=False)  # (T,)
    requests: NDArray[np.int64] = field(init=False)  # (T,)
    retried: int = 0  # notices that had to be sent again

    def __post_init__(self) -> None:
        self.value = np.zeros((self.slots, 3))
        self.spend, self.wasted, self.bids, self.requests = (np.zeros(self.slots, np.int64) for _ in range(4))


@dataclass(frozen=True)
class _Bill:
    """What an exchange has to tell of a win: its bill, or that it has won alone."""

    ticket: Ticket
    price: float  # currency
    billed: bool


class Exchanges:
    """Plays auctions to a bidder, slot by slot.

    A notice that is not answered as booked is sent again at the next slot, as over HTTP after a 503.
    """

    def __init__(self, bidder: Bidder, auctions: Auctions, faults: tuple[Fault, ...], slots: int) -> None:
        self.bidder, self.auctions, self.books = bidder, auctions, Books(slots)
        self._begin = np.searchsorted(auctions.slot, np.arange(slots + 1))
        self._silent = [fault for fault in faults if isinstance(fault, SilentExchange)]
        self._outages = [fault for fault in faults if isinstance(fault, Outage)]
        self._again: list[_Bill] = []
        self._kept_back: list[_Bill] = []  # wins that were told, whose bills a silent exchange has not sent

    def play(self, slot: int, begin: float = 0.0, end: float = 1.0) -> None:
        """One slot's auctions, or those between two shares of it; what was not booked before comes first."""
        self.send_again()
        if self._kept_back and not any(f.first <= slot <= f.last for f in self._silent):
            self.bill_all()
        first, last = self._begin[slot], self._begin[slot + 1]
        count = last - first
        for i in range(first + round(begin * count), first + round(end * count)):
            self._auction(i, slot)

    def send_again(self) -> None:
        """Send the notices that the bidder could not book."""
        waiting, self._again = self._again, []
        for bill in waiting:
            self.books.retried += 1
            self._settle(bill)

    def bill_all(self) -> None:
        """Bill what was kept back."""
        late, self._kept_back = self._kept_back, []
        for win in late:
            self.books.owed -= win.ticket.amount
            self._settle(_Bill(win.ticket, win.price, billed=True))

    @property
    def unanswered(self) -> int:
        """Notices that the bidder has not booked yet."""
        return len(self._again)

    def _auction(self, i: int, slot: int) -> None:
        a, books = self.auctions, self.books
        books.requests[slot] += 1
        exchange = EXCHANGES[a.exchange[i]]
        value = (float(a.predicted[i, 0]), float(a.predicted[i, 1]), float(a.predicted[i, 2]))
        answer = self.bidder.bid(Opportunity(value, int(a.segment[i]), int(a.source[i]), exchange=exchange))
        if isinstance(answer, NoBid):
            return
        books.bids[slot] += 1
        price = float(a.price[i])
        if answer.amount < price * MICRO:
            self.bidder.loss(answer.ticket, price)
            return
        silent = any(f.exchange == exchange and f.first <= slot <= f.last for f in self._silent)
        if not silent:
            self.bidder.win(answer.ticket, price, price)
        self._settle(_Bill(answer.ticket, price, billed=not silent))
        cost = min(round(price * MICRO), answer.amount)
        books.spend[slot] += cost
        if a.bot[i]:
            books.wasted[slot] += cost
        else:
            books.value[slot] += a.true[i]
        if not any(f.first <= slot <= f.last for f in self._outages):
            self._tell(answer.ticket, i)

    def _tell(self, ticket: Ticket, i: int) -> None:
        a = self.auctions
        if a.viewed[i]:
            self.bidder.outcome(ticket, Told("view"))
        if a.interacted[i] or a.converted[i]:
            self.bidder.outcome(ticket, Told(interaction=float(a.interacted[i]), conversion=float(a.converted[i])))

    def _settle(self, bill: _Bill) -> None:
        ticket, books, cost = bill.ticket, self.books, _cost(bill)

        def held(answer: Held | Booked | None) -> None:
            if answer is None:
                self._again.append(bill)
            else:
                self._kept_back.append(bill)
                books.owed += ticket.amount
                books.unbilled_most = max(books.unbilled_most, books.owed)

        def booked(answer: Booked | None) -> None:
            if answer is None:
                self._again.append(bill)
            elif answer is not Booked.duplicate:
                books.billed += cost

        if bill.billed:
            self.bidder.bill(ticket, bill.price, bill.price, booked)
        else:
            self.bidder.win(ticket, bill.price, bill.price, held)


def _cost(bill: _Bill) -> int:
    """Micro-units: the market price, and no more than the bid."""
    return min(round(bill.price * MICRO), bill.ticket.amount)

"""What notices tell of bids: won, lost, billed, run out, and what the exposure brought."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping

from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.serving.auction import Record, row
from bidpilot.serving.calendar import DAY
from bidpilot.serving.capping.capping import Capping
from bidpilot.serving.creatives.rotation import Rotation
from bidpilot.serving.days import OLD_DAYS, Days
from bidpilot.serving.decision_log import DecisionLog
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import Cause, EventLog
from bidpilot.serving.ledger.reservations import Reservation
from bidpilot.serving.ledger.store import MICRO, Booked, Held, Settlement, Win
from bidpilot.serving.notices import Kind, Ticket, Unread
from bidpilot.serving.plausible import most_plausible
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.siblings import Passed, Siblings
from bidpilot.serving.told import Told, ToldEvents
from bidpilot.serving.unbilled import Unbilled

_WINS = {Held.held: "win", Held.late: "win_late", Held.repeated: "win_repeated", Held.billed: "win_after_bill"}
_ROUNDED = 1.01  # of the bid: a price written to the cent may be above it by as much


class Booking:
    """Books notices in the days, the ledger and the decision log.

    Args:
        desk: what the campaigns share.
        days: running days, and wallets of old ones.
        served: campaigns by name, as they stand.
        decisions: where resolved auctions are logged, or None.
        events: where what is odd about bills is told.
        capping: counts exposures by person.
        rotation: learns what creatives bring.
    """

    def __init__(
        self,
        desk: Desk,
        days: Days,
        served: Mapping[str, ServedCampaign],
        decisions: DecisionLog | None,
        events: EventLog,
        capping: Capping,
        rotation: Rotation,
    ) -> None:
        self._desk, self._days, self._served, self._decisions = desk, days, served, decisions
        self._events, self._capping, self._rotation = events, capping, rotation
        self.notices: Counter[str] = Counter()  # what became of them
        self._told = ToldEvents(OLD_DAYS * DAY)
        self._unbilled = Unbilled(desk.keeper, self._count_event, self._drop_event)
        self._plausible: tuple[Forecast, float] | None = None  # the highest price that is believed, by a forecast
        self.siblings: Siblings | None = None  # other workers, where there are any

    def win(
        self,
        ticket: Ticket,
        price: float | Unread = Unread.missing,
        min_to_win: float | None = None,
        done: Callable[[Held | Booked | None], None] = lambda _: None,
    ) -> None:
        """A bid has won: its money is held for its bill, or this is the bill where its exchange sends no other.

        Args:
            ticket: of the bid.
            price: what it will cost, currency per exposure, as far as it is told.
            min_to_win: the least bid that would have won, currency per exposure.
            done: hears when that is durable, None where it is not and the notice must come again.
        """
        if ticket.bills_on_win:
            self.notices["win"] += 1
            self.bill(ticket, price, min_to_win, done)
            return
        if ticket.test:
            self.notices["win"] += 1
            done(Held.held)
            return
        self._price(ticket, min_to_win)

        desk = self._desk
        # its bill is not overdue before its bid has expired, however long that was to be held
        begun = max(desk.clock(), ticket.expires - max(desk.reconciliation.age, desk.expiry))
        until = begun + desk.win_hold

        def told(result: Held | None) -> None:
            self.notices["win_unavailable" if result is None else _WINS[result]] += 1
            if result in (Held.held, Held.late):
                self._pass_on(Passed(Kind.win, ticket, min_to_win, until=until))
            done(result)

        wallet = self._days.wallet(ticket.account)
        if wallet is None:
            win = Win(ticket.key, ticket.account, ticket.lease, ticket.amount, ticket.expires, until, ticket.slot)
            self._desk.keeper.win(win, told)
        else:
            wallet.win(ticket.key, ticket.lease, ticket.amount, ticket.expires, until, told, ticket.slot)

    def loss(self, ticket: Ticket, min_to_win: float | None = None) -> None:
        """A bid has lost: its money is free again."""
        if ticket.test:
            self.notices["loss"] += 1
            return
        if self._pass_on(Passed(Kind.loss, ticket, min_to_win)):
            return
        self._price(ticket, min_to_win)
        wallet = self._days.wallet(ticket.account)
        known = None if wallet is None else wallet.find(ticket.key)
        self.notices["loss_after_win" if known is not None and known.won else "loss"] += 1
        held = None if wallet is None else wallet.release(ticket.key)
        if held is not None:
            self._resolve(held.record, "lost", 0)

    def take_back(self, ticket: Ticket) -> None:
        """A bid was made and not sent: nobody can win by it, and its money is free again."""
        self.notices["unsent"] += 1
        wallet = self._days.wallet(ticket.account)
        held = None if wallet is None else wallet.release(ticket.key)
        if held is not None:
            self._resolve(held.record, "unsent", 0)

    def bill(
        self,
        ticket: Ticket,
        price: float | Unread,
        min_to_win: float | None = None,
        done: Callable[[Booked | None], None] = lambda _: None,
    ) -> None:
        """An exposure is billed at `price`, currency; `done` hears when it is durable, None where it is not.

        Signed by us it is always booked: at the bid where the price cannot be read or is above it, which is counted.
        """
        amount = self._charge(ticket, price)
        if ticket.test:
            self.notices["test"] += 1
            done(Booked.settled)
            return
        record: list[Record] = []

        def booked(result: Booked | None) -> None:
            self.notices["unavailable" if result is None else result.value] += 1
            if result in (Booked.settled, Booked.debt):
                if ticket.user:
                    self._capping.billed(ticket, self._desk.clock())
                told, paid = not isinstance(price, Unread), amount if result is Booked.settled else 0
                if record or not self._pass_on(Passed(Kind.bill, ticket, min_to_win, amount, told, paid)):
                    self._booked(ticket, amount, min_to_win, record, told)
            done(result)

        wallet = self._days.wallet(ticket.account)
        if wallet is None:
            deadline = ticket.expires
            self._desk.keeper.settle(
                Settlement(ticket.key, ticket.account, ticket.lease, amount, deadline, ticket.slot), booked
            )
            return
        held = wallet.find(ticket.key)
        if held is not None and held.record is not None:
            record.append(held.record)
        wallet.settle(ticket.key, ticket.lease, amount, ticket.expires, booked, ticket.slot)

    def _charge(self, ticket: Ticket, price: float | Unread) -> int:
        """What a bill at this price costs, micro-units, and no more than the bid; what is odd about it is counted."""
        if not isinstance(price, Unread) and not (math.isfinite(price) and price >= 0):
            price = Unread.negative if price < 0 and math.isfinite(price) else Unread.not_finite
        if isinstance(price, Unread):
            self.notices[price.value] += 1
            return ticket.amount
        exact = price * MICRO
        if exact < ticket.amount + 0.5:
            return round(exact)
        if exact <= ticket.amount * _ROUNDED:
            self.notices["price_rounded"] += 1
        else:
            self.notices["price_above_bid"] += 1
            bid = ticket.amount / MICRO
            self._events.record(
                Cause.overpriced, f"{ticket.account}: billed {price:g} for a bid of {bid:g}; booked at it"
            )
        return ticket.amount

    def _booked(self, ticket: Ticket, amount: int, min_to_win: float | None, record: list[Record], told: bool) -> None:
        day = self._days.today(ticket.account)
        if record:
            self._price(ticket, min_to_win, record[0])
            if told and record[0].market_price is None and not record[0].opportunity.first_price:
                # the price of this auction, but as prices of won auctions alone they would not stand for the slot's
                record[0].market_price = amount / MICRO / ticket.count
            self._resolve(record[0], "won", amount)
        if ticket.creative:
            self._rotation.billed(ticket.account.partition("@")[0], ticket.creative, ticket.count)
        self._unbilled.billed(ticket)
        if day is not None:
            day.book(ticket.slot, ticket.all_values, ticket.segment, ticket.source, amount, ticket.amount)

    def outcome(self, ticket: Ticket, told: Told) -> None:
        """What a won exposure brought; of each bid each type of event is booked once, when its bill is.

        What is told after the day is in the decision log alone, and so is what is told of a bid that is never billed.
        """
        if not ticket.test and self._pass_on(Passed(Kind.event, ticket, told=told)):
            return
        result = self._outcome(ticket, told)
        if result is not None:
            self.notices[result] += 1

    def _outcome(self, ticket: Ticket, told: Told) -> str | None:
        """Take an event; what became of it, None where that is counted once it is known whether its bid was billed."""
        served = self._served.get(ticket.account.partition("@")[0])
        if ticket.test:
            return "test"
        if served is None or not self._told.listens(ticket, self._desk.clock()):
            return "event_unheard"
        if not self._told.first(ticket, told.event):
            return "event_repeated"
        told = told.weighed(served.weights)
        if self._decisions is not None:
            self._decisions.outcome(ticket.key, told)
        if self._days.today(ticket.account) is None:
            return "event_after_day"
        self._unbilled.add(ticket, told)
        return None

    def _count_event(self, ticket: Ticket, told: Told) -> None:
        day = self._days.today(ticket.account)
        self.notices["event_after_day" if day is None else "event"] += 1
        if day is None:
            return
        day.outcome(ticket.slot, ticket.source, told)
        if ticket.creative and day.served.rotation != "even":
            self._rotation.told(day.served.name, ticket.creative, getattr(told, day.served.rotation))

    def _drop_event(self, ticket: Ticket, told: Told) -> None:
        self.notices["event_unbilled"] += 1

    def tend(self, now: float) -> None:
        """Ask the ledger about bids whose events came before their bills. Call it often."""
        self._unbilled.tend(now)

    def _pass_on(self, passed: Passed) -> bool:
        return self.siblings is not None and self.siblings.pass_on(passed)

    def hear(self, passed: Passed) -> None:
        """Another worker has heard of a bid that was made here; bills and wins are in the ledger already."""
        ticket, wallet = passed.ticket, self._days.wallet(passed.ticket.account)
        if passed.kind is Kind.loss:
            self.loss(ticket, passed.min_to_win)
        elif passed.told is not None:
            self.outcome(ticket, passed.told)
        elif passed.kind is Kind.win:
            self._price(ticket, passed.min_to_win)
            if wallet is not None:
                wallet.returns.heard(ticket.key, None, passed.until)
        else:
            held = None if wallet is None else wallet.returns.heard(ticket.key, passed.paid)
            record = [] if held is None or held.record is None else [held.record]
            self._booked(ticket, passed.amount, passed.min_to_win, record, passed.price_told)

    def _price(self, ticket: Ticket, price: float | None, record: Record | None = None) -> None:
        """A market price has become known; it counts once, and only in the slot of its auction."""
        if price is None:
            return
        if record is None:
            wallet = self._days.wallet(ticket.account)
            held = None if wallet is None else wallet.find(ticket.key)
            if held is None or held.record is None:
                return
            record = held.record
        if record.market_price is not None:
            return
        if not 0.0 <= price <= self._most_plausible(record.day.desk.forecast):
            self.notices["min_to_win_implausible"] += 1
            return
        record.market_price = price
        for name, day in self._days.running.items():  # every campaign that did not refuse the auction saw it
            if name in record.refused_by:
                continue
            if day.slot == ticket.slot and day.moment.day == record.day.moment.day:
                day.collector.price(ticket.value, ticket.source, price)

    def _most_plausible(self, forecast: Forecast) -> float:
        """The highest price of an auction that is believed, currency per exposure."""
        if self._plausible is None or self._plausible[0] is not forecast:
            self._plausible = forecast, most_plausible(forecast)
        return self._plausible[1]

    def expired(self, held: Reservation, elsewhere: int) -> None:
        """A reservation ran out here; `elsewhere` is what another bidder has settled for it, micro-units."""
        self.notices["win_unbilled" if held.won else "expired"] += 1
        if held.record is None:  # of a process before this one, which has logged and told what it knew
            return
        day = self._days.today(held.record.ticket.account)
        if day is not None and not elsewhere:  # a win that was billed elsewhere has not cost nothing
            day.lapse(held.amount)
        self._resolve(held.record, "won" if elsewhere else "expired", elsewhere)

    def forget(self, now: float) -> None:
        """Drop the memory of events of bids that are no longer listened for, and those that wait of days gone by."""
        self._told.forget(now)
        self._unbilled.forget(lambda ticket: self._days.today(ticket.account) is None)

    def _resolve(self, r: Record, result: str, cost: int) -> None:
        if self._decisions is not None:
            self._decisions.add(row(r.day, r.opportunity, result, r.time, r, cost))

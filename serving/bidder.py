"""The bidder: prices auctions for its campaigns and books what notices tell. The in-process API.

    with open_bidder(config) as bidder:
        answer = bidder.bid(Opportunity(value=(0.6, 0.2, 0.004), segment=0))

One thread calls it. A ledger thread may work behind it; `tick` must then be called every so often.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any

from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.bidding.bundle import Bundle
from bidpilot.bidding.errors import InvalidNotice, InvalidServing
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.auction import Bid, NoBid, Opportunity, Record, row
from bidpilot.serving.calendar import DAY, Calendar, Moment
from bidpilot.serving.campaign_day import CampaignDay, Desk, ServedCampaign
from bidpilot.serving.decision_log import DecisionLog
from bidpilot.serving.guardrails import Cause, CircuitBreaker, EventLog
from bidpilot.serving.ledger.store import MICRO, Booked, Settlement
from bidpilot.serving.ledger.wallet import Reservation, Wallet
from bidpilot.serving.notices import Ticket
from bidpilot.serving.told import Told, ToldEvents

_KILL = "kill"
_NO_LEASE = "0" * 12
_OLD_DAYS = 3  # that bids of days gone by are still listened for


class Bidder:
    """Bids for all campaigns of one bundle.

    Args:
        bundle, shadow: what decides, and what decides beside it without bidding.
        desk: what the campaigns share.
        calendar: days and slots.
        campaigns: what to bid for; those stored from before win over these of the same name.
        decisions: where every auction is logged, or None.
    """

    def __init__(
        self,
        bundle: Bundle,
        desk: Desk,
        calendar: Calendar,
        campaigns: list[ServedCampaign],
        shadow: Bundle | None = None,
        decisions: DecisionLog | None = None,
    ) -> None:
        self.bundle, self.desk, self.calendar, self.decisions = bundle, desk, calendar, decisions
        self._agent = agent_of(bundle)
        self._shadow = None if shadow is None else agent_of(shadow)
        self.reasons: Counter[str] = Counter()  # why there was no bid
        self.notices: Counter[str] = Counter()  # what became of notices
        self.refused: Counter[tuple[str, Refusal]] = Counter()  # by campaign and reason code
        self.bids = self.auctions = 0
        self.events = EventLog(desk.clock)
        self.breaker = CircuitBreaker(desk.guardrails, self.events, desk.clock)
        self.killed = desk.state.switch(_KILL)
        stored = {k: ServedCampaign.model_validate_json(v) for k, v in desk.state.campaigns().items()}
        self._served = {c.name: c for c in campaigns} | stored
        self._campaign_events = {name: EventLog(desk.clock, name) for name in self._served}
        self._old: dict[str, tuple[int, Wallet]] = {}
        self._told = ToldEvents(_OLD_DAYS * DAY)
        self._prefix, self._next_key = secrets.token_hex(4), 0
        self.moment = calendar.at(desk.clock())
        self.days: dict[str, CampaignDay] = {}
        for name in self._served:
            self._begin_day(name, self.moment)

    # --- time ------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Go on to the slot that is under way, let reservations run out, keep leases alive. Call it often."""
        now = self.desk.clock()
        if now >= self.moment.end:
            self._advance(now)
        for day in self.days.values():
            day.wallet.tend(now)
        for account, (first, wallet) in list(self._old.items()):
            wallet.tend(now)
            if self.moment.day - first > _OLD_DAYS:
                del self._old[account]

    def _advance(self, now: float) -> None:
        target = self.calendar.at(now)
        while self.moment.end <= now and self.moment.day == target.day:
            following = self.calendar.at(self.moment.end)
            for day in self.days.values():
                day.close_slot(following)
            self.moment = following
        if self.moment.day != target.day:
            for day in self.days.values():
                day.end()
            if self.desk.book is not None:
                self.desk.book.learn([day.filter for day in self.days.values() if day.filter is not None])
            for name, day in self.days.items():
                self._old[day.account] = (target.day, day.wallet)
                day.close()
                self._begin_day(name, target)
            self.moment = target
            self._told.forget(now)
        if self.decisions is not None:
            self.decisions.flush()

    def _begin_day(self, name: str, moment: Moment) -> None:
        self.days[name] = CampaignDay(
            self.desk, self._served[name], moment, self._agent, self._shadow, self._campaign_events[name]
        )
        self.days[name].wallet.on_expired = self._expired

    # --- bids ------------------------------------------------------------------------------------

    def bid(self, opportunity: Opportunity) -> Bid | NoBid:
        """The best bid of the campaigns: two of one owner never bid against each other.

        Raises:
            InvalidServing: the opportunity is of no segment that the bundle knows, or of no source that is told apart.
        """
        now = self.desk.clock()
        if now >= self.moment.end:
            self._advance(now)
        o = opportunity
        if not 0 <= o.segment < len(self.bundle.manifest.segments):
            raise InvalidServing(f"segment {o.segment} is none of the bundle's {len(self.bundle.manifest.segments)}.")
        if not 0 <= o.source < self.desk.sources:
            raise InvalidServing(f"source {o.source} is none of the {self.desk.sources} that are told apart.")
        refused = self._pass_gates(o)
        found = self._best(o, refused, now)
        if isinstance(found, NoBid):
            self.reasons[found.reason] += 1
        if self.decisions is not None and not o.test:
            for name, day in self.days.items():
                if name in refused:
                    self.decisions.add(row(day, o, refused[name].value, now))
                elif isinstance(found, NoBid):
                    self.decisions.add(row(day, o, found.reason, now))
        return found

    def _pass_gates(self, o: Opportunity) -> dict[str, Refusal]:
        """Count an auction in every campaign, unless it is a test; the campaigns that refuse it, and why."""
        refused: dict[str, Refusal] = {}
        if o.test:
            for name, day in self.days.items():
                if (why := day.refusal(o.source)) is not None:
                    refused[name] = why
            return refused
        self.auctions += 1
        for name, day in self.days.items():
            if (why := day.request(o.value, o.segment, o.source)) is not None:
                refused[name] = why
                self.refused[name, why] += 1
        return refused

    def _best(self, o: Opportunity, refused: dict[str, Refusal], now: float) -> Bid | NoBid:
        if self.killed or self.breaker.open:
            return NoBid("kill_switch" if self.killed else "breaker_open")
        floor = -int(-o.floor * MICRO // 1)
        best, amount, reason = None, 0, "no_campaign"
        for name, day in self.days.items():
            if name in refused:
                reason = refused[name].value
                continue
            offered, why = day.offer(o.value, o.segment, o.source, o.first_price, floor, now)
            if offered > amount:
                best, amount = day, offered
            elif why:
                reason = why
        if best is None:
            return NoBid(reason)
        key = f"{self._prefix}{self._next_key:010x}"
        self._next_key += 1
        wallet = best.wallet
        ticket = Ticket(
            key=key,
            lease=_NO_LEASE if o.test else wallet.lease,
            account=best.account,
            amount=amount,
            expires=now + self.desk.hold,
            slot=best.slot,
            segment=o.segment,
            source=o.source,
            value=o.value,
            test=o.test,
        )
        if not o.test:
            shadow = best.shadow_bid(o.value, o.segment, o.source, o.first_price)
            record = Record(best, o, ticket, now, shadow, tuple(refused))
            if wallet.reserve(key, amount, now, record, best.slot) is None:
                return NoBid("no_money")
        self.bids += 1
        return Bid(best.served, amount, ticket)

    def explain(self, opportunity: Opportunity) -> dict[str, Any]:
        """The parts of each campaign's bid for an auction, currency; nothing is counted or reserved."""
        o, now = opportunity, self.desk.clock()
        parts: dict[str, Any] = {}
        for name, day in self.days.items():
            refusal = day.refusal(o.source)
            offered, why = 0, "" if refusal is None else refusal.value
            if refusal is None:
                offered, why = day.offer(o.value, o.segment, o.source, o.first_price, 0, now)
            parts[name] = day.pricer.explain(o.value, o.segment, o.source, o.first_price) | {
                "segment": self.bundle.manifest.segments[o.segment],
                "source": {"cluster": o.source} | day.explain_source(o.source),
                "slot": day.slot,
                "by_plan": day.decision.planned,
                "offered": offered / MICRO,
                "reason": why,
            }
        return parts

    # --- notices ---------------------------------------------------------------------------------

    def win(self, ticket: Ticket, min_to_win: float | None = None) -> None:
        """A bid has won; `min_to_win` is the least bid that would have, currency per exposure."""
        self.notices["win"] += 1
        if not ticket.test:
            self._price(ticket, min_to_win)

    def loss(self, ticket: Ticket, min_to_win: float | None = None) -> None:
        """A bid has lost: its money is free again."""
        self.notices["loss"] += 1
        if ticket.test:
            return
        self._price(ticket, min_to_win)
        wallet = self._wallet(ticket.account)
        held = None if wallet is None else wallet.release(ticket.key)
        if held is not None:
            self._resolve(held.record, "lost", 0)

    def bill(
        self,
        ticket: Ticket,
        price: float,
        min_to_win: float | None = None,
        done: Callable[[Booked | None], None] = lambda _: None,
    ) -> None:
        """An exposure is billed at `price`, currency; `done` hears when it is durable, None where it is not.

        Raises:
            InvalidNotice: the price is above the bid.
        """
        amount = round(price * MICRO)
        if amount > ticket.amount:
            self.notices["overpriced"] += 1
            raise InvalidNotice(f"the price {price} is above the bid {ticket.amount / MICRO}: it was not booked.")
        if ticket.test:
            self.notices["test"] += 1
            done(Booked.settled)
            return
        record: list[Record] = []

        def booked(result: Booked | None) -> None:
            self.notices["unavailable" if result is None else result.value] += 1
            if result in (Booked.settled, Booked.debt):
                self._booked(ticket, amount, price, min_to_win, record)
            done(result)

        wallet = self._wallet(ticket.account)
        if wallet is None:
            deadline = ticket.expires
            self.desk.keeper.settle(Settlement(ticket.key, ticket.account, ticket.lease, amount, deadline), booked)
            return
        held = wallet.find(ticket.key)
        if held is not None:
            record.append(held.record)
        wallet.settle(ticket.key, ticket.lease, amount, ticket.expires, booked)

    def _booked(
        self, ticket: Ticket, amount: int, price: float, min_to_win: float | None, record: list[Record]
    ) -> None:
        day = self._today(ticket.account)
        if record:
            self._price(ticket, min_to_win, record[0])
            if record[0].market_price is None and not record[0].opportunity.first_price:
                # the price of this auction, but as prices of won auctions alone they would not stand for the slot's
                record[0].market_price = price
            self._resolve(record[0], "won", amount)
        if day is not None:
            day.book(ticket.slot, ticket.value, ticket.segment, ticket.source, amount, ticket.amount)

    def outcome(self, ticket: Ticket, told: Told) -> None:
        """What a won exposure brought; of each bid each type of event is booked once.

        What is told after the day is in the decision log alone. An event that comes before its bill is booked like
        others, and counted apart.
        """
        self.notices[self._outcome(ticket, told)] += 1

    def _outcome(self, ticket: Ticket, told: Told) -> str:
        """Book an event; what became of it."""
        served = self._served.get(ticket.account.partition("@")[0])
        if ticket.test:
            return "test"
        if served is None or not self._told.listens(ticket, self.desk.clock()):
            return "event_unheard"
        if not self._told.first(ticket, told.event):
            return "event_repeated"
        told = told.weighed(served.weights)
        if self.decisions is not None:
            self.decisions.outcome(ticket.key, told)
        day = self._today(ticket.account)
        if day is None:
            return "event_after_day"
        day.outcome(ticket.slot, ticket.source, told)
        held = day.wallet.find(ticket.key)
        return "event" if held is None or held.claimed else "event_unbilled"

    def _price(self, ticket: Ticket, price: float | None, record: Record | None = None) -> None:
        """A market price has become known; it counts once, and only in the slot of its auction."""
        if price is None:
            return
        if record is None:
            wallet = self._wallet(ticket.account)
            held = None if wallet is None else wallet.find(ticket.key)
            if held is None:
                return
            record = held.record
        if record.market_price is not None:
            return
        record.market_price = price
        for name, day in self.days.items():  # every campaign that did not refuse the auction saw it
            if name in record.refused_by:
                continue
            if day.slot == ticket.slot and day.moment.day == record.day.moment.day:
                day.collector.price(ticket.value, ticket.source, price)

    def _wallet(self, account: str) -> Wallet | None:
        day = self._today(account)
        if day is not None:
            return day.wallet
        old = self._old.get(account)
        return None if old is None else old[1]

    def _today(self, account: str) -> CampaignDay | None:
        day = self.days.get(account.partition("@")[0])
        return day if day is not None and day.account == account else None

    # --- the decision log ------------------------------------------------------------------------

    def _expired(self, held: Reservation, elsewhere: int) -> None:
        """A reservation ran out here; `elsewhere` is what another bidder has settled for it, micro-units."""
        self.notices["expired"] += 1
        day = self._today(held.record.ticket.account)
        if day is not None and not elsewhere:  # a win that was billed elsewhere has not cost nothing
            day.lapse(held.amount)
        self._resolve(held.record, "expired", 0)

    def _resolve(self, r: Record, result: str, cost: int) -> None:
        if self.decisions is not None:
            self.decisions.add(row(r.day, r.opportunity, result, r.time, r, cost))

    # --- administration --------------------------------------------------------------------------

    @property
    def served(self) -> dict[str, ServedCampaign]:
        """Campaigns by name."""
        return dict(self._served)

    def put(self, served: ServedCampaign) -> None:
        """Add a campaign, or change one; kept over restarts."""
        self.desk.state.store_campaign(served.name, served.model_dump_json())
        self._served[served.name] = served
        day = self.days.get(served.name)
        if day is None:
            self._campaign_events[served.name] = EventLog(self.desk.clock, served.name)
            self._begin_day(served.name, self.moment)
        else:
            day.change(served)

    def kill(self, on: bool) -> None:
        """Stop all bidding at once, or let it go on; kept over restarts. Notices are booked all the same."""
        self.desk.state.set_switch(_KILL, on)
        self.killed = on
        self.events.record(Cause.kill_switch, "on" if on else "off")

    def event_counts(self) -> Counter[Cause]:
        """Interventions by cause, over all campaigns."""
        return sum((e.counts for e in self._campaign_events.values()), start=self.events.counts.copy())

    def close(self) -> None:
        """Give unused money back, write what is logged, close the files."""
        for day in self.days.values():
            day.close()
        self.desk.keeper.stop()
        if self.decisions is not None:
            self.decisions.close()
        self.desk.keeper.store.close()
        self.desk.state.close()

    def __enter__(self) -> Bidder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""The bidder: prices auctions for its campaigns and books what notices tell. The in-process API.

    with open_bidder(config) as bidder:
        answer = bidder.bid(Opportunity(value=(0.6, 0.2, 0.004), segment=0))

One thread calls it. A ledger thread may work behind it; `tick` must then be called every so often.
"""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Any

from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.bidding.bundle import Bundle
from bidpilot.bidding.errors import InvalidServing
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.auction import Bid, NoBid, Opportunity, Record, row
from bidpilot.serving.booking import Booking
from bidpilot.serving.calendar import Calendar, Moment
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.days import Days
from bidpilot.serving.decision_log import DecisionLog
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import Cause, CircuitBreaker, EventLog
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.notices import Ticket
from bidpilot.serving.past_debt import PastDebt
from bidpilot.serving.reconciliation import Reconciliation
from bidpilot.serving.served import ServedCampaign

_KILL = "kill"
_NO_LEASE = "0" * 12
_RECONCILED = 2  # days whose wins are held against their bills


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
        self.reasons: Counter[str] = Counter()  # why there was no bid
        self.refused: Counter[tuple[str, Refusal]] = Counter()  # by campaign and reason code
        self.bids = self.auctions = 0
        self.events = EventLog(desk.clock)
        self.breaker = CircuitBreaker(desk.guardrails, self.events, desk.clock)
        self.killed = desk.state.switch(_KILL)
        stored = {k: ServedCampaign.model_validate_json(v) for k, v in desk.state.campaigns().items()}
        self._served = {c.name: c for c in campaigns} | stored
        self.prefix, self._next_key = secrets.token_hex(4), 0
        second = None if shadow is None else agent_of(shadow)
        self._days = Days(desk, calendar, agent_of(bundle), second, lambda *run_out: self.booking.expired(*run_out))
        self.booking = Booking(desk, self._days, self._served, decisions, self.events)
        self.win, self.loss, self.bill = self.booking.win, self.booking.loss, self.booking.bill
        self.outcome = self.booking.outcome
        for served in self._served.values():
            self._days.begin(served)
        self.reconciliation = Reconciliation(desk, self._days.events)
        self.past_debt = PastDebt(desk, lambda name: self.days[name].wallet)

    @property
    def days(self) -> dict[str, CampaignDay]:
        """The running day of each campaign, by name."""
        return self._days.running

    @property
    def moment(self) -> Moment:
        """The slot under way."""
        return self._days.moment

    @property
    def notices(self) -> Counter[str]:
        """What became of notices."""
        return self.booking.notices

    # --- time ------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Go on to the slot that is under way, let reservations run out, keep leases alive. Call it often."""
        now = self.desk.clock()
        if now >= self.moment.end:
            self._advance(now)
        self._days.tend(now)
        self.reconciliation.tend(now, self._days.accounts(_RECONCILED))
        self.past_debt.tend(now, self.moment, self._served)

    def _advance(self, now: float) -> None:
        if self._days.advance(now, self._served):
            self.booking.forget(now)
        if self.decisions is not None:
            self.decisions.flush()

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
        desk = self.desk
        expiry = max(o.hold, desk.expiry)
        hold = expiry + desk.grace
        best, amount, reason = None, 0, "no_campaign"
        for name, day in self.days.items():
            if name in refused:
                reason = refused[name].value
                continue
            if self.reconciliation.stopped(name):
                reason = "unbilled"
                continue
            offered, why = day.offer(o.value, o.segment, o.source, o.first_price, floor, now, hold)
            if offered > amount:
                best, amount = day, offered
            elif why:
                reason = why
        if best is None:
            return NoBid(reason)
        key = f"{self.prefix}{self._next_key:010x}"
        self._next_key += 1
        wallet = best.wallet
        ticket = Ticket(
            key=key,
            lease=_NO_LEASE if o.test else wallet.lease,
            account=best.account,
            amount=amount,
            expires=now + hold,
            slot=best.slot,
            segment=o.segment,
            source=o.source,
            value=o.value,
            test=o.test,
            bills_on_win=o.exchange in desk.settle_on_win,
        )
        if not o.test:
            shadow = best.shadow_bid(o.value, o.segment, o.source, o.first_price)
            record = Record(best, o, ticket, now, shadow, tuple(refused))
            if wallet.reserve(key, amount, now, record, best.slot, hold) is None:
                return NoBid("no_money")
        self.bids += 1
        return Bid(best.served, amount, ticket, expiry)

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
            self._days.begin(served)
        else:
            day.change(served)

    def kill(self, on: bool) -> None:
        """Stop all bidding at once, or let it go on; kept over restarts. Notices are booked all the same."""
        self.desk.state.set_switch(_KILL, on)
        self.killed = on
        self.events.record(Cause.kill_switch, "on" if on else "off")

    def event_counts(self) -> Counter[Cause]:
        """Interventions by cause, over all campaigns."""
        return sum((e.counts for e in self._days.events.values()), start=self.events.counts.copy())

    def close(self) -> None:
        """Give unused money back, write what is logged, close the files."""
        self._days.close()
        self.desk.keeper.stop()
        if self.decisions is not None:
            self.decisions.close()
        self.desk.keeper.store.close()
        self.desk.state.close()

    def __enter__(self) -> Bidder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

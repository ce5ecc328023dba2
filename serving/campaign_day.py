"""One campaign on one day: pilot, slot under way, money and limits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import InvalidServing
from bidpilot.bidding.traffic.detector import Detector
from bidpilot.bidding.traffic.filter import TrafficFilter
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.calendar import Moment
from bidpilot.serving.collector import Value, add_outcome, add_win, of_all
from bidpilot.serving.day_results import DayResults
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import Cause, EventLog, bid_cap, limit_step
from bidpilot.serving.ledger.reservations import WalletConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.ledger.wallet import Wallet
from bidpilot.serving.pilot import Decision, Pilot
from bidpilot.serving.pricer import Pricer
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.slot_gate import SlotGate
from bidpilot.serving.slot_spend import SlotSpend
from bidpilot.serving.successor import Successor
from bidpilot.serving.told import Told

_CHUNK_SHARE = 0.05  # of the budget that one process takes at a time ...
_CHUNK_BIDS = 8  # ... but enough for so many of the largest bids


class CampaignDay:
    """Keeps a campaign's day; `offer` prices an auction, `close_slot` goes on to the next slot.

    A day joined late, or again after a restart, starts from the slots that were stored; others count as forecast.
    """

    def __init__(
        self, desk: Desk, served: ServedCampaign, moment: Moment, agent: Agent, shadow: Agent | None, events: EventLog
    ) -> None:
        self.desk, self.served, self.moment, self.events = desk, served, moment, events
        self.account = f"{served.name}@{moment.date}"
        guard, campaign = desk.guardrails, served.campaign
        self._begun = False
        desk.budgets.ask(desk.keeper, served, moment, self._limit)
        self._budget = budget = desk.budgets.on(served, moment)
        kept = desk.state.results([self.account]) if moment.slot else {}  # of a day that began before a restart
        self.results = DayResults.read(kept.get(self.account), len(desk.forecast.segments))
        self._pilot = self._make_pilot(agent, events)
        self._shadow_pilot = None
        if shadow is not None:
            self._shadow_pilot = self._make_pilot(shadow, EventLog(desk.clock, f"{served.name} (shadow)"))
        self.cap = bid_cap(guard, desk.forecast, self._pilot.alpha, campaign.conversion_value)
        if not math.isfinite(self.cap):
            raise InvalidServing(
                f"the most that campaign {served.name!r} would bid is {self.cap}. Give a smaller conversion_value, or "
                "--guardrails.bid-cap."
            )
        config = WalletConfig(chunk=self._chunk(budget), hold=desk.hold)
        self.wallet = Wallet(self.account, budget, desk.keeper, desk.clock, config, events)
        self._spend = SlotSpend(self.wallet, int(guard.slot_share * budget / desk.bidders), desk.bidders)
        self.wallet.tend(desk.clock())
        self._spend.join(moment.slot)
        self.successor: Successor | None = None  # takes over when the slot is closed
        self.collector = self._pilot.collector(desk.sources)
        self._begin()
        self._begun = True

    @property
    def alpha(self) -> tuple[float, float, float]:
        """Bid coefficients of the slot under way, currency per unit of KPI."""
        return self.pricer.alpha

    @property
    def campaign(self) -> Campaign:
        """What the day is planned for, with what it may spend by now for a budget."""
        return self.desk.budgets.campaign(self.served, self._budget)

    @property
    def filter(self) -> TrafficFilter | None:
        """What decides the gates of the policy's slots; None: all requests pass."""
        return self._pilot.traffic

    @property
    def slot(self) -> int:
        """The slot under way."""
        return self.collector.slot

    pricer: Pricer  # of the slot under way
    decision: Decision
    _gate: SlotGate | None
    _joined: bool  # whether it began under way, and the pilot has not been told yet what was settled before

    def _make_pilot(self, agent: Agent, events: EventLog) -> Pilot:
        desk = self.desk
        traffic = None if desk.book is None else desk.book.filter()
        patience = desk.guardrails.patience
        campaign, day = self.campaign, self.moment.day
        return Pilot(desk.planner, campaign, agent, desk.sources, events, patience, traffic, day)

    def _begin(self) -> None:
        """Begin the day, and catch up to the slot that is under way."""
        self._apply(self._pilot.begin(), first=True)
        if self._shadow_pilot is not None:
            self._shadow(self._shadow_pilot.begin())
        like = SlotTotals.zeros(1, len(self.desk.forecast.segments), self.desk.sources)
        stored = self.desk.state.slots(self.account, like)
        self._joined = self.moment.slot > 0
        for slot in range(self.moment.slot):
            self.collector.begin(slot)
            totals = stored.get(slot) or self.collector.totals(unwatched=1.0)
            self._next(totals, self._settled_before(totals) if slot + 1 == self.moment.slot else 0.0)
        missing = self.moment.slot - sum(slot < self.moment.slot for slot in stored)
        if missing > 0:
            self.events.record(Cause.unwatched, f"{missing} slots before {self.moment.slot} count as forecast")
        self.collector.begin(self.moment.slot, self._gate)
        length = self.moment.end - self.moment.start
        self._unwatched = min(max((self.desk.clock() - self.moment.start) / length, 0.0), 1.0)

    def close_slot(self, moment: Moment) -> None:
        """Hand the slot's totals to the pilot, and hold its decision from now on."""
        self.wallet.tend(self.desk.clock())  # what has run out by now is not outstanding
        totals = self.collector.totals(self._unwatched, self.desk.bidders)
        self._unwatched = 0.0
        self.desk.state.store_slot(self.account, self.slot, totals, self.results.text())
        self.desk.budgets.ask(self.desk.keeper, self.served, self.moment, self._limit)
        if self.successor is not None:
            self._hand_over(self.successor)
        self._next(totals, self._settled_before(totals))
        self.moment = moment
        self._spend.begin(moment.slot)
        self.collector.begin(moment.slot, self._gate)

    def _hand_over(self, to: Successor) -> None:
        """Let another bundle's pilots close the slot and go on; money, counts and the filter of traffic stay."""
        self.successor = None
        if to.pilot.slot != self.slot:
            to.close()
            return
        to.pilot.take_over(self._pilot)
        if self._shadow_pilot is not None and to.shadow is not None:
            to.shadow.take_over(self._shadow_pilot)
            self._shadow_pilot = to.shadow
        self._pilot, self.desk = to.pilot, to.desk
        campaign = self.campaign
        self.cap = bid_cap(to.desk.guardrails, to.desk.forecast, to.pilot.alpha, campaign.conversion_value)
        self.wallet.config = replace(self.wallet.config, chunk=self._chunk(self._budget))
        self.collector = to.pilot.collector(to.desk.sources)

    def end(self) -> None:
        """Keep what the day has brought, and tell the filter of traffic of its last slot, which is under way."""
        self.desk.state.store_results(self.account, self.results.text())
        if self.filter is not None:
            self.filter.update(self.slot, self.collector.totals(self._unwatched, self.desk.bidders))

    def _next(self, totals: SlotTotals, settled: float) -> None:
        outstanding = self._outstanding()
        self._apply(self._pilot.close_slot(totals, outstanding, settled), first=False)
        if self._shadow_pilot is not None:
            self._shadow(self._shadow_pilot.close_slot(totals, outstanding, settled))

    def _settled_before(self, totals: SlotTotals) -> float:
        """What a day that was joined under way has settled beyond what slots tell of, currency, with `totals` the last.

        Asked for until the ledger has answered, then once.
        """
        if not self._joined or self.wallet.state is None:
            return 0.0
        self._joined = False
        return self.wallet.state.settled / MICRO - self._pilot.spend - float(totals.spend[0])

    def _outstanding(self) -> NDArray[np.float64]:
        """(T,) money held for bids of each slot that may still be billed, of all bidders, currency."""
        held = np.zeros(self.desk.forecast.slots)
        for slot, amount in self.wallet.promised_by_slot.items():
            held[slot] = amount / MICRO * self.desk.bidders
        return held

    def _apply(self, decision: Decision, first: bool) -> None:
        rule = decision.rule
        if not first:
            rule, cut = limit_step(self.pricer.rule, rule, self.desk.guardrails.step_limit)
            if cut:
                self.events.record(Cause.step_limit, f"slot {decision.slot}")
        self.decision = decision
        self.pricer = Pricer(rule, self.cap, self.desk.shade)
        self._gate = None if rule.gate is None else SlotGate(rule.gate, self.desk.bidders)

    def _shadow(self, decision: Decision) -> None:
        self.shadow_decision = decision
        self._shadow_pricer = Pricer(decision.rule, self.cap, self.desk.shade)

    def shadow_bid(self, value: Value, segment: int, source: int, first_price: bool) -> float | None:
        """What the shadow policy would bid, currency; None without one.

        Quotas are not looked at again: both filters are told the same totals, so that their gates are one.
        """
        if self._shadow_pilot is None:
            return None
        return max(min(self._shadow_pricer.bid(value, segment, source, first_price), self.cap), 0.0)

    def request(self, value: Value, segment: int, source: int) -> Refusal | None:
        """Count an auction that was offered; why the gate refuses it."""
        return self.collector.request(value, segment, source)

    def refusal(self, source: int) -> Refusal | None:
        """Why the gate would refuse the next auction of a source; nothing is counted."""
        return self.collector.refusal(source)

    def explain_source(self, source: int) -> dict[str, Any]:
        """What the gate knows of a source in the slot under way, and the detector behind it; nothing without a gate."""
        known = {} if self._gate is None else self._gate.explain(source)
        if isinstance(self.filter, Detector):
            known |= self.filter.explain(0, source).summary()
        return known

    def offer(
        self, value: Value, segment: int, source: int, first_price: bool, floor: int, now: float, hold: float = 0.0
    ) -> tuple[int, str]:
        """Micro-units that may be bid on what is not refused, and an empty reason; or 0 and why not.

        `hold` is how long the bid's money must be held, seconds, where that is longer than usual.
        """
        if self.served.paused:
            return 0, "paused"
        if self.served.flight is not None and self.served.flight.closed(self.moment, now):
            return 0, "not_in_flight"
        bid = self.pricer.bid(value, segment, source, first_price)
        if bid > self.cap:
            self.events.record(Cause.bid_cap, f"{bid:.6g} cut to {self.cap:.6g}")
            bid = self.cap
        amount = int(bid * MICRO)
        wallet = self.wallet
        if amount > wallet.free and wallet.exhausted:
            amount = wallet.free  # what is left of the day's budget, as in the environment
        if amount <= 0 or amount < floor:
            return 0, "below_floor" if wallet.free else "no_money"
        if not wallet.ready(now, hold):
            wallet.tend(now, hold)
        if not wallet.ready(now, hold):
            return 0, "debt" if wallet.debt else "over_budget" if wallet.over else "no_lease"
        if amount > wallet.free:
            wallet.tend(now)
            return 0, "no_money"
        if not self._spend.fits(amount):
            self.events.record(Cause.spend_rate, f"slot {self.slot} has had {self.desk.guardrails.slot_share:.0%}")
            return 0, "spend_rate"
        return amount, ""

    def book(self, slot: int, value: Value, segment: int, source: int, cost: int, bid: int) -> None:
        """A win was billed (micro-units): count it in the slot of its auction."""
        paid, offered = cost / MICRO, bid / MICRO
        self.results.win(value, segment, cost)
        if slot == self.slot:
            self._spend.add(cost)
            self.collector.win(value, segment, source, paid, offered)
            return
        late = SlotTotals.zeros(1, len(self.desk.forecast.segments), self.desk.sources)
        add_win(late, value, segment, source, paid, offered)
        self._tell_late(slot, late)

    def lapse(self, amount: int) -> None:
        """A bid ran out without a notice (micro-units): its money is free again."""
        for pilot in self._pilots():
            pilot.lapse(amount / MICRO * self.desk.bidders)

    def outcome(self, slot: int, source: int, told: Told) -> None:
        """What a won exposure of a slot brought is known; `told` is weighed."""
        self.results.outcome(told)
        if slot == self.slot:
            self.collector.outcome(source, told)
            return
        late = SlotTotals.zeros(1, len(self.desk.forecast.segments), self.desk.sources)
        add_outcome(late, source, told)
        self._tell_late(slot, late)

    def _tell_late(self, slot: int, own: SlotTotals) -> None:
        """Book in every pilot what this bidder is told only now of an earlier slot."""
        late = of_all(own, self.desk.bidders)
        for pilot in self._pilots():
            pilot.late(slot, late)

    def _chunk(self, budget: int) -> int:
        return min(max(int(_CHUNK_SHARE * budget), _CHUNK_BIDS * _micro(self.cap)), budget)

    def _pilots(self) -> tuple[Pilot, ...]:
        return (self._pilot,) if self._shadow_pilot is None else (self._pilot, self._shadow_pilot)

    def change(self, served: ServedCampaign) -> None:
        """Take over another setting; a new budget changes the account at once, the plan from the next day on."""
        self.served = served
        self.desk.budgets.ask(self.desk.keeper, served, self.moment, self._limit)
        self._limit()

    def _limit(self) -> None:
        """Let the account have what the day may spend by now: its budget or the flight's money has changed."""
        budget = self.desk.budgets.on(self.served, self.moment)
        if self._begun and budget != self._budget:
            self._budget = budget
            self._spend.limit = int(self.desk.guardrails.slot_share * budget / self.desk.bidders)
            self.wallet.set_budget(budget, self._chunk(budget))

    def close(self) -> None:
        """Give unused money back and let the policy's threads end."""
        self.wallet.close()
        self.desk.budgets.saw(self.wallet)
        for pilot in self._pilots():
            pilot.close()
        if self.successor is not None:
            self.successor.close()


def _micro(amount: float) -> int:
    return int(amount * MICRO)

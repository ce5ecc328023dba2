"""One campaign on one day: pilot, slot under way, money and limits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.traffic.detector import Detector
from bidpilot.bidding.traffic.filter import TrafficFilter
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.agenda import Agenda, Steps
from bidpilot.serving.calendar import Moment
from bidpilot.serving.collector import SlotCollector, Value, add_outcome, add_win
from bidpilot.serving.day_results import DayResults
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import Cause, EventLog, bid_cap
from bidpilot.serving.incidents.effects import NONE, Effects
from bidpilot.serving.ledger.chunk import most_unused
from bidpilot.serving.ledger.reservations import WalletConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.ledger.wallet import Wallet
from bidpilot.serving.past import Past
from bidpilot.serving.pilot import Pilot
from bidpilot.serving.pilots import Pilots
from bidpilot.serving.seen import of_all
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.sharing import Sharing
from bidpilot.serving.slot_rule import SlotRule
from bidpilot.serving.slot_spend import SlotSpend
from bidpilot.serving.successor import Successor
from bidpilot.serving.told import Told


class CampaignDay(SlotRule):
    """Keeps a campaign's day; `offer` prices an auction, `switch` and `closing` go on to the next slot.

    A day joined late, or again after a restart, starts from the slots that were told or stored; others count as
    forecast.

    Args:
        desk: what the campaigns share.
        served: the campaign.
        moment: the slot that the day begins in.
        pilots: of this campaign and day, not begun.
        events: where interventions are counted.
        wallet: the account's, where the day was begun before; None: a new one.
        caught_up: whether to catch up to `moment` at once; else `catch_up` is to be played.
    """

    def __init__(
        self,
        desk: Desk,
        served: ServedCampaign,
        moment: Moment,
        pilots: Pilots,
        events: EventLog,
        wallet: Wallet | None = None,
        caught_up: bool = True,
    ) -> None:
        self.desk, self.served, self.moment = desk, served, moment
        self.account, self.timezone = f"{served.name}@{moment.date}", desk.zone_of(served)
        self.stopped = ""  # why it makes no bids; empty where it does
        self._begun, self._unwatched = False, 0.0
        desk.budgets.ask(desk.keeper, served, moment, self._limit)
        self._budget = budget = desk.budgets.on(served, moment)
        kept = desk.state.results([self.account]) if moment.slot else {}  # of a day that began before a restart
        self.results = DayResults.read(kept.get(self.account), len(desk.forecast.segments))
        cap = bid_cap(desk.guardrails, desk.forecast, pilots.policy.alpha, served.campaign.conversion_value)
        super().__init__(desk, pilots, events, Sharing(self.account, desk, events), cap)
        config = WalletConfig(chunk=most_unused(budget, int(self.cap * MICRO)), hold=desk.hold)
        self.wallet = wallet or Wallet(self.account, budget, desk.keeper, desk.clock, config, events)
        self._spend = SlotSpend(self.wallet, self._slot_limit(budget), 1.0 / self.sharing.share)
        self.wallet.tend(desk.clock())
        self._spend.join(moment.slot)
        self._past: SlotCollector | None = None  # of the slot before, until it is closed
        self._spare: SlotCollector | None = None  # for the slot to come
        self._joined = moment.slot > 0  # the pilot has not been told yet what was settled before
        self.successor: Successor | None = None  # takes over when the slot is closed
        self.collector = self._pilot.collector(desk.sources)
        self._begin()
        if caught_up:
            deque(self.catch_up(), maxlen=0)
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
    def _pilot(self) -> Pilot:
        return self.pilots.policy

    @property
    def filter(self) -> TrafficFilter | None:
        """What decides the gates of the policy's slots; None: all requests pass."""
        return self._pilot.traffic

    @property
    def slot(self) -> int:
        """The slot under way."""
        return self.collector.slot

    @property
    def closed(self) -> bool:
        """Whether the slot before is closed, so that the rule is of the one under way."""
        return self._past is None

    # --- slots -----------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Begin the day, with filters that know the days before."""
        for pilot in self.pilots:
            pilot.traffic = None if self.desk.book is None else self.desk.book.filter()
        self._apply(self.pilots.begin(), first=True)

    def renew(self) -> None:
        """Begin a day anew that was begun ahead, before the one before it had told all; what was counted stays."""
        if self.desk.book is not None:
            self._begin()
            self.collector.follow(self.gate)
            self._spare = self._fresh(self.slot + 1)

    def catch_up(self) -> Iterator[None]:
        """Play the slots before the one under way, one at a step."""
        moment = self.moment
        past = Past(self.desk, self.account, self.sharing, moment.slot)
        for slot in range(moment.slot):
            self.collector.begin(slot)
            totals = past.totals(slot, self.collector, self.pilots)
            held = self.sharing.by_slot([self.wallet.promised_by_slot])
            self._next(totals, held, self._settled_before(totals) if slot + 1 == moment.slot else 0.0)
            yield
        self.pilots.late(past.late)
        if past.missing:
            self.events.record(Cause.unwatched, f"{past.missing} slots before {moment.slot} count as forecast")
        self.collector.begin(moment.slot, self.gate)
        self._unwatched = moment.passed(self.desk.clock())
        self._spare = self._fresh(moment.slot + 1)

    def switch(self, moment: Moment) -> None:
        """Count from now on in another slot, which follows; `closing` must be played before the next."""
        self._past, self.collector = self.collector, self._spare or self._fresh(moment.slot)
        self._spare, self._odd = None, self.moment.odd(self.desk.forecast.slots)
        self.moment = moment
        self._spend.begin(moment.slot)

    def closing(self, agenda: Agenda) -> Steps:
        """Hand the totals of the slot before to the pilot, and hold its decision from then on."""
        past = self._past
        assert past is not None
        self.wallet.tend(self.desk.clock())  # what has run out by now is not outstanding
        own, self._unwatched = past.seen(self._unwatched), float(self.moment.end <= self.moment.start)
        found = yield from self.sharing.gather(past.slot, own, self.wallet.promised_by_slot, self.moment.start, agenda)
        unlike = bool(self.stopped or self.served.paused) or self.effects is not NONE  # not bid as on training days
        self.pilots.gathered(found.seen.unwatched or self._odd, found.late, unlike)
        totals = past.totals_of(found.seen)
        self.desk.state.store_slot(self.account, past.slot, totals, self.results.text())
        self.desk.budgets.ask(self.desk.keeper, self.served, self.moment, self._limit)
        if self.successor is not None:
            to, self.successor = self.successor, None
            to.take_over(self)
        self._next(totals, found.outstanding, self._settled_before(totals, found.settled), found.lapsed)
        self._past = None
        self.pilots.late()
        self._limit_slot(self._budget)
        self.collector.follow(self.gate)
        yield None
        self._spare = self._fresh(self.slot + 1)

    def ending(self, agenda: Agenda) -> Steps:
        """Keep what the day has brought, and tell the filter of traffic of its last slot, which is under way."""
        self.desk.state.store_results(self.account, self.results.text())
        own, begun = self.collector.seen(self._unwatched), self.moment.end
        found = yield from self.sharing.gather(self.slot, own, self.wallet.promised_by_slot, begun, agenda)
        if self.filter is not None:
            self.filter.update(self.slot, self.collector.totals_of(found.seen))

    def _fresh(self, slot: int) -> SlotCollector:
        """What counts a slot, by the rule under way."""
        return self.collector.another(slot, self._make_gate())

    def _next(self, totals: SlotTotals, outstanding: NDArray[np.float64], settled: float, lapsed: float = 0.0) -> None:
        self.pilots.lapse(lapsed)
        self._apply(self.pilots.close_slot(totals, outstanding, settled), first=False)

    def _settled_before(self, totals: SlotTotals, settled: float | None = None) -> float:
        """What is `settled` beyond what slots tell of, currency, with `totals` the last.

        Of a day that was joined under way the ledger tells: it is asked for until it has answered, then once.
        """
        if self._joined and self.wallet.state is not None:
            self._joined = False
            settled = self.wallet.state.settled / MICRO
        return 0.0 if settled is None else settled - self._pilot.spend - float(totals.spend[0])

    def request(self, value: Value, segment: int, source: int) -> Refusal | None:
        """Count an auction offered; why the gate refuses it. Outside of its flight it is nothing to plan with."""
        if self.served.flight is not None and self._closed(self.desk.clock()):
            return None
        return self.collector.request(value, segment, source)

    def _closed(self, now: float) -> bool:
        flight = self.served.flight
        return flight is not None and flight.closed(self.moment, now, self.desk.forecast.slots)

    def refusal(self, source: int) -> Refusal | None:
        """Why the gate would refuse the next auction of a source; nothing is counted."""
        return self.collector.refusal(source)

    def explain_source(self, source: int) -> dict[str, Any]:
        """What the gate knows of a source in the slot under way, and the detector behind it; nothing without a gate."""
        known = {} if self.gate is None else self.gate.explain(source)
        if isinstance(self.filter, Detector):
            known |= self.filter.explain(0, source).summary()
        return known

    def offer(
        self, value: Value, segment: int, source: int, first_price: bool, floor: int, now: float, hold: float = 0.0,
        count: float = 1.0,
    ) -> tuple[int, str]:  # fmt: skip
        """Micro-units that may be bid on what is not refused, and an empty reason; or 0 and why not.

        `hold`: how long its money must be held, seconds, where that is longer than usual; `count`: exposures of it.
        """
        if self.stopped or self.served.paused or self.effects.stopped:
            return 0, self.stopped or ("paused" if self.served.paused else "incident")
        if self._spend.throttled:
            return 0, "throttled"
        if self.served.flight is not None and self._closed(now):
            return 0, "not_in_flight"
        bid = self.pricer.bid(value, segment, source, first_price)
        if bid > self.cap:
            self.events.record(Cause.bid_cap, f"{bid:.6g} cut to {self.cap:.6g}")
            bid = self.cap
        amount = int(bid * MICRO * count)
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
            wallet.chunk.reserved(amount, now)
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
        self.sharing.lapse(amount)
        self.pilots.lapse(amount / MICRO * self.sharing.factor)

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
        self.sharing.late(slot, own)
        self.pilots.late([(slot, of_all(own, self.sharing.factor))])

    def respond(self, effects: Effects) -> None:
        """Hold other responses to incidents from now on, in place of all before."""
        self._respond(effects)
        self._limit_slot(self._budget)
        self.collector.follow(self.gate)
        self._spare = self._fresh(self.slot + 1)

    def _limit_slot(self, budget: int) -> None:
        self._spend.limit, self._spend.throttle = self._slot_limit(budget), self._throttle(self.slot)

    def change(self, served: ServedCampaign) -> None:
        """Take over another setting; a new budget changes the account at once, the plan from the next day on."""
        self.served = served
        self.desk.budgets.ask(self.desk.keeper, served, self.moment, self._limit)
        self._limit()

    def _limit(self) -> None:
        """Let the account have what the day may spend by now: its budget or the flight's money has changed."""
        budget = self.desk.budgets.on(self.served, self.moment)
        if self._begun and budget != self._budget:
            self.pilots.rebudgeted(self._budget, budget)
            self._budget = budget
            self._limit_slot(budget)
            self.wallet.set_budget(budget, most_unused(budget, int(self.cap * MICRO)))

    def close(self, wallet: bool = True) -> None:
        """Give unused money back, unless another day has the wallet, and let the policy's threads end."""
        if wallet:
            self.wallet.close()
            self.desk.budgets.saw(self.wallet)
        self.pilots.close()
        if self.successor is not None:
            self.successor.close()

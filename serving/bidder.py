"""The bidder: prices auctions for its campaigns and books what notices tell. The in-process API.

    with open_bidder(config) as bidder:
        answer = bidder.bid(Opportunity(value=(0.6, 0.2, 0.004), segment=0))

One thread calls it. A ledger thread may work behind it; `tick` must then be called every so often.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from bidpilot.agents.acting.agent import Agent
from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.bidding.bundle import Bundle
from bidpilot.bidding.errors import InvalidServing
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.auction import Bid, NoBid, Opportunity, Record, row
from bidpilot.serving.booking import Booking
from bidpilot.serving.buying import View, offered, view_of
from bidpilot.serving.calendar import Calendar, Moment
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.capping.capping import Capping
from bidpilot.serving.control import Control
from bidpilot.serving.creatives.piece import number_of
from bidpilot.serving.creatives.rotation import Rotation
from bidpilot.serving.days import Days
from bidpilot.serving.deciders import Decider
from bidpilot.serving.decision_log import DecisionLog
from bidpilot.serving.desk import Desk, Origin
from bidpilot.serving.experiments.ending import Ending
from bidpilot.serving.experiments.experiment import Experiment, in_its_arm
from bidpilot.serving.explaining import parts_of
from bidpilot.serving.guardrails import Cause, CircuitBreaker, EventLog
from bidpilot.serving.incidents.responder import Responder
from bidpilot.serving.incidents.responses import Responses
from bidpilot.serving.notices import Ticket
from bidpilot.serving.noticing import Noticing
from bidpilot.serving.past_debt import PastDebt
from bidpilot.serving.reconciliation import Reconciliation
from bidpilot.serving.restrictions.terms import Terms
from bidpilot.serving.served import ServedCampaign

_NO_LEASE = "0" * 12
_RECONCILED = 2  # days whose wins are held against their bills


class Bidder:
    """Bids for all campaigns of one bundle.

    Args:
        bundle, shadow: what decides, and what decides beside it without bidding.
        desk: what the campaigns share.
        calendar: days and slots of campaigns that name no time zone.
        campaigns: what to bid for, by the file and the command line; orders given since hold on top (`Control`).
        decisions: where every auction is logged, or None.
        name: of this bidder among those that share its store.
        responses: how it responds to incidents.
        experiment: what is served in arms, with who decides for each arm's campaigns; None: nothing is.

    Raises:
        InvalidServing: what is stored cannot be served.
        LedgerUnavailable: the store does not answer.
    """

    def __init__(
        self,
        bundle: Bundle,
        desk: Desk,
        calendar: Calendar,
        campaigns: list[ServedCampaign],
        shadow: Bundle | None = None,
        decisions: DecisionLog | None = None,
        name: str = "bidder",
        responses: Responses | None = None,
        experiment: tuple[Experiment, Mapping[str, Decider]] | None = None,
    ) -> None:
        self.bundle, self.desk, self.calendar, self.decisions = bundle, desk, calendar, decisions
        self.reasons: Counter[str] = Counter()  # why there was no bid
        self.refused: Counter[tuple[str, Refusal]] = Counter()  # by campaign and reason code
        self.bids = self.auctions = 0
        self.events = EventLog(desk.clock)
        self.breaker = CircuitBreaker(desk.guardrails, self.events, desk.clock)
        self.prefix, self._next_key = secrets.token_hex(4), 0
        second = None if shadow is None else agent_of(shadow)
        self.shadow_origin = None if shadow is None else Origin.of(shadow)
        self.experiment = None if experiment is None else experiment[0]
        arms = None if experiment is None else experiment[1]
        self._days = Days(desk, calendar, agent_of(bundle), second, lambda *gone: self.booking.expired(*gone), arms)
        desk.keeper.on_failed = lambda why: self.events.record(Cause.ledger_failed, why)
        desk.state.on_failed = lambda why: self.events.record(Cause.state_failed, why)
        split = () if self.experiment is None else self.experiment.split
        self.control = Control(desk, self._days, self.events, name, campaigns, split)
        self._noticing = Noticing(desk, self._days, decisions, self.events)
        self._noticing.look_back()
        desk.watcher.muted = lambda: self.killed
        self.put, self.kill, self.remove = self.control.put, self.control.kill, self.control.remove
        self.capping = Capping(
            desk.keeper,
            lambda: self.control.served,
            desk.process,
            on_full=lambda why: self.events.record(Cause.caps_full, why),
        )
        self.rotation = Rotation(desk.state.store_rotation, desk.state.rotation())
        learners = self.capping, self.rotation
        b = self.booking = Booking(desk, self._days, self.control.heard, decisions, self.events, *learners)
        self.win, self.loss, self.bill, self.outcome = b.win, b.loss, b.bill, b.outcome
        self.reconciliation = Reconciliation(desk, self._days.events)
        self.control.on_resume = self.reconciliation.forgive
        self.past_debt = PastDebt(desk, lambda name: self.days[name].wallet, self._days.moment_of)
        self.responder = Responder(self, responses or Responses())
        self.ending = None if self.experiment is None else Ending(self, self.experiment)
        desk.watcher.on_alarm = self.responder.hear
        desk.watcher.on_lasting = self.responder.goes_on

    @property
    def days(self) -> dict[str, CampaignDay]:
        """The running day of each campaign, by name."""
        return self._days.running

    @property
    def moment(self) -> Moment:
        """The slot under way of campaigns that name no time zone."""
        return self._days.moment

    def moment_of(self, name: str) -> Moment:
        """The slot under way by a campaign's own clock; the server's for one that is not known."""
        return self._days.moment_of(name)

    def calendar_of(self, name: str) -> Calendar:
        """Days and slots of a campaign; the server's for one that is not known."""
        return self._days.calendar_of(name)

    @property
    def turns(self) -> int:
        """Slots that have begun since the start, of any time zone."""
        return self._days.turns

    @property
    def notices(self) -> Counter[str]:
        """What became of notices."""
        return self.booking.notices

    # --- time ------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Go on to the slot that is under way, let reservations run out, keep leases alive. Call it often."""
        now = self.desk.clock()
        if now >= self._days.ends:
            self._advance(now)
        self._days.tend(now, self.control.served)
        self.control.orders.tend()
        self.booking.tend(now)
        self.capping.tend(now, self._days.turns)
        self.rotation.tend(now, self._creatives)
        self.reconciliation.tend(now, self._days.accounts(_RECONCILED))
        self.past_debt.tend(now, self._days.turns, self.control.served)
        self._noticing.tend()
        self.responder.tend(now)

    def _creatives(self) -> dict[str, set[int]]:
        """The numbers of each campaign's creatives."""
        return {name: {number_of(one.crid) for one in served.creatives} for name, served in self.control.heard.items()}

    def pace(self) -> Callable[[], bool]:
        """From now on the caller makes the steps of slots and days that begin, one a call, so that none delays bids.

        The call answers whether there was a step to make.
        """
        self._days.paced = True
        return lambda: self._days.agenda.turn(self.desk.clock())

    @property
    def busy(self) -> bool:
        """Whether there is a step to make of slots and days that begin."""
        return self._days.agenda.due(self.desk.clock())

    def _advance(self, now: float) -> None:
        if self._days.advance(now, self.control.served):
            self.booking.forget(now)
        self.responder.hold()
        if self.decisions is not None:
            self.decisions.flush()

    # --- bids ------------------------------------------------------------------------------------

    def bid(self, opportunity: Opportunity, terms: Terms | None = None) -> Bid | NoBid:
        """The best bid of the campaigns, under the impression's `terms`: two never bid against each other.

        Raises:
            InvalidServing: the opportunity is of no segment that the bundle knows, or of no source that is told apart.
        """
        now = self.desk.clock()
        if now >= self._days.ends:
            self._advance(now)
        o = opportunity
        if not 0 <= o.segment < len(self.bundle.manifest.segments):
            raise InvalidServing(f"segment {o.segment} is none of the bundle's {len(self.bundle.manifest.segments)}.")
        if not 0 <= o.source < self.desk.sources:
            raise InvalidServing(f"source {o.source} is none of the {self.desk.sources} that are told apart.")
        days: Mapping[str, CampaignDay] = self._days.running
        if self.experiment is not None:
            o, days = in_its_arm(o, days, self.experiment)
        view = view_of(days, terms, now)
        refused = self._pass_gates(o, view, days)
        found = self._best(o, view, refused, now, days)
        if isinstance(found, NoBid):
            self.reasons[found.reason] += 1
        if self.decisions is not None and not o.test:
            for name, day in days.items():
                if name in view.unfit:
                    continue
                if name in refused:
                    self.decisions.add(row(day, o, refused[name].value, now))
                elif isinstance(found, NoBid):
                    self.decisions.add(row(day, o, found.reason, now))
        return found

    def _pass_gates(self, o: Opportunity, view: View, days: Mapping[str, CampaignDay]) -> dict[str, Refusal]:
        """Count an auction in every campaign, unless it is a test; the campaigns that refuse it, and why.

        For a campaign that has nothing to show there it is no auction: nothing to plan with.
        """
        refused: dict[str, Refusal] = {}
        if view.refusal is not None:
            self.auctions += not o.test
            self.refused.update([] if o.test else [(name, view.refusal) for name in self.days])
            return dict.fromkeys(self.days, view.refusal)
        if o.test:
            for name, day in days.items():
                if (why := day.refusal(o.source)) is not None:
                    refused[name] = why
            return refused
        self.auctions += 1
        unfit = view.unfit
        for name, day in days.items():
            if name not in unfit and (why := day.request(o.value, o.segment, o.source)) is not None:
                refused[name] = why
                self.refused[name, why] += 1
        return refused

    def _best(
        self, o: Opportunity, view: View, refused: dict[str, Refusal], now: float, days: Mapping[str, CampaignDay]
    ) -> Bid | NoBid:
        if self.control.killed or self.breaker.open:
            return NoBid("kill_switch" if self.control.killed else "breaker_open")
        desk = self.desk
        expiry = max(o.hold, desk.expiry)
        hold = expiry + desk.grace
        best, amount, reason, chosen = None, 0, "no_campaign", None
        unfit = view.unfit
        for name, day in days.items():
            if name in refused or name in unfit:
                reason = unfit.get(name) or refused[name].value
                continue
            if self.reconciliation.stopped(name):
                reason = "unbilled"
                continue
            offer, why, shown = offered(day, o, view, now, hold)
            if offer > amount:
                best, amount, chosen = day, offer, shown
            elif why:
                reason = why
        if best is None:
            return NoBid(reason)
        key = f"{self.prefix}{self._next_key:010x}"
        self._next_key += 1
        wallet = best.wallet
        user = view.user if view.user and best.served.caps else 0
        # by place, as names cost a fortieth of a bid
        ticket = Ticket(
            key, _NO_LEASE if o.test else wallet.lease, best.account, amount, now + hold, best.slot, o.segment,
            o.source, o.value, o.test, o.exchange in desk.settle_on_win, o.scale * view.count, view.count, user,
            0 if chosen is None else chosen.piece.counted,
        )  # fmt: skip
        if not o.test:
            shadow = best.shadow_bid(o.value, o.segment, o.source, o.first_price)
            others = () if o.trial is None else o.trial.others
            record = Record(best, o, ticket, now, shadow, (*refused, *view.unfit, *others))
            if wallet.reserve(key, amount, now, record, best.slot, hold) is None:
                return NoBid("no_money")
        self.bids += 1
        return Bid(best.served, amount, ticket, expiry, chosen)

    def take_back(self, bid: Bid) -> None:
        """A bid that was made will not be sent: its money is free again at once."""
        self.booking.take_back(bid.ticket)

    def explain(self, opportunity: Opportunity) -> dict[str, Any]:
        """The parts of each campaign's bid for an auction, currency; nothing is counted or reserved."""
        return parts_of(self, opportunity)

    # --- administration --------------------------------------------------------------------------

    @property
    def killed(self) -> bool:
        """Whether the kill switch is on."""
        return self.control.killed

    @property
    def served(self) -> dict[str, ServedCampaign]:
        """Campaigns by name."""
        return dict(self.control.served)

    def swap(self, bundle: Bundle, desk: Desk, agent: Agent) -> None:
        """Let another bundle decide new days from now on, and running ones as `serving.swap` hands them over."""
        self.bundle, self.desk = bundle, desk
        self._days.swap(desk, agent)

    @property
    def shadow(self) -> Agent | None:
        """Who decides beside the bundle's agent without bidding."""
        return self._days.shadow

    def event_counts(self) -> Counter[Cause]:
        """Interventions by cause, over all campaigns."""
        return sum((e.counts for e in self._days.events.values()), start=self.events.counts.copy())

    def campaign_events(self, name: str) -> EventLog | None:
        """Where interventions for a campaign are counted."""
        return self._days.events.get(name)

    def close(self) -> None:
        """Give unused money back, write what is ordered and logged, close the files."""
        self.responder.end()
        self._days.close()
        self.rotation.keep(self._creatives)
        self.control.orders.farewell()
        self.desk.keeper.stop()
        if self.decisions is not None:
            self.decisions.close()
        self.desk.keeper.store.close()
        self.desk.state.close()

    def __enter__(self) -> Bidder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""What a campaign's slot is bid by: its pilot's decision, within a step of the one before, under what incidents ask."""

from __future__ import annotations

from bidpilot.bidding.rule import Rule
from bidpilot.serving.collector import Value
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import Cause, EventLog, limit_step
from bidpilot.serving.incidents.effects import NONE, Effects, responded
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.page.course import Course
from bidpilot.serving.pilot import Decision
from bidpilot.serving.pilots import Pilots
from bidpilot.serving.pricer import Pricer
from bidpilot.serving.sharing import Sharing
from bidpilot.serving.slot_gate import SlotGate


class SlotRule:
    """Holds the decision of a slot as prices, a gate and limits.

    Args:
        desk: what the campaigns share.
        pilots: who decide.
        events: where interventions are counted.
        sharing: this bidder's part of the campaign.
        cap: most that is bid for one exposure, currency.
    """

    decision: Decision
    pricer: Pricer
    gate: SlotGate | None

    def __init__(self, desk: Desk, pilots: Pilots, events: EventLog, sharing: Sharing, cap: float) -> None:
        self.desk, self.pilots, self.events, self.sharing, self.cap = desk, pilots, events, sharing, cap
        self.effects = NONE  # responses to incidents
        self.course = Course()
        self._rule: Rule | None = None  # without responses
        self._before: Rule | None = None  # of the slot before

    def _apply(self, decision: Decision, first: bool) -> None:
        self._before = None if first else self._rule
        self._hold(decision)

    def _hold(self, decision: Decision) -> None:
        rule = decision.rule
        if self._before is not None:
            rule, cut = limit_step(self._before, rule, self.desk.guardrails.step_limit)
            if cut:
                self.events.record(Cause.step_limit, f"slot {decision.slot}")
        self.decision, self._rule = decision, rule
        self.pricer = Pricer(responded(rule, self.effects, self.desk.sources), self.cap, self.desk.shade)
        self.gate = self._make_gate()
        shadow = self.pilots.shadow_decision
        self._shadow_pricer = None if shadow is None else Pricer(shadow.rule, self.cap, self.desk.shade)
        other = None if shadow is None else shadow.rule
        self.course.note(decision.slot, self.pricer.rule, decision.planned, other)

    def _respond(self, effects: Effects) -> None:
        """Hold other responses from now on: the rule is again what the pilot has decided, and of what they ask."""
        self.effects = effects
        self._hold(self.pilots.policy.hold(effects.planned))

    def _make_gate(self) -> SlotGate | None:
        gate = self.pricer.rule.gate
        return None if gate is None else SlotGate(gate, self.sharing.by_source)

    def _slot_limit(self, budget: int) -> int:
        """Most that a slot may take here, micro-units: of its share of the budget this bidder's part."""
        return int(self.desk.guardrails.slot_share * budget * self.sharing.part)

    def _throttle(self, slot: int) -> int | None:
        """Most that a slot may cost here under the responses, micro-units; None: they do not say."""
        if self.effects.share is None:
            return None
        return int(self.effects.share * self.sharing.part * self.pilots.policy.due(slot) * MICRO)

    def shadow_bid(self, value: Value, segment: int, source: int, first_price: bool) -> float | None:
        """What the shadow policy would bid, currency; None without one.

        Quotas are not looked at again: both filters are told the same totals, so that their gates are one.
        """
        if self._shadow_pricer is None:
            return None
        return max(min(self._shadow_pricer.bid(value, segment, source, first_price), self.cap), 0.0)

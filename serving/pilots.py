"""The pilots of one campaign's day: who decides, and who decides beside it without bidding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.plan.planner import Planner
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import EventLog
from bidpilot.serving.open_hours import planner_for
from bidpilot.serving.pilot import Decision, Pilot
from bidpilot.serving.served import ServedCampaign


class Pilots:
    """Those of one campaign's day: both are told the same.

    Args:
        policy: who decides.
        shadow: who decides beside it without bidding, or None.
    """

    def __init__(self, policy: Pilot, shadow: Pilot | None) -> None:
        self.policy, self.shadow = policy, shadow
        self.shadow_decision: Decision | None = None
        self._late: list[tuple[int, SlotTotals]] = []  # of slots that they have not closed

    def __iter__(self) -> Iterator[Pilot]:
        return iter((self.policy,) if self.shadow is None else (self.policy, self.shadow))

    def begin(self) -> Decision:
        """Begin the day; what the policy decides for its first slot."""
        decision = self.policy.begin()
        self.shadow_decision = None if self.shadow is None else self.shadow.begin()
        return decision

    def close_slot(self, totals: SlotTotals, outstanding: NDArray[np.float64], settled: float) -> Decision:
        """Take in the slot that has passed, as `Pilot.close_slot` does; what the policy decides for the next."""
        decision = self.policy.close_slot(totals, outstanding, settled)
        self.shadow_decision = None if self.shadow is None else self.shadow.close_slot(totals, outstanding, settled)
        return decision

    def late(self, told: Iterable[tuple[int, SlotTotals]] = ()) -> None:
        """Book what is told only now of earlier slots, one row each; of a slot that is not closed yet when it is."""
        waiting, self._late = [*self._late, *told], []
        for slot, totals in waiting:
            if slot >= self.policy.slot:
                self._late.append((slot, totals))
                continue
            for pilot in self:
                pilot.late(slot, totals)

    def lapse(self, amount: float) -> None:
        """A bid ran out without a notice, currency."""
        for pilot in self:
            pilot.lapse(amount)

    def hand_over(self, policy: Pilot, shadow: Pilot | None) -> None:
        """Let others go on with the day, which have closed the same slots."""
        policy.take_over(self.policy)
        self.policy = policy
        if self.shadow is not None and shadow is not None:
            shadow.take_over(self.shadow)
            self.shadow = shadow

    def close(self) -> None:
        """Let their threads end."""
        for pilot in self:
            pilot.close()


class PilotMaker:
    """Makes pilots for days to begin, which takes most of the time that beginning a day takes.

    Args:
        desk: what the campaigns share.
        agent, shadow: who decides, and who decides beside it without bidding.
    """

    def __init__(self, desk: Desk, agent: Agent, shadow: Agent | None) -> None:
        self._desk, self._agent, self._shadow = desk, agent, shadow

    def make(self, served: ServedCampaign, day: int, events: EventLog, planner: Planner | None = None) -> Pilots:
        """Those of a campaign for a day (days since 1970); `planner` is another thread's own, the desk's where None."""
        desk, planner = self._desk, planner or self._desk.planner
        shadow = None
        if self._shadow is not None:
            quiet = EventLog(desk.clock, f"{served.name} (shadow)")
            shadow = self._one(planner, self._shadow, served, day, quiet)
        return Pilots(self._one(planner, self._agent, served, day, events), shadow)

    def _one(self, planner: Planner, agent: Agent, served: ServedCampaign, day: int, events: EventLog) -> Pilot:
        desk = self._desk
        patience = desk.guardrails.patience
        campaign = desk.budgets.campaign(served, desk.budgets.on_day(served, day))
        planner = planner_for(planner, served.flight)
        return Pilot(planner, campaign, agent, desk.sources, events, patience, None, day).prepare()

"""The pilots of one campaign's day: who decides, and who decides beside it without bidding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.plan.planner import Planner
from bidpilot.serving.deciders import Deciders
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import LOGGER, EventLog
from bidpilot.serving.open_hours import planner_for
from bidpilot.serving.pilot import Decision, Pilot
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.watcher import DayWatch


class Pilots:
    """Those of one campaign's day: both are told the same.

    Args:
        policy: who decides.
        shadow: who decides beside it without bidding, or None.
        watch: watches the day, or None.
    """

    def __init__(self, policy: Pilot, shadow: Pilot | None, watch: DayWatch | None = None) -> None:
        self.policy, self.shadow, self.watch = policy, shadow, watch
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
        if self.watch is not None:
            self._look(totals, self.watch)
        decision = self.policy.close_slot(totals, outstanding, settled)
        self.shadow_decision = None if self.shadow is None else self.shadow.close_slot(totals, outstanding, settled)
        return decision

    def _look(self, totals: SlotTotals, watch: DayWatch) -> None:
        """Let the slot be watched; a campaign bids on where that fails."""
        try:
            watch.close(totals)
        except Exception:
            self.watch = None
            LOGGER.exception("the day is watched no more")

    def gathered(self, unwatched: float, late: Iterable[tuple[int, SlotTotals]], paused: bool) -> None:
        """What is known of the slot that is closed next, and what is told only now of those before it."""
        if self.watch is not None:
            self.watch.note(seen=unwatched <= 0, paused=paused)
        self.late(late)

    def again(self, seen: bool) -> None:
        """The slot that is closed next is played again after a restart; whether it was seen."""
        if self.watch is not None:
            self.watch.note(seen, again=True)

    def late(self, told: Iterable[tuple[int, SlotTotals]] = ()) -> None:
        """Book what is told only now of earlier slots, one row each; of a slot that is not closed yet when it is."""
        waiting, self._late = [*self._late, *told], []
        for slot, totals in waiting:
            if slot >= self.policy.slot:
                self._late.append((slot, totals))
                continue
            for pilot in self:
                pilot.late(slot, totals)
            if self.watch is not None:
                self.watch.late(slot, totals)

    def rebudgeted(self, before: int, after: int) -> None:
        """The running day's budget is another one now, micro-units."""
        if self.watch is not None:
            self.watch.rebudgeted(before, after)

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
        deciders: who decides for which campaign.
        shadow: who decides beside them without bidding, or None.
    """

    def __init__(self, deciders: Deciders, shadow: Agent | None) -> None:
        self.deciders, self._shadow = deciders, shadow

    def make(self, served: ServedCampaign, day: int, events: EventLog, planner: Planner | None = None) -> Pilots:
        """Those of a campaign for a day (days since 1970); `planner` is another thread's own, the desk's where None."""
        decider = self.deciders.of(served.name)
        desk, planner = decider.desk, planner or decider.desk.planner
        watch = desk.watcher.begin(served, desk.budgets.campaign(served, desk.budgets.on_day(served, day)), day)
        shadow = None
        if self._shadow is not None:
            quiet = EventLog(desk.clock, f"{served.name} (shadow)")
            shadow = _pilot(desk, planner, self._shadow, served, day, quiet)
        return Pilots(_pilot(desk, planner, decider.agent, served, day, events), shadow, watch)


def _pilot(desk: Desk, planner: Planner, agent: Agent, served: ServedCampaign, day: int, events: EventLog) -> Pilot:
    patience = desk.guardrails.patience
    campaign = desk.budgets.campaign(served, desk.budgets.on_day(served, day))
    planner = planner_for(planner, served.flight)
    return Pilot(planner, campaign, agent, desk.sources, events, patience, None, day).prepare()

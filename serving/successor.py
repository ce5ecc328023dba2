"""What takes over a campaign's running day from another bundle: pilots that have caught up with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bidpilot.agents.acting.agent import Agent
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import EventLog, bid_cap
from bidpilot.serving.ledger.chunk import most_unused
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.open_hours import planner_for
from bidpilot.serving.pilot import Pilot

if TYPE_CHECKING:
    from bidpilot.serving.campaign_day import CampaignDay

_PATIENCE = 5.0  # seconds: no request waits for what it decides of slots gone by


@dataclass(frozen=True)
class Successor:
    """Pilots of one campaign's day at another desk, in the slot that is under way."""

    desk: Desk
    pilot: Pilot
    shadow: Pilot | None = None

    def take_over(self, day: CampaignDay) -> None:
        """Close the day's slot and go on with it; money, counts and the filter of traffic stay."""
        desk, pilot, campaign = self.desk, self.pilot, day.campaign
        if pilot.slot != day.pilots.policy.slot:
            self.close()
            return
        day.pilots.hand_over(pilot, self.shadow)
        watch = day.pilots.watch
        day.pilots.watch = desk.watcher.hand_over(watch, day.served, campaign, day.moment.day, pilot.slot)
        day.desk = desk
        day.cap = bid_cap(desk.guardrails, desk.forecast, pilot.alpha, campaign.conversion_value)
        day.wallet.chunk.most = most_unused(int(campaign.budget * MICRO), int(day.cap * MICRO))
        day.collector = pilot.collector(desk.sources).count_on(day.collector)

    def close(self) -> None:
        """Let the policies' threads end."""
        for pilot in (self.pilot, self.shadow):
            if pilot is not None:
                pilot.close()


def prepare(
    day: CampaignDay, desk: Desk, agent: Agent, shadow: Agent | None, breathe: Callable[[], None] = lambda: None
) -> Successor:
    """Play a running day's slots again, up to the one under way, with the agents of another bundle.

    It reads the day and changes nothing of it, so that a thread beside the bidder's may call it. `breathe` is called
    after each slot, to let others run.

    Raises:
        ZeroIdealPoint: the forecast brings none of a KPI that the campaign prefers.
    """
    slots = day.moment.slot
    stored = desk.state.slots(day.account, SlotTotals.zeros(1, len(desk.forecast.segments), desk.sources))

    def caught_up(of: Agent) -> Pilot:
        traffic = None if desk.book is None else desk.book.filter()
        silent = EventLog(desk.clock, f"{day.served.name} (before)")
        planner = planner_for(desk.planner, day.served.flight)
        pilot = Pilot(planner, day.campaign, of, desk.sources, silent, _PATIENCE, traffic, day.moment.day)
        pilot.begin()
        collector = pilot.collector(desk.sources)
        for slot in range(slots):
            breathe()
            collector.begin(slot)
            pilot.close_slot(stored.get(slot) or collector.totals(unwatched=1.0))
        return pilot

    return Successor(desk, caught_up(agent), None if shadow is None else caught_up(shadow))

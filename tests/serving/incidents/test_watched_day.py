"""From slots to responses: what a watched day brings about, and that it goes when its cause does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.serving.auction import Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.incidents.incident import Action, Incident, Level
from bidpilot.serving.incidents.policy import ResponsePolicy
from bidpilot.training.incidents.config import IncidentsConfig
from bidpilot.training.incidents.replay import replay
from bidpilot.training.incidents.rule import alarms_again, bands_of, compared
from bidpilot.training.incidents.run import run

START, SLOT = 20_000 * DAY, DAY / 48


class Day:
    """A bidder that is offered so many auctions a slot, and wins none."""

    def __init__(self, bundle: Path, state: Path) -> None:
        self.config = ServeConfig(bundle=bundle, state=state, budget=1000.0, traffic_filter=False)
        self.clock, self.slot = ManualClock(START), 0
        self.expected = preset_forecast().auctions
        self.bidder: Bidder = open_bidder(self.config, self.clock)

    def again(self) -> None:
        self.bidder.close()
        self.bidder = open_bidder(self.config, self.clock)

    def play(self, slots: int, share: float = 1.0) -> None:
        for _ in range(slots):
            for _ in range(round(share * self.expected[self.slot % 48])):
                self.bidder.bid(Opportunity((0.6, 0.2, 0.004), 0))
            self.slot += 1
            for part in (0.0, 0.11):
                self.clock.move(START + (self.slot + part) * SLOT)
                self.bidder.tick()

    @property
    def only(self) -> Incident:
        (incident,) = self.bidder.responder.incidents.values()
        return incident


@pytest.fixture
def live(banded_bundle: Path, tmp_path: Path) -> Iterator[Day]:
    made = Day(banded_bundle, tmp_path / "state")
    yield made
    made.bidder.close()


def test_a_shock_is_one_incident_that_escalates_while_it_goes_on_and_clears_after(live: Day) -> None:
    live.play(18)
    assert not live.bidder.responder.incidents
    live.play(3, share=0.5)
    assert (live.only.risk, live.only.level) == (Risk.platform_shock, Level.throttle)
    live.play(2, share=0.5)
    live.again()  # a restart is told nothing again
    live.play(4, share=0.5)
    assert (live.only.level, live.bidder.days["default"].decision.planned) == (Level.pause, True)
    live.play(15)
    actions = [step.action for step in live.only.steps]
    assert actions.count(Action.opened) == 1
    assert Action.reopened not in actions
    live.play(24)
    assert not live.only.open
    assert live.bidder.days["default"].effects.level is Level.none
    assert replay(live.only, ResponsePolicy()).differs == ""
    again = run(IncidentsConfig(action="replay", state=live.config.state, bundle=live.config.bundle))
    (played,) = again["replayed"]
    assert (played["same"], played["rule"]) == (True, "1 of 1 alarms again")
    quiet = live.only.model_copy(update={"slots": tuple({**row, "requests": 600} for row in live.only.slots)})
    assert compared(quiet, alarms_again(quiet, bands_of(live.config.bundle))).startswith("0 of 1 alarms again, not req")


def test_half_of_the_traffic_for_a_day_stops_nothing(live: Day) -> None:
    live.play(10)
    live.play(48, share=0.5)
    assert live.bidder.responder.incidents
    levels = [step.level for one in live.bidder.responder.incidents.values() for step in one.steps]
    assert max(levels) < Level.stop

"""A bidder's days are watched: what left its bands is told once, whatever becomes of the process, and nothing else."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.calendar import NamedEvent
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.traffic.sources import Sources
from bidpilot.bidding.watch.alarm import Alarm, Risk
from bidpilot.bidding.watch.metrics import PLAYED
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.serving.auction import Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.flight import Flight
from bidpilot.serving.metrics import Metrics
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.swap import Swap
from bidpilot.serving.watcher import DayWatch, Watcher
from tests.bidding.watch.honest_days import BUDGET, SLOTS, day, honest_bands

START, SLOT = 20_000 * DAY, DAY / 48
VALUE = (0.6, 0.2, 0.004)
Heard = list[tuple[str, Alarm]]


class Day:
    """A bidder that is offered so many auctions a slot; opened again, it goes on."""

    def __init__(self, bundle: Path, state: Path) -> None:
        # another budget than that of the bands' days: nothing is won here, and that is no matter
        self.config = ServeConfig(bundle=bundle, state=state, budget=1000.0, traffic_filter=False)
        self.clock, self.heard, self.slot = ManualClock(START), Heard(), 0
        self.expected = preset_forecast().auctions
        self.open()

    def open(self) -> None:
        self.bidder: Bidder = open_bidder(self.config, self.clock)
        self.bidder.desk.watcher.on_alarm = lambda campaign, alarm: self.heard.append((campaign, alarm))

    def again(self) -> None:
        self.bidder.close()
        self.open()

    def play(self, slots: int, share: float = 1.0) -> None:
        for _ in range(slots):
            for _ in range(round(share * self.expected[self.slot % 48])):
                self.bidder.bid(Opportunity(VALUE, 0))
            self.slot += 1
            self.clock.move(START + self.slot * SLOT)
            self.bidder.tick()

    @property
    def shocks(self) -> list[Alarm]:
        return [alarm for _, alarm in self.heard if alarm.risk is Risk.platform_shock]


@pytest.fixture
def live(banded_bundle: Path, tmp_path: Path) -> Iterator[Day]:
    made = Day(banded_bundle, tmp_path / "state")
    yield made
    made.bidder.close()


def test_half_the_traffic_is_told_of_once_and_counted(live: Day, caplog: pytest.LogCaptureFixture) -> None:
    live.play(18)
    assert live.heard == []
    with caplog.at_level(logging.WARNING, "bidpilot.serving"):
        live.play(10, share=0.5)
    (alarm,) = live.shocks
    assert alarm.slot in range(18, 21)
    assert live.heard[0][0] == "default"
    (line,) = [json.loads(r.message) for r in caplog.records if '"event": "alarm"' in r.message]
    assert (line["risk"], line["metric"], line["slot"]) == ("platform_shock", "requests", alarm.slot)
    text = Metrics(live.bidder, Sources(8)).text().decode()
    assert 'bidpilot_alarms_total{risk="platform_shock"} 1.0' in text
    assert 'bidpilot_alarms_total{risk="tracking_outage"} 0.0' in text


def test_a_restart_tells_nothing_again_and_goes_on_watching(live: Day) -> None:
    live.play(18)
    live.again()
    live.play(4, share=0.5)
    told = list(live.heard)
    assert len(live.shocks) == 1
    live.again()
    live.play(4, share=0.5)
    assert live.heard == told
    watch = live.bidder.days["default"].pilots.watch
    assert watch is not None
    np.testing.assert_allclose(watch.scan.slots.of("auctions")[0, :18], np.round(live.expected[:18]))


def test_slots_that_a_server_was_away_for_are_no_shock(live: Day) -> None:
    live.play(10)
    live.bidder.close()
    live.slot += 8
    live.clock.move(START + live.slot * SLOT)
    live.open()
    live.play(6)
    assert live.heard == []


def test_what_an_operator_stops_is_no_shock(live: Day) -> None:
    live.play(10)
    live.bidder.kill(True)
    live.play(6, share=0.0)
    live.bidder.kill(False)
    live.play(4)
    assert live.heard == []


def test_the_next_day_is_watched_too(live: Day) -> None:
    live.play(48 + 18)
    live.play(4, share=0.4)
    assert [alarm.slot in range(18, 22) for alarm in live.shocks] == [True]


def test_another_bundle_goes_on_with_what_was_seen(live: Day, banded_bundle: Path) -> None:
    live.play(16)
    Swap(live.bidder, live.config).now(banded_bundle)
    live.play(2)
    live.play(4, share=0.5)
    watch = live.bidder.days["default"].pilots.watch
    assert watch is not None
    assert watch.scan.slots.t == 22
    assert len(live.shocks) == 1


def test_a_bundle_without_bands_watches_nothing_and_says_so_once(
    bundle_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "bidpilot.serving"):
        live = Day(bundle_folder, tmp_path / "state")
        live.play(4, share=0.0)
        live.bidder.close()
    assert sum("no day is watched" in record.message for record in caplog.records) == 1
    assert live.heard == []


# --- one day's watch -----------------------------------------------------------------------------


def _watch(watcher: Watcher, budget: float = BUDGET, flight: Flight | None = None) -> DayWatch:
    campaign = Campaign(budget=budget, conversion_value=1.0)
    watch = watcher.begin(ServedCampaign(name="c", campaign=campaign, flight=flight), campaign, 20_000)
    assert watch is not None
    return watch


@pytest.fixture
def watcher(even: Forecast) -> tuple[Watcher, Heard]:
    heard: Heard = []
    made = Watcher(honest_bands(), even)
    made.on_alarm = lambda campaign, alarm: heard.append((campaign, alarm))
    made.tracked["c"] = (True, True)
    return made, heard


@pytest.mark.parametrize("seed", range(3))
def test_a_pause_is_no_alarm_and_a_loss_of_requests_is_one_while_it_lasts(
    watcher: tuple[Watcher, Heard], seed: int
) -> None:
    made, heard = watcher
    totals = day(np.random.default_rng([9, seed]), 1, np.where(np.arange(SLOTS) < 16, 1.0, 0.4))
    watch = _watch(made)
    for t, one in enumerate(totals):
        if t >= 6:
            for name in ("wins", "spend", "predicted", "realised"):
                getattr(one, name)[:] = 0
            watch.note(seen=True, paused=True)
        watch.close(one)
        assert t >= 16 or heard == []
    assert {alarm.metric for _, alarm in heard} == {"requests"}


def test_who_listens_may_fail(watcher: tuple[Watcher, Heard]) -> None:
    made, _ = watcher

    def broken(campaign: str, alarm: Alarm) -> None:
        raise RuntimeError("no such contact")

    made.on_alarm = broken
    watch = _watch(made)
    for one in day(np.random.default_rng(0), 1, 0.3):
        watch.close(one)
    assert made.counts.total() >= 1


def test_a_campaign_that_was_never_told_of_outcomes_has_no_outage(even: Forecast) -> None:
    made, heard = Watcher(honest_bands(), even), Heard()
    made.on_alarm = lambda campaign, alarm: heard.append((campaign, alarm))
    first, second, third = (_watch(made) for _ in range(3))
    for one in day(np.random.default_rng(1), 1, told=False):
        first.close(one)
    assert not [alarm for _, alarm in heard if alarm.risk is Risk.tracking_outage]
    for one in day(np.random.default_rng(2), 1):
        second.close(one)
    third = _watch(made)  # begun after a day on which outcomes were told
    for one in day(np.random.default_rng(3), 1, told=False):
        third.close(one)
    assert [alarm for _, alarm in heard if alarm.risk is Risk.tracking_outage]


@pytest.mark.parametrize(("budget", "watched"), [(1.0, True), (1.4, True), (2.0, False), (0.5, False)])
def test_money_is_watched_where_the_budget_is_like_that_of_the_bands(
    watcher: tuple[Watcher, Heard], budget: float, watched: bool
) -> None:
    """Everything is won and paid for twice as dear, from the first slot on."""
    made, heard = watcher
    watch = _watch(made, budget * BUDGET)
    for one in day(np.random.default_rng(5), 1):
        one.spend[:] *= 8.0
        one.wins[:] = one.auctions
        watch.close(one)
    assert any(alarm.metric in PLAYED for _, alarm in heard) is watched


def test_a_budget_that_changes_on_the_day_is_no_overrun(watcher: tuple[Watcher, Heard]) -> None:
    made, heard = watcher
    watch = _watch(made)
    for t, one in enumerate(day(np.random.default_rng(6), 1)):
        if t == 10:
            watch.rebudgeted(50, 400)
        if t >= 10:
            for name in ("wins", "spend", "predicted"):
                array = getattr(one, name)
                array[:] = 4 * array
            one.realised[:] = one.predicted
        watch.close(one)
    assert not [alarm for _, alarm in heard if alarm.metric in PLAYED]


def test_hours_in_which_a_campaign_does_not_bid_are_no_shock(watcher: tuple[Watcher, Heard]) -> None:
    made, heard = watcher
    watch = _watch(made, flight=Flight.model_validate({"start": "2024-10-01", "hours": [[8, 20]]}))
    for t, one in enumerate(day(np.random.default_rng(8), 1)):
        if not 8 <= t < 20:
            for array in (one.auctions, one.wins, one.spend, one.predicted, one.realised):
                array[:] = 0
        watch.close(one)
    assert heard == []


def test_a_named_event_is_expected(even: Forecast) -> None:
    sale = NamedEvent.model_validate({"name": "sale", "from": "2024-10-04", "to": "2024-10-04", "traffic": 2.0})
    heard: Heard = []
    for events, told in (((sale,), False), ((), True)):
        made = Watcher(honest_bands(), even.with_events(events))
        made.on_alarm = lambda campaign, alarm: heard.append((campaign, alarm))
        watch = _watch(made)  # of day 20,000 since 1970, which is the fourth of October
        heard.clear()
        for one in day(np.random.default_rng(4), 1, 2.0):
            watch.close(one)
        assert any(alarm.metric == "requests" for _, alarm in heard) is told

"""The bid server knows the day of the week where its campaigns are, and the events that its calendar names."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.features import POSITION
from bidpilot.bidding.errors import InvalidCalendar
from bidpilot.bidding.landscape.calendar import CalendarEffects, days_since_1970
from bidpilot.bidding.landscape.forecast import TRAFFIC_LEVEL, Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import EventLog
from bidpilot.serving.pilot import Pilot
from tests.serving.conftest import recorded_day, write_controller_bundle


def at(hour: str, day: int = 29) -> float:
    return datetime.fromisoformat(f"2026-11-{day:02}T{hour}").replace(tzinfo=UTC).timestamp()


def half_of_sundays() -> Forecast:
    """Expects half of the traffic on Sundays."""
    weekday = np.zeros((7, 5))
    weekday[6, TRAFFIC_LEVEL] = -1.0
    return replace(preset_forecast(), calendar=CalendarEffects(weekday))


@pytest.fixture(scope="module")
def half_sundays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_controller_bundle(tmp_path_factory.mktemp("bundle"), forecast=half_of_sundays())


@pytest.mark.parametrize("name", ["mpc", "adaptive"])
def test_a_replayed_sunday_gives_the_environments_observations(name: str) -> None:
    log, forecast, campaign = recorded_day(), half_of_sundays(), preset_campaign()
    log = replace(log, days=(replace(log.days[0], unit="2026-11-29"),))
    agent, days = controller_agent(name), RecordedMarket(log, forecast.level_slots).recorded([0])
    episode = Episode(RecordedMarket(log, forecast.level_slots), forecast, 1)
    seen = episode.begin(days, CampaignBatch.repeat(campaign, 1, days.budget), replan=agent.replan)
    sunday = int(days_since_1970(date(2026, 11, 29)))
    pilot = Pilot(Planner(forecast), campaign, agent, log.sources, EventLog(ManualClock()), 1.0, day=sunday)
    decision = pilot.begin()
    for _ in range(8):
        np.testing.assert_allclose(decision.observation, seen[0], atol=2e-6)
        seen = episode.play(decision.action[None])
        decision = pilot.close_slot(episode.totals)
    assert decision.observation[POSITION["traffic_mean"]] > 0.3  # a day of usual traffic, twice a Sunday's
    pilot.close()


def felt(bidder: Bidder, name: str = "replan") -> float:
    return float(bidder.days["default"].decision.observation[POSITION[name]])


def test_a_sunday_begins_and_ends_at_the_campaigns_own_midnight(half_sundays: Path, tmp_path: Path) -> None:
    """The 29th is one. Half of its traffic needs a higher scale, from its first slot on, and is no shock."""
    clock = ManualClock(at("23:00:00", 27))
    with open_bidder(ServeConfig(bundle=half_sundays, state=tmp_path, timezone="Africa/Lagos"), clock) as bidder:
        scales = [felt(bidder)]
        for day in (28, 29):
            clock.move(at("22:59:59", day))
            bidder.tick()
            assert bidder.moment.slot == 47
            clock.move(at("23:00:00", day))
            bidder.tick()
            assert bidder.moment.slot == 0
            scales.append(felt(bidder))
    saturday, sunday, monday = scales
    assert saturday == monday
    assert abs(saturday) < 0.1
    assert sunday > 0.1


def test_slots_that_nobody_watched_count_as_expected_of_the_date(tmp_path: Path) -> None:
    weekday = np.zeros((7, 5))
    weekday[6] = (0.5, 0.5, 0.5, 1.0, -1.0)
    forecast = replace(preset_forecast(), calendar=CalendarEffects(weekday))
    bundle = write_controller_bundle(tmp_path / "bundle", forecast=forecast)
    with open_bidder(ServeConfig(bundle=bundle, state=tmp_path / "state"), ManualClock(at("12:00:00"))) as bidder:
        assert bidder.moment.slot == 24
        for name in ("traffic_mean", "traffic_day", "traffic_eighth_4", "value_mean", "price_mean", "ratio_50_day"):
            assert felt(bidder, name) == pytest.approx(0.0, abs=0.01), name


def test_the_file_of_the_server_names_its_events(half_sundays: Path, tmp_path: Path) -> None:
    calendar = tmp_path / "calendar.json"
    calendar.write_text(json.dumps([{"name": "sale", "from": "2026-11-29", "to": "2026-11-29", "traffic": 2.0}]))
    scales = []
    for file in (None, calendar):
        config = ServeConfig(bundle=half_sundays, state=tmp_path / str(file is None), calendar=file)
        with open_bidder(config, ManualClock(at("00:00:00"))) as bidder:
            scales.append(felt(bidder))
    assert scales[0] > 0.1 > abs(scales[1])
    calendar.write_text("[{}]")
    with pytest.raises(InvalidCalendar, match=r"0\.name"):
        open_bidder(ServeConfig(bundle=half_sundays, state=tmp_path / "bad", calendar=calendar))

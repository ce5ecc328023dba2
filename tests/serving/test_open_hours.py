"""A campaign with hours plans its money for them: it spends as one that bids all day, and nothing outside of them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, Calendar, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.flight import Flight
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.open_hours import open_share, planner_for
from tests.serving.conftest import recorded_day, write_controller_bundle
from tests.serving.test_bidder import replay

minutes = st.integers(0, 1439).map(lambda m: m / 60.0)


@given(st.lists(st.tuples(minutes, minutes).filter(lambda h: h[0] != h[1] and h[1] > 0), max_size=3), st.data())
def test_a_slot_is_open_for_the_time_that_the_flight_bids(
    hours: list[tuple[float, float]], data: st.DataObject
) -> None:
    """Held against the flight itself, minute by minute of a slot."""
    slots = data.draw(st.sampled_from([24, 48, 96]))
    slot = data.draw(st.integers(0, slots - 1))
    if not hours:
        return
    flight, calendar = Flight(start=date(1970, 1, 1), hours=tuple(hours)), Calendar(slots)
    seconds = np.arange(slot * 86_400 // slots, (slot + 1) * 86_400 // slots, 60) + 30
    bids = [not flight.closed(calendar.at(float(s)), float(s), slots) for s in seconds]
    assert open_share(flight.hours, slots)[slot] == pytest.approx(np.mean(bids), abs=1e-9)


def test_without_hours_a_plan_is_everybodys() -> None:
    planner = Planner(preset_forecast())
    assert planner_for(planner, None) is planner
    assert planner_for(planner, Flight(start=date(2026, 1, 1), days_off=("sunday",))) is planner


def test_campaigns_of_the_same_hours_share_a_planner_whose_day_is_these_hours() -> None:
    planner = Planner(preset_forecast())
    night = Flight(start=date(2026, 1, 1), hours=((22.0, 6.0),))
    made = planner_for(planner, night)
    assert (
        planner_for(planner, Flight(start=date(2026, 5, 5), total=3.0, end=date(2026, 5, 6), hours=((22, 6),))) is made
    )
    shown, usual = made.forecast.auctions, planner.forecast.auctions
    open_ = np.r_[:12, 44:48]
    assert shown[open_].tolist() == usual[open_].tolist()
    assert shown.sum() == pytest.approx(usual[open_].sum())


@pytest.mark.parametrize(
    ("agent", "hours"), [("mpc", [[8, 20]]), ("adaptive", [[0, 6]]), ("mpc", [[9.25, 11], [22, 2]])]
)
def test_a_days_budget_is_spent_in_its_hours(agent: str, hours: list[list[float]], tmp_path: Path) -> None:
    clock = ManualClock(20_000 * DAY)
    entry = {"name": "c", "campaign": {"budget": 10.0}, "flight": {"start": "2020-01-01", "hours": hours}}
    (tmp_path / "campaigns.json").write_text(json.dumps([entry]))
    config = ServeConfig(
        bundle=write_controller_bundle(tmp_path / "bundle", agent),
        state=tmp_path / "state",
        campaigns=tmp_path / "campaigns.json",
        guardrails=GuardrailConfig(slot_share=1.0, patience=10.0),
    )
    with open_bidder(config, clock) as bidder:
        spent, _ = replay(bidder, recorded_day(3), clock)
        day = bidder.days["c"]
        stored = bidder.desk.state.slots(day.account, day.collector.totals())
        share = open_share(tuple((a, b) for a, b in hours), 48)
        assert all(totals.wins[0] == totals.auctions[0] == 0 for slot, totals in stored.items() if share[slot] == 0)
        assert bidder.reasons["not_in_flight"] > 0
    assert 9.7 < spent <= 10.0

"""Horizons follow each other without a gap, and what a night has planned is found again."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.rebalance.plan_file import Horizon, Night, PlanFile, read_plan, write_plan

START = date(2026, 11, 30)


@given(st.integers(0, 1000), st.integers(1, 31))
def test_a_day_lies_in_one_horizon_and_the_next_day_in_the_same_or_the_next(gone: int, days: int) -> None:
    plan, day = PlanFile(start=START), START + timedelta(gone)
    horizon = plan.horizon(day, days)
    assert horizon.first <= day <= horizon.last
    assert horizon.first + timedelta(horizon.over) == day
    after = plan.horizon(day + timedelta(1), days)
    if day == horizon.last:
        assert after == Horizon(day + timedelta(1), days, 0)
    else:
        assert after == horizon._replace(over=horizon.over + 1)


def test_before_the_first_horizon_there_is_none() -> None:
    with pytest.raises(InvalidConfig, match="begins on 2026-11-30, and 2026-11-29 is to be planned"):
        PlanFile(start=START).horizon(START - timedelta(1), 7)


def test_nights_are_kept_by_day_and_planned_anew(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    assert read_plan(path) is None
    plan = PlanFile(start=START)
    for k, budget in ((1, 10.0), (0, 12.0), (1, 11.0)):
        night = Night(day=START + timedelta(k), inputs="x", budgets={"a": budget, "b": 1.0}, held=2.0)
        plan = plan.with_night(night)
    write_plan(path, plan)
    again = read_plan(path)
    assert again == plan
    assert [night.day for night in plan.nights] == [START, START + timedelta(1)]
    assert plan.planned("a", START, START + timedelta(2)) == {START: 12.0, START + timedelta(1): 11.0}
    assert plan.planned("a", START + timedelta(1), START + timedelta(1)) == {}
    assert plan.planned("nobody", START, START + timedelta(9)) == {}
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_a_plan_that_is_none_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('{"start": "someday"}')
    with pytest.raises(InvalidConfig, match=r"plan\.json cannot be read .* Give another --plan"):
        read_plan(path)
    with pytest.raises(InvalidConfig, match="cannot be written"):
        write_plan(tmp_path / "missing" / "plan.json", PlanFile(start=START))

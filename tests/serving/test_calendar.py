"""Which slot a moment lies in, by the clock on the wall."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.serving.calendar import Calendar, ManualClock, Moment, SteadyClock

HALF_HOURS = Calendar(48)


@pytest.mark.parametrize(
    ("now", "moment"),
    [
        (0.0, Moment(0, 0, 0.0, 1800.0)),
        (1799.9, Moment(0, 0, 0.0, 1800.0)),
        (1800.0, Moment(0, 1, 1800.0, 3600.0)),  # a slot's end belongs to the next
        (86_399.0, Moment(0, 47, 84_600.0, 86_400.0)),
        (86_400.0, Moment(1, 0, 86_400.0, 88_200.0)),
        (-1.0, Moment(-1, 47, -1800.0, 0.0)),
    ],
)
def test_a_day_begins_at_midnight(now: float, moment: Moment) -> None:
    assert HALF_HOURS.at(now) == moment


def test_ahead_of_utc_the_day_begins_earlier() -> None:
    """At 23:00 UTC it is midnight one hour ahead, and at 23:40 the second half-hour has begun."""
    east = Calendar(48, utc_offset=3600.0)
    assert east.at(82_800.0) == Moment(1, 0, 82_800.0, 84_600.0)
    assert east.at(82_799.0) == Moment(0, 47, 81_000.0, 82_800.0)
    assert east.at(85_200.0).slot == 1


def test_a_day_has_its_date() -> None:
    now = datetime(2026, 2, 28, 23, 59, tzinfo=UTC).timestamp()
    assert HALF_HOURS.at(now).date == "2026-02-28"
    assert HALF_HOURS.at(now + 60).date == "2026-03-01"
    assert HALF_HOURS.at(0.0).date == "1970-01-01"


def test_a_clock_moved_by_hand_never_runs_backwards() -> None:
    clock = ManualClock(5.0)
    clock.move(7.0)
    clock.move(6.0)
    assert clock() == 7.0


@pytest.mark.parametrize("slots", [1, 24, 48, 96])
@pytest.mark.parametrize("offset", [0.0, 3600.0, -12_600.0])
def test_a_slot_has_ended_when_the_next_begins(slots: int, offset: float) -> None:
    calendar = Calendar(slots, offset)
    for now in (0.0, 86_399.0, 1_700_000_000.0, -5.0):
        moment = calendar.at(now)
        assert calendar.ended(moment.date, moment.slot) == pytest.approx(moment.end, abs=1e-5)


class Wall:
    """A wall clock that is set by hand, back too."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@given(
    steps=st.lists(
        st.one_of(st.floats(0, 100), st.floats(-1e5, -0.02), st.sampled_from([-86_400.0, -3600.0, 3600.0, 1e6])),
        max_size=40,
    )
)
def test_a_steady_clock_never_goes_back_and_tells_all_that_the_wall_went_back(steps: list[float]) -> None:
    wall = Wall(1e9)
    clock = SteadyClock(wall)
    before, back, told = clock(), 0.0, 0.0
    for step in steps:
        wall.now += step
        back += max(-step, 0.0)
        now = clock()
        assert before <= now
        assert now >= wall.now  # it is never behind
        assert step < 0 or now - before <= step + 1e-6  # nor does it run faster than the wall
        told += clock.went_back()
        before = now
    assert told == pytest.approx(back, abs=1e-3)
    assert clock.went_back() == 0.0


def test_a_steady_clock_is_the_wall_unless_that_goes_back() -> None:
    wall = Wall(100.0)
    clock = SteadyClock(wall)
    for now in (100.0, 100.5, 7000.0, 1e9):
        wall.now = now
        assert clock() == now


def test_a_steady_clock_comes_back_to_the_wall_at_half_speed() -> None:
    """A minute back: it stands a minute ahead, and two minutes later it is the wall's again."""
    wall = Wall(1000.0)
    clock = SteadyClock(wall)
    wall.now = 940.0
    assert (clock(), clock.ahead) == (1000.0, 60.0)
    wall.now = 1000.0
    assert (clock(), clock.ahead) == (1030.0, 30.0)
    wall.now = 1060.0
    assert (clock(), clock.ahead) == (1060.0, 0.0)
    wall.now = 1061.0
    assert clock() == 1061.0


def test_threads_that_ask_at_once_are_no_step_back() -> None:
    """Each reads the wall a moment before or after the other: nothing has gone back."""
    clock = SteadyClock(time.time)

    def ask() -> bool:
        answers = [clock() for _ in range(20_000)]
        return answers == sorted(answers)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ask(), range(4)))
    assert clock.went_back() == 0.0
    assert clock.ahead == 0.0


@given(steps=st.lists(st.floats(-0.0099, 0.0099), max_size=30))
def test_a_wall_that_trembles_stands_still_at_most(steps: list[float]) -> None:
    wall = Wall(1e6)
    clock = SteadyClock(wall)
    before = clock()
    for step in steps:
        wall.now += step
        now = clock()
        assert now >= before
        before = now

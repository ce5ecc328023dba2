"""Which slot a moment lies in, by the clock on the wall."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.serving.calendar import Calendar, ManualClock, Moment, SteadyClock

HALF_HOURS = Calendar(48)
ZONES = ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Asia/Kathmandu")


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
    east = Calendar(48, timezone(timedelta(hours=1)))
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
    calendar = Calendar(slots, timezone(timedelta(seconds=offset)))
    for now in (0.0, 86_399.0, 1_700_000_000.0, -5.0):
        moment = calendar.at(now)
        assert calendar.ended(moment.date, moment.slot) == pytest.approx(moment.end, abs=1e-5)


@given(
    zone=st.sampled_from(ZONES),
    slots=st.sampled_from([1, 24, 48, 96]),
    now=st.floats(1_500_000_000, 2_000_000_000),
)
def test_slots_follow_each_other_without_a_gap_and_show_the_walls_time(zone: str, slots: int, now: float) -> None:
    calendar = Calendar(slots, ZoneInfo(zone))
    moment = calendar.at(now)
    assert moment.start <= now < moment.end
    after = calendar.after(moment)
    assert after.start == moment.end
    last = moment.slot == slots - 1
    assert (after.day, after.slot) == ((moment.day + 1, 0) if last else (moment.day, moment.slot + 1))
    assert calendar.ended(moment.date, moment.slot) == moment.end
    if not moment.odd(slots):
        wall = datetime.fromtimestamp(now, ZoneInfo(zone))
        shown = (wall.hour * 60 + wall.minute) * 60 + wall.second + wall.microsecond / 1e6
        assert moment.date == wall.date().isoformat()
        assert (moment.slot + moment.passed(now)) / slots * 86_400 == pytest.approx(shown, abs=1e-3)


@pytest.mark.parametrize(
    ("zone", "date", "hours", "odd"),
    [
        ("Europe/Berlin", "2026-03-29", 23, {4: 0, 5: 0}),
        ("Europe/Berlin", "2026-10-25", 25, {4: 60, 5: 60}),
        ("Africa/Cairo", "2026-04-24", 23, {0: 0, 1: 0}),  # 0:00 is not shown
        ("Africa/Cairo", "2026-10-29", 25, {46: 60, 47: 60}),  # 23:00 to 24:00 twice
        ("America/Havana", "2026-11-01", 25, {0: 60, 1: 60}),
        ("Australia/Lord_Howe", "2026-04-05", 24.5, {3: 60}),  # half an hour
        ("America/St_Johns", "2008-11-02", 25, {0: 90}),  # from 0:01 back to 23:01
        ("Asia/Shanghai", "2026-03-29", 24, {}),
        ("Pacific/Apia", "2011-12-30", 0, dict.fromkeys(range(48), 0)),  # a day that never was
    ],
)
def test_days_on_which_the_clock_is_put(zone: str, date: str, hours: float, odd: dict[int, int]) -> None:
    """The slots of an hour that is skipped have no time, those of one that is shown twice have it all."""
    calendar = Calendar(48, ZoneInfo(zone))
    begin = datetime.fromisoformat(date).replace(tzinfo=ZoneInfo(zone)).timestamp()
    ends = [calendar.ended(date, slot) for slot in range(48)]
    minutes = np.diff([begin, *ends]) / 60
    assert {slot: m for slot, m in enumerate(minutes) if abs(m - 30) > 1e-6} == odd
    assert ends[-1] - begin == hours * 3600
    before = calendar.at(begin - 7200)
    for now in np.arange(begin - 7200, ends[-1] + 7200, 61.0):
        moment = calendar.at(float(now))
        assert (moment.day, moment.slot) >= (before.day, before.slot)
        assert moment.start <= now < moment.end
        before = moment


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

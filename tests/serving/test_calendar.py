"""Which slot a moment lies in, by the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bidpilot.serving.calendar import Calendar, ManualClock, Moment

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

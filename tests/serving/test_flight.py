"""A flight: a campaign bids on its days and in its hours by its own calendar, and its days together keep the total."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidCampaign
from bidpilot.serving.calendar import Calendar
from bidpilot.serving.flight import MOST_DAYS, Flight
from bidpilot.serving.ledger.store import MICRO

Time = tuple[int, int]  # hour and minute
HALF_HOURS = Calendar(48)
FIRST = date(2026, 12, 1)  # a Tuesday
OFFSETS = st.sampled_from([-12.0, -3.5, 0.0, 1.0, 5.75, 14.0])


def closed(flight: Flight, at: datetime, offset: float = 0.0) -> bool:
    """At a moment, for a campaign whose day begins `offset` hours ahead of UTC's."""
    now = at.timestamp()
    return flight.closed(Calendar(48, timezone(timedelta(hours=offset))).at(now), now, 48)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def test_it_bids_from_its_first_days_midnight_to_its_last_days() -> None:
    flight = Flight(start=FIRST, end=date(2026, 12, 3))
    assert closed(flight, utc(2026, 11, 30, 23, 59, 59))
    assert not closed(flight, utc(2026, 12, 1))
    assert not closed(flight, utc(2026, 12, 3, 23, 59, 59))
    assert closed(flight, utc(2026, 12, 4))
    assert not closed(Flight(start=FIRST), utc(2036, 12, 4))


def test_midnight_is_that_of_the_campaigns_own_time_zone() -> None:
    """In Auckland (13 hours ahead in December) the 1st has begun at 11:00 UTC of the 30th."""
    flight = Flight(start=FIRST, end=FIRST)
    assert closed(flight, utc(2026, 11, 30, 10, 59), 13.0)
    assert not closed(flight, utc(2026, 11, 30, 11), 13.0)
    assert closed(flight, utc(2026, 12, 1, 11), 13.0)
    assert not closed(flight, utc(2026, 12, 2, 4, 59), -5.0)


@given(st.integers(0, 400), st.sets(st.sampled_from(["monday", "thursday", "saturday", "sunday"])), OFFSETS)
def test_it_rests_on_weekdays_by_the_wall_calendar(days: int, off: set[str], offset: float) -> None:
    flight = Flight.model_validate({"start": "2026-01-01", "days_off": sorted(off)})
    day = date(2026, 1, 1) + timedelta(days)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - timedelta(hours=offset)
    assert closed(flight, noon, offset) == (day.strftime("%A").lower() in off)


def test_it_rests_on_a_date_all_day_and_on_no_other() -> None:
    flight = Flight(start=FIRST, days_off=(date(2026, 12, 25), "sunday"))
    assert closed(flight, utc(2026, 12, 25))
    assert closed(flight, utc(2026, 12, 25, 23, 59, 59))
    assert not closed(flight, utc(2026, 12, 24, 23, 59, 59))
    assert not closed(flight, utc(2026, 12, 26))
    assert closed(flight, utc(2026, 12, 27, 12))


@pytest.mark.parametrize(
    ("hours", "open_at", "closed_at"),
    [
        (((8.0, 20.0),), [(8, 0), (12, 0), (19, 59)], [(0, 0), (7, 59), (20, 0)]),
        (((22.0, 2.0),), [(22, 0), (23, 59), (0, 0), (1, 59)], [(2, 0), (21, 59)]),
        (((6.5, 9.0), (17.0, 24.0)), [(6, 30), (8, 59), (23, 59)], [(6, 29), (9, 0), (16, 59), (0, 0)]),
    ],
)
@pytest.mark.parametrize("offset", [-8.0, 0.0, 5.5])
def test_it_bids_in_its_hours_by_the_clock_on_its_wall(
    hours: tuple[tuple[float, float], ...],
    open_at: list[tuple[int, int]],
    closed_at: list[tuple[int, int]],
    offset: float,
) -> None:
    flight = Flight(start=FIRST, hours=hours)
    for moments, expected in ((open_at, False), (closed_at, True)):
        for hour, minute in moments:
            assert closed(flight, utc(2026, 12, 8, hour, minute) - timedelta(hours=offset), offset) is expected


@given(st.floats(0, 86_400, exclude_max=True), st.sampled_from([1, 24, 48, 96]))
def test_slots_make_no_difference_to_its_hours(second: float, slots: int) -> None:
    flight = Flight(start=date(1970, 1, 1), hours=((9.25, 17.75),))
    assert flight.closed(Calendar(slots).at(second), second, slots) == (not 9.25 * 3600 <= second < 17.75 * 3600)


def test_days_that_are_over_are_those_of_the_flight_alone() -> None:
    flight = Flight(start=FIRST, end=date(2026, 12, 10), total=5.0)
    first = day_number(FIRST)
    assert list(flight.before(first - 5)) == list(flight.before(first)) == []
    assert list(flight.before(first + 2)) == [first, first + 1]
    assert len(flight.before(first + 50)) == 10


@given(
    total=st.integers(1, 10**9),
    days=st.lists(st.tuples(st.integers(1, 10**9), st.floats(0, 1)), min_size=1, max_size=60),
    off=st.sets(st.sampled_from(["monday", "friday"])),
)
def test_days_that_each_keep_what_they_are_allowed_never_pass_the_total(
    total: int, days: list[tuple[int, float]], off: set[str]
) -> None:
    """Whatever the day's budgets are, and whatever share of what is allowed each day spends."""
    flight = Flight.model_validate(
        {"start": FIRST, "end": FIRST + timedelta(59), "total": total / MICRO, "days_off": sorted(off)}
    )
    spent = 0
    for k, (budget, share) in enumerate(days):
        day = day_number(FIRST) + k
        allowed = flight.allows(day, budget, spent)
        assert 0 <= allowed <= budget
        assert allowed == 0 or flight.bids_on(day)
        spent += int(share * allowed)
    assert spent <= total


def test_a_total_is_spent_to_the_last_micro_unit() -> None:
    """A total of 100 at 40 a day is 40, 40 and 20; a debt beyond it leaves nothing, not less."""
    flight = Flight(start=FIRST, end=date(2026, 12, 31), total=100.0)
    day = day_number(FIRST)
    daily = [flight.allows(day + k, 40 * MICRO, spent) for k, spent in enumerate((0, 40 * MICRO, 80 * MICRO))]
    assert [*accumulate(daily)][-1] == 100 * MICRO
    assert daily == [40 * MICRO, 40 * MICRO, 20 * MICRO]
    assert flight.allows(day + 3, 40 * MICRO, 100 * MICRO + 7) == 0
    assert Flight(start=FIRST).allows(day, 40 * MICRO, 10**15) == 40 * MICRO


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"start": "2026-12-02", "end": "2026-12-01"}, "ends on 2026-12-01, before it begins on 2026-12-02"),
        ({"start": "2026-12-02", "total": 5.0}, "total of 5 .* no end"),
        ({"start": "2026-12-02", "end": "2028-12-01", "total": 5.0}, f"within {MOST_DAYS} days"),
        ({"start": "2026-12-02", "end": "2026-12-09", "total": -5.0}, "total must be positive"),
        ({"start": "2026-12-02", "hours": [[9, 9]]}, "hours 9 to 9 are none"),
        ({"start": "2026-12-02", "hours": [[9, 25]]}, "hours 9 to 25 are none"),
        ({"start": "2026-12-02", "hours": [[-1, 5]]}, "hours -1 to 5 are none"),
        ({"start": 20260101}, "20260101 is no date"),
        ({"start": "2.12.2026"}, "is no date"),
        ({"start": "2026-12-02", "days_off": ["someday"]}, "'someday' is no date"),
    ],
)
def test_a_flight_that_cannot_be_says_why(fields: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidCampaign, match=words):
        Flight.model_validate(fields)


@given(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.integers(0, MOST_DAYS - 1),
    st.none() | st.floats(0.01, 1e6),
    st.lists(st.sampled_from(["monday", "sunday"]) | st.dates(date(2020, 1, 1), date(2030, 1, 1)), max_size=4),
    st.lists(st.sampled_from([(0.0, 24.0), (22.5, 1.0), (8.0, 9.0)]), max_size=2),
)
def test_a_flight_that_is_kept_comes_back_as_it_was(
    start: date, days: int, total: float | None, off: list[str | date], hours: list[tuple[float, float]]
) -> None:
    flight = Flight.model_validate(
        {"start": start, "end": start + timedelta(days), "total": total, "days_off": off, "hours": hours}
    )
    assert Flight.model_validate_json(flight.model_dump_json()) == flight

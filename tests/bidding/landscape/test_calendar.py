"""Weekdays, named events and their file: what a calendar expects of a date, and what it refuses."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidCalendar, InvalidLandscape
from bidpilot.bidding.landscape.calendar import (
    FIRST_MONDAY,
    UNDATED,
    CalendarEffects,
    NamedEvent,
    days_since_1970,
    read_events,
    undated,
    weekday_of,
    with_events,
)
from bidpilot.bidding.landscape.forecast import CONVERSION_LEVEL, EXPOSURE_LEVEL, PRICE_LEVEL, TRAFFIC_LEVEL, Forecast

SALE: dict[str, Any] = {"name": "sale", "from": "2026-11-27", "to": "2026-11-30", "traffic": 2.0, "doubt": 0.3}


def sundays_half() -> CalendarEffects:
    weekday = np.zeros((7, 5))
    weekday[6, TRAFFIC_LEVEL] = -1.0
    return CalendarEffects(weekday)


def numbers(*days: str) -> np.ndarray:
    return np.array([days_since_1970(date.fromisoformat(day)) for day in days])


def written(folder: Path, *events: dict[str, Any]) -> Path:
    path = folder / "calendar.json"
    path.write_text(json.dumps(events))
    return path


@pytest.mark.parametrize("day", ["1969-12-28", "1970-01-01", "2026-11-27", "2028-02-29"])
def test_weekdays_are_those_of_the_date(day: str) -> None:
    assert weekday_of(numbers(day))[0] == date.fromisoformat(day).weekday()
    assert weekday_of(np.array([FIRST_MONDAY]))[0] == 0


def test_a_sunday_has_its_own_level_and_an_undated_day_is_the_mean_day() -> None:
    expected = sundays_half().expect(np.append(numbers("2026-11-28", "2026-11-29"), undated(1)))
    np.testing.assert_array_equal(expected.level[:, TRAFFIC_LEVEL], [0.0, -1.0, 0.0])
    assert not expected.variance.any()


def test_events_of_one_day_and_its_weekday_multiply_and_their_doubts_add() -> None:
    sale = NamedEvent.model_validate(SALE)
    push = NamedEvent.model_validate({**SALE, "name": "push", "from": "2026-11-29", "value": 0.5, "doubt": 0.4})
    calendar = with_events(sundays_half(), (sale, push))
    assert calendar is not None
    level, variance = calendar.expect(numbers("2026-11-26", "2026-11-27", "2026-11-29", "2026-12-01"))
    np.testing.assert_allclose(level[:, TRAFFIC_LEVEL], [0.0, 1.0, 1.0 + 1.0 - 1.0, 0.0])
    np.testing.assert_allclose(level[:, CONVERSION_LEVEL], [0.0, 0.0, -1.0, 0.0])
    octaves = math.log(2.0) ** 2
    np.testing.assert_allclose(variance[:, TRAFFIC_LEVEL] * octaves, [0.0, 0.09, 0.09 + 0.16, 0.0])
    np.testing.assert_allclose(variance[:, CONVERSION_LEVEL] * octaves, [0.0, 0.0, 0.16, 0.0])
    assert not level[:, [EXPOSURE_LEVEL, PRICE_LEVEL]].any()
    assert not variance[:, [EXPOSURE_LEVEL, PRICE_LEVEL]].any()


def test_a_calendar_that_says_nothing_is_none() -> None:
    assert with_events(None, ()) is None
    named = with_events(None, (NamedEvent.model_validate(SALE),))
    assert named is not None
    assert with_events(named, ()) is None
    assert with_events(sundays_half(), ()) is not None


def test_the_file_is_read(tmp_path: Path) -> None:
    (event,) = read_events(written(tmp_path, SALE))
    assert (event.name, event.first, event.last) == ("sale", date(2026, 11, 27), date(2026, 11, 30))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"traffic": 0.0}, "0.traffic = 0.0"),
        ({"traffic": None}, "changes nothing"),
        ({"to": "2026-11-01"}, "before it begins"),
        ({"from": "27.11.2026"}, "27.11.2026"),
        ({"doubt": -1}, "0.doubt = -1"),
        ({"factor": 2}, "0.factor"),
    ],
)
def test_an_unusable_event_is_named_with_its_value(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidCalendar, match=said):
        read_events(written(tmp_path, SALE | changes))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"name": "a", "traffic": NaN}]'])
def test_a_file_that_is_no_calendar_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "calendar.json"
    path.write_text(text)
    with pytest.raises(InvalidCalendar, match="Write"):
        read_events(path)
    with pytest.raises(InvalidCalendar, match=r"missing\.json"):
        read_events(tmp_path / "missing.json")


def test_effects_are_finite_and_of_seven_days() -> None:
    for weekday, doubt in (
        (np.zeros((5, 5)), np.zeros((7, 5))),
        (np.full((7, 5), np.nan), np.zeros((7, 5))),
        (np.zeros((7, 5)), np.full((7, 5), -1.0)),
    ):
        with pytest.raises(InvalidLandscape):
            CalendarEffects(weekday, doubt)


def test_a_forecasts_file_keeps_its_calendar_and_one_of_before_has_none(even: Forecast, tmp_path: Path) -> None:
    even.save(tmp_path / "old.npz")
    assert Forecast.load(tmp_path / "old.npz").calendar is None
    made = replace(even, calendar=sundays_half()).with_events((NamedEvent.model_validate(SALE),))
    made.save(tmp_path / "new.npz")
    loaded = Forecast.load(tmp_path / "new.npz")
    assert loaded.calendar is not None
    day = np.append(numbers("2026-11-29", "2026-12-06"), UNDATED)
    for found, kept in zip(loaded.calendar.expect(day), made.calendar.expect(day), strict=True):  # type: ignore[union-attr]
        np.testing.assert_array_equal(found, kept)


def test_without_dates_or_a_calendar_nothing_is_expected(even: Forecast) -> None:
    assert even.expected(np.array([3])) is None
    assert replace(even, calendar=sundays_half()).expected(None) is None

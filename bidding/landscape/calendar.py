"""The calendar of a forecast: by how much weekdays and named events move a day from the mean one.

Days are counted from 1970 in the campaign's own time zone, as `bidpilot.serving.calendar` counts them. Levels are log2
ratios to the forecast of the mean day, in the order of a forecast's history: KPI triple, price, traffic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from bidpilot.bidding.errors import InvalidCalendar, InvalidLandscape

WEEKDAYS: Final = 7
UNDATED: Final = np.iinfo(np.int64).min
"""Stands for the date of a day that has none, among days that have one."""
FIRST_MONDAY: Final = 4
"""Days since 1970 of its first Monday."""
LEVELS: Final = 5
_EPOCH = date(1970, 1, 1).toordinal()
Factor = Annotated[float, Field(ge=0.02, le=50.0, allow_inf_nan=False)]


def days_since_1970(day: date) -> int:
    """The number that a date has here."""
    return day.toordinal() - _EPOCH


def weekday_of(day: NDArray[np.int64]) -> NDArray[np.int64]:
    """Weekday of days since 1970, Monday 0 to Sunday 6."""
    return (day - FIRST_MONDAY) % WEEKDAYS


def undated(rows: int) -> NDArray[np.int64]:
    """Dates (rows,) of days that have none."""
    return np.full(rows, UNDATED)


class NamedEvent(BaseModel):
    """Days on which something is known to happen: a sale, a holiday, a push that is planned."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Field(min_length=1, description="what the event is called")
    first: date = Field(alias="from", description="its first day, YYYY-MM-DD")
    last: date = Field(alias="to", description="its last day, YYYY-MM-DD")
    traffic: Factor | None = Field(None, description="expected factor on auctions, 1: as without it")
    value: Factor | None = Field(None, description="expected factor on interactions and conversions per auction")
    price: Factor | None = Field(None, description="expected factor on market prices")
    doubt: float = Field(
        0.2,
        ge=0,
        le=2,
        allow_inf_nan=False,
        description="standard deviation of the natural log of each factor given: 0.2 is about 20 %",
    )

    @model_validator(mode="after")
    def _says_something(self) -> NamedEvent:
        if self.last < self.first:
            raise ValueError(f"{self.name} ends on {self.last}, before it begins on {self.first}: swap from and to")
        if self.traffic is None and self.value is None and self.price is None:
            raise ValueError(f"{self.name} changes nothing: give a factor on traffic, value or price")
        return self

    def covers(self, day: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the days since 1970 are its own."""
        covered: NDArray[np.bool_] = (day >= days_since_1970(self.first)) & (day <= days_since_1970(self.last))
        return covered

    @property
    def level(self) -> NDArray[np.float64]:
        """(5,) expected log2 levels; exposure stays as it is."""
        factors = 1.0, self.value or 1.0, self.value or 1.0, self.price or 1.0, self.traffic or 1.0
        level: NDArray[np.float64] = np.log2(np.array(factors))
        return level

    @property
    def variance(self) -> NDArray[np.float64]:
        """(5,) of these levels, octaves squared; 0 where no factor is given."""
        given = np.array([factor is not None for factor in (self.value, self.value, self.price, self.traffic)])
        return np.append(0.0, given * (self.doubt / math.log(2.0)) ** 2)


_EVENTS = TypeAdapter(tuple[NamedEvent, ...])


def read_events(path: Path) -> tuple[NamedEvent, ...]:
    """The named events of a calendar file, a JSON list.

    Raises:
        InvalidCalendar: it cannot be read, or an event is not what `NamedEvent` says.
    """
    try:
        return _EVENTS.validate_json(Path(path).read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error) if isinstance(error, OSError) else _explain(error)
        raise InvalidCalendar(
            f'{path} is no calendar ({reason}). Write [{{"name": "sale", "from": "2026-11-27", "to": "2026-11-30", '
            '"traffic": 1.5, "doubt": 0.2}].'
        ) from error


def _explain(error: ValidationError) -> str:
    """What is wrong where, on one line."""
    parts = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"])
        value = "" if isinstance(item["input"], (dict, bytes, NamedEvent)) else f" = {item['input']!r}"
        parts.append(f"{where}{value}: {item['msg'].removeprefix('Value error, ')}" if where else item["msg"])
    return "; ".join(parts)


class Expected(NamedTuple):
    """What is expected of B days, and how far each may be from that beyond what days differ by anyway."""

    level: NDArray[np.float64]  # (B, 5) log2 against the mean day's forecast
    variance: NDArray[np.float64]  # (B, 5) octaves squared


@dataclass(frozen=True)
class CalendarEffects:
    """Effects of weekdays, fitted on training days, and the events that were named."""

    weekday: NDArray[np.float64] = field(default_factory=lambda: np.zeros((WEEKDAYS, LEVELS)))  # (7, 5) log2, Monday on
    doubt: NDArray[np.float64] = field(default_factory=lambda: np.zeros((WEEKDAYS, LEVELS)))  # (7, 5) their variance
    events: tuple[NamedEvent, ...] = ()

    def __post_init__(self) -> None:
        for name, array in (("weekday", self.weekday), ("doubt", self.doubt)):
            if array.shape != (WEEKDAYS, LEVELS) or not np.isfinite(array).all():
                raise InvalidLandscape(
                    f"{name} effects of a calendar are finite numbers by weekday and level, (7, 5); got {array.shape}."
                )
        if (self.doubt < 0).any():
            raise InvalidLandscape(f"the variance of a weekday's effect is >= 0; got {self.doubt.min()}.")

    def expect(self, day: NDArray[np.int64]) -> Expected:
        """What is expected of days since 1970 (B,); of undated ones nothing but the mean day."""
        dated = (day != UNDATED)[:, None]
        of = weekday_of(np.where(dated[:, 0], day, 0))
        level, variance = np.where(dated, self.weekday[of], 0.0), np.where(dated, self.doubt[of], 0.0)
        for event in self.events:
            on = event.covers(day)[:, None]
            level += on * event.level
            variance += on * event.variance
        return Expected(level, variance)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What a file keeps of it."""
        return {
            "calendar_weekday": self.weekday,
            "calendar_doubt": self.doubt,
            "calendar_events": np.array(_EVENTS.dump_json(self.events, by_alias=True).decode()),
        }

    @classmethod
    def of_arrays(cls, weekday: NDArray[np.float64], doubt: NDArray[np.float64], events: str) -> CalendarEffects:
        """From what `arrays` gave.

        Raises:
            InvalidLandscape, ValueError: these cannot be that.
        """
        return cls(weekday, doubt, _EVENTS.validate_json(events))


def with_events(calendar: CalendarEffects | None, events: Sequence[NamedEvent]) -> CalendarEffects | None:
    """The calendar with these events in place of its own; None where it then says nothing."""
    weekday = CalendarEffects() if calendar is None else calendar
    if not events and not weekday.weekday.any():
        return None
    return CalendarEffects(weekday.weekday, weekday.doubt, tuple(events))

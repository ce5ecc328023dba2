"""A campaign's flight: the days and hours in which it bids, and what it may spend over all of them."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bidpilot.bidding.campaign.amounts import Positive
from bidpilot.bidding.errors import InvalidFlight
from bidpilot.serving.calendar import Moment
from bidpilot.serving.ledger.store import MICRO

MOST_DAYS = 366
"""Days of a flight with a total: so far back accounts are added up."""
_EPOCH = date(1970, 1, 1).toordinal()
_HOURS = 24.0
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def _hours(value: tuple[float, float]) -> tuple[float, float]:
    begin, end = value
    if not (0 <= begin < _HOURS and 0 < end <= _HOURS and begin != end):
        raise InvalidFlight(
            f"hours {begin:g} to {end:g} are none of a day. Give [from, to] between 0 and 24; [22, 6] is over midnight."
        )
    return value


def _date(value: Any) -> Any:
    """Dates are written YYYY-MM-DD: pydantic alone would take a number for seconds."""
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidFlight(f"{value!r} is no date. Write YYYY-MM-DD.") from None


def _off(value: Any) -> Any:
    return value if value in _WEEKDAYS else _date(value)


Date = Annotated[date, BeforeValidator(_date)]
Hours = Annotated[tuple[float, float], AfterValidator(_hours)]


class Flight(BaseModel):
    """When a campaign bids, by its own calendar, and its money for all of that time.

    Raises:
        InvalidFlight: it ends before it begins, has hours that are none, or a total without an end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    start: Date = Field(description="first day, YYYY-MM-DD")
    end: Date | None = Field(None, description="last day, YYYY-MM-DD; none: it goes on")
    total: Positive | None = Field(None, description="most that may be spent over all days, currency; none: no limit")
    days_off: tuple[Annotated[Weekday | date, BeforeValidator(_off)], ...] = Field(
        (), description="weekdays and dates on which it does not bid"
    )
    hours: tuple[Hours, ...] = Field((), description="hours of the day in which it bids, [from, to); none: all")

    @model_validator(mode="after")
    def _fits(self) -> Flight:
        if self.end is not None and self.end < self.start:
            raise InvalidFlight(f"the flight ends on {self.end}, before it begins on {self.start}. Turn them round.")
        if self.total is not None and (self.end is None or (self.end - self.start).days >= MOST_DAYS):
            raise InvalidFlight(
                f"a total of {self.total:g} is of a flight from {self.start} to {self.end or 'no end'}. Give an end, "
                f"within {MOST_DAYS} days, or no total."
            )
        return self

    def bids_on(self, day: int) -> bool:
        """Whether it bids on a day, in days since 1970 in the campaign's own time zone."""
        weekday = (day + 3) % 7  # 1970 began on a Thursday
        return self._first <= day <= self._last and day not in self._dates_off and weekday not in self._weekdays_off

    def closed(self, moment: Moment, now: float, slots: int) -> bool:
        """Whether it does not bid at `now`, seconds since 1970, UTC, which lies in the slot `moment` of `slots` a day.

        Hours are the slots', which on a day whose clock is put back last longer than the wall's.
        """
        if not self.bids_on(moment.day):
            return True
        if not self.hours:
            return False
        hour = (moment.slot + moment.passed(now)) / slots * _HOURS
        return not any(a <= hour < b if a < b else hour >= a or hour < b for a, b in self.hours)

    def before(self, day: int) -> range:
        """Days of the flight that are over when `day` begins, days since 1970."""
        return range(self._first, max(min(day, self._last + 1), self._first))

    def allows(self, day: int, budget: int, spent: int) -> int:
        """What may be spent on `day` of a day's `budget`, `spent` being gone on earlier days; micro-units.

        Nothing on a day off, and never more than what is left of the total.
        """
        if not self.bids_on(day):
            return 0
        return budget if self.total is None else min(budget, max(int(self.total * MICRO) - spent, 0))

    @cached_property
    def _first(self) -> int:
        return self.start.toordinal() - _EPOCH

    @cached_property
    def _last(self) -> int:
        return (date.max if self.end is None else self.end).toordinal() - _EPOCH

    @cached_property
    def _dates_off(self) -> frozenset[int]:
        return frozenset(off.toordinal() - _EPOCH for off in self.days_off if isinstance(off, date))

    @cached_property
    def _weekdays_off(self) -> frozenset[int]:
        return frozenset(_WEEKDAYS.index(off) for off in self.days_off if not isinstance(off, date))

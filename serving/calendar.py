"""Which day and which slot a moment lies in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

DAY = 86_400.0
_EPOCH = date(1970, 1, 1).toordinal()
Clock = Callable[[], float]
"""Seconds since 1970, UTC."""


@dataclass(frozen=True)
class Moment:
    """A slot of a day."""

    day: int  # days since 1970 in the campaign's own time zone
    slot: int
    start: float  # seconds since 1970, UTC
    end: float  # seconds since 1970, UTC; belongs to the next slot

    @property
    def date(self) -> str:
        """ISO 8601 date of the day."""
        return self.date_before(0)

    def date_before(self, days: int) -> str:
        """ISO 8601 date of so many days before."""
        return date.fromordinal(_EPOCH + self.day - days).isoformat()


@dataclass(frozen=True)
class Calendar:
    """Days of `slots` equal slots that begin at midnight, `utc_offset` seconds ahead of UTC."""

    slots: int
    utc_offset: float = 0.0

    def at(self, now: float) -> Moment:
        """The slot that `now` (seconds since 1970, UTC) lies in."""
        local = now + self.utc_offset
        day = math.floor(local / DAY)
        length = DAY / self.slots
        slot = min(int((local - day * DAY) / length), self.slots - 1)
        start = day * DAY - self.utc_offset + slot * length
        return Moment(day, slot, start, start + length)


class ManualClock:
    """A clock that is moved by hand: for replays and tests. It never runs backwards."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def __call__(self) -> float:
        """The time it was last moved to."""
        return self._now

    def move(self, now: float) -> None:
        """Move to `now`, or stay where that is in the past."""
        self._now = max(self._now, now)

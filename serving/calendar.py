"""Which day and which slot a moment lies in."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

DAY = 86_400.0
_THREADS = 0.01  # seconds that the wall may seem to go back by where two threads ask at once
_EPOCH = date(1970, 1, 1).toordinal()
Clock = Callable[[], float]
"""Seconds since 1970, UTC."""


def date_of(day: int) -> date:
    """The date of a day, in days since 1970."""
    return date.fromordinal(_EPOCH + day)


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
        return date_of(self.day - days).isoformat()


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

    def ended(self, day: str, slot: int) -> float:
        """When a slot of an ISO 8601 date ends, seconds since 1970, UTC.

        Raises:
            ValueError: that is no date.
        """
        return (date.fromisoformat(day).toordinal() - _EPOCH + (slot + 1) / self.slots) * DAY - self.utc_offset


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


class SteadyClock:
    """The wall's clock without its steps back: reservations, leases and days go by it.

    Where the wall goes back, this one goes on from where it was, at half speed until the wall has caught up, so that
    leases are renewed in time and a day that has begun is not begun again. Steps ahead are followed at once.
    """

    def __init__(self, wall: Clock) -> None:
        self._wall, self._lock = wall, threading.Lock()
        self._last = wall()  # as the wall had it
        self._ahead = 0.0  # seconds that this clock is ahead of the wall
        self._back = 0.0

    def __call__(self) -> float:
        """The time; never before an answer given earlier."""
        now = self._wall()
        if now >= self._last and not self._ahead:
            self._last = now
            return now
        return self._behind()

    def _behind(self) -> float:
        with self._lock:
            now = self._wall()  # again: another thread may have asked since
            passed = now - self._last
            if -_THREADS < passed < 0:
                return self._last + self._ahead
            self._last = now
            if passed < 0:
                self._ahead -= passed
                self._back -= passed
            else:
                self._ahead = max(self._ahead - passed / 2, 0.0)
            return now + self._ahead

    @property
    def ahead(self) -> float:
        """Seconds that this clock is ahead of the wall."""
        return self._ahead

    def went_back(self) -> float:
        """Seconds that the wall has gone back since this was asked last."""
        back, self._back = self._back, 0.0
        return back

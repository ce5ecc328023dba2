"""Which day and which slot a moment lies in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo

import numpy as np
from numpy.typing import NDArray

DAY = 86_400.0
_THREADS = 0.01  # seconds that the wall may seem to go back by where two threads ask at once
_KEPT = 4  # days whose slots a calendar remembers
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

    def odd(self, slots: int) -> bool:
        """Whether the clock is put in it, so that it is shorter or longer than others of a day of so many slots."""
        return abs(self.end - self.start - DAY / slots) > 1.0

    def passed(self, now: float) -> float:
        """The share of the slot that is over at `now`, in [0, 1]; all of one that the clock skips."""
        return min(max((now - self.start) / (self.end - self.start), 0.0), 1.0) if self.end > self.start else 1.0


class Calendar:
    """Days of `slots` slots, equal by the clock on the wall, that begin at midnight in a time zone.

    On a day of 23 hours the slots of the hour that the clock skips have no time at all. On one of 25 hours those of the
    hour that it repeats take twice theirs, and so bring as many auctions as the same slots of a log, where both hours
    are one. No moment is of an earlier slot or day than one before it.

    Args:
        slots: T.
        zone: of the days.
    """

    def __init__(self, slots: int, zone: tzinfo = UTC) -> None:
        self.slots, self.zone = slots, zone
        self._days: dict[int, NDArray[np.float64]] = {}

    def at(self, now: float) -> Moment:
        """The slot that `now` (seconds since 1970, UTC) lies in."""
        day = datetime.fromtimestamp(now, self.zone).toordinal() - _EPOCH
        while now >= self._midnight(day + 1):  # a clock put back at midnight shows yesterday's date once more
            day += 1
        starts = self._starts(day)
        return self._moment(day, min(int(np.searchsorted(starts, now, "right")), self.slots) - 1)

    def after(self, moment: Moment) -> Moment:
        """The next slot, which may be one that has no time."""
        return self._moment(moment.day, moment.slot + 1) if moment.slot + 1 < self.slots else self.at(moment.end)

    def ended(self, day: str, slot: int) -> float:
        """When a slot of an ISO 8601 date ends, seconds since 1970, UTC.

        Raises:
            ValueError: that is no date.
        """
        return float(self._starts(date.fromisoformat(day).toordinal() - _EPOCH)[slot + 1])

    def passed(self, moment: Moment, now: float) -> float:
        """The share of the day's time by the wall's clock that is over at `now`, which lies in the slot `moment`."""
        return (moment.slot + moment.passed(now)) / self.slots

    def offset(self, now: float) -> float:
        """Seconds that the wall's clock is ahead of UTC."""
        offset = datetime.fromtimestamp(now, self.zone).utcoffset()
        assert offset is not None
        return offset.total_seconds()

    def _moment(self, day: int, slot: int) -> Moment:
        starts = self._starts(day)
        return Moment(day, slot, float(starts[slot]), float(starts[slot + 1]))

    def _midnight(self, day: int) -> float:
        """When a day begins; where the clock skips midnight or shows it twice: then, and the first time."""
        return datetime.combine(date_of(day), time.min, self.zone).timestamp()

    def _starts(self, day: int) -> NDArray[np.float64]:
        """When the slots of a day begin, seconds since 1970, and when the last one ends, (T + 1,)."""
        if day not in self._days:
            while len(self._days) >= _KEPT:
                del self._days[next(iter(self._days))]
            self._days[day] = self._cut(day)
        return self._days[day]

    def _cut(self, day: int) -> NDArray[np.float64]:
        begin, end = self._midnight(day), self._midnight(day + 1)
        wall = np.arange(self.slots + 1) * (DAY / self.slots)  # since midnight, as the clock shows it
        skipped = DAY - (end - begin)
        if not skipped:
            return np.asarray(begin + wall, np.float64)
        turn = self._turn(begin, end, (day + 1) * DAY - end) - begin
        if skipped > 0:
            return np.asarray(begin + np.where(wall <= turn, wall, np.maximum(wall - skipped, turn)), np.float64)
        first = max(turn + skipped, 0.0)  # of the day the clock shows `first` .. `turn` twice
        return np.asarray(begin + wall - np.clip((wall - first) / (turn - first), 0.0, 1.0) * skipped, np.float64)

    def _turn(self, begin: float, end: float, ahead: float) -> float:
        """When the clock is put, to the second: from then on it is `ahead` seconds ahead of UTC."""
        low, high = int(begin) - 1, int(end)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.offset(middle) == ahead else (middle, high)
        return float(high)


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

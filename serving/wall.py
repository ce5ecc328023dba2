"""One clock on the wall, by which the campaigns of a time zone go from slot to slot and from day to day."""

from __future__ import annotations

from bidpilot.serving.calendar import Calendar, Moment
from bidpilot.serving.tomorrow import Tomorrow


class Wall:
    """Where a time zone stands.

    Args:
        calendar: its days and slots.
        now: seconds since 1970, UTC.
        tomorrow: prepares its days to come.
    """

    def __init__(self, calendar: Calendar, now: float, tomorrow: Tomorrow) -> None:
        self.calendar, self.tomorrow = calendar, tomorrow
        self.moment: Moment = calendar.at(now)

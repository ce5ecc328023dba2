"""What goes wrong where nobody is asked: a clock that goes back, rows of the decision log that are lost."""

from __future__ import annotations

from bidpilot.serving.calendar import SteadyClock
from bidpilot.serving.days import Days
from bidpilot.serving.decision_log import DecisionLog
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import Cause, EventLog


class Noticing:
    """Tells of it as events.

    Args:
        desk: what the campaigns share.
        days: their running days.
        decisions: where auctions are logged, or None.
        events: where events are counted.
    """

    def __init__(self, desk: Desk, days: Days, decisions: DecisionLog | None, events: EventLog) -> None:
        self._desk, self._days, self._decisions, self._events = desk, days, decisions, events
        self._lost = 0

    def look_back(self) -> None:
        """Say so where the clock lies before what was stored last of a campaign: its day is the clock's all the same.

        Raises:
            LedgerUnavailable: what is stored cannot be read.
        """
        now, stored = self._desk.clock(), self._desk.state.last()
        ended = {
            name: self._days.calendar_of(name).ended(*last)
            for name, last in stored.items()
            if name in self._days.running
        }
        if not ended or (back := max(ended.values()) - now) <= 0:
            return
        name = max(ended, key=ended.__getitem__)
        (date, slot), moment = stored[name], self._days.moment_of(name)
        self._events.record(
            Cause.clock_back,
            f"the clock is {back:.0f} s before the end of the last slot that was stored ({name}: {date}, slot {slot}): "
            f"bids are of {moment.date}, slot {moment.slot}, and of what that day has left. Set the clock where it is "
            "wrong.",
        )

    def tend(self) -> None:
        """Look again; call it often."""
        clock = self._desk.clock
        if isinstance(clock, SteadyClock) and (back := clock.went_back()):
            detail = (
                f"the wall went back by {back:.3f} s; bids and days go by a clock that is {clock.ahead:.3f} s ahead"
            )
            self._events.record(Cause.clock_back, f"{detail} and slows down until it is not")
        lost = 0 if self._decisions is None else self._decisions.lost + self._decisions.lost_outcomes
        if lost > self._lost:
            self._events.record(Cause.decisions_lost, f"{lost - self._lost} rows could not be written")
            self._lost = lost

"""Trial by trial: what a search has found, and how long the rest of it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from rich.console import Console

_MINUTES_FROM: Final = 90.0  # seconds that are told in minutes


class TrialProgress:
    """Prints a line per trial: its value, the best so far, the time left of the search, and which search it is of all.

    Args:
        console: where.
        searches: how many there are to be.
        trials: of each.
        clock: seconds.
    """

    def __init__(
        self, console: Console, searches: int, trials: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._console, self._searches, self._trials, self._clock = console, searches, trials, clock
        self._search, self._name, self._each = 0, "", True
        self._best: float | None = None
        self._from, self._began = 0, 0.0

    def begin(self, name: str, done: int, best: float | None, each: bool) -> None:
        """A search begins; `done` of its trials are known from before, the best of them with the value `best`.

        Where not `each` trial is told, the last one is.
        """
        self._search += 1
        self._name, self._best, self._each = name, best, each
        self._from, self._began = done, self._clock()

    def scored(self, place: int, value: float) -> None:
        """The trial of this place, from 0, was scored: interquartile mean of R / R*."""
        new = self._best is None or value > self._best
        self._best = value if self._best is None else max(value, self._best)
        last = place + 1 == self._trials
        if not (self._each or last):
            return
        best = "the best so far" if new else f"best so far {self._best:.4f}"
        self._console.print(
            f"search {self._search}/{self._searches}, {self._name}, trial {place + 1}/{self._trials}: R / R* "
            f"{value:.4f}, {best}" + ("" if last else f", {self._left(place)} left"),
            soft_wrap=True,
        )

    def _left(self, place: int) -> str:
        """The time that the trials to come take, as long as those that were played."""
        each = (self._clock() - self._began) / (place + 1 - self._from)
        seconds = each * (self._trials - place - 1)
        return f"{seconds / 60:.0f} min" if seconds >= _MINUTES_FROM else f"{seconds:.0f} s"

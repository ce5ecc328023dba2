"""Work in small steps, one at a turn, so that bids are answered in between."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator
from itertools import count

Steps = Iterator[float | None]
"""A piece of work: it goes on where it yields, at the next turn for None, not before a time for seconds since 1970."""


class Agenda:
    """Pieces of work, each of which goes on by a step when its turn comes."""

    def __init__(self) -> None:
        self.hurried = False
        """Whether what is waited for is not coming any more: work must go on with what it has."""
        self._ready: deque[Steps] = deque()
        self._waiting: list[tuple[float, int, Steps]] = []  # a heap
        self._order = count()

    def __len__(self) -> int:
        """Pieces of work that are not done."""
        return len(self._ready) + len(self._waiting)

    def due(self, now: float) -> bool:
        """Whether there is a step to make."""
        return bool(self._ready) or bool(self._waiting and self._waiting[0][0] <= now)

    def add(self, steps: Steps) -> None:
        """Begin a piece of work, behind the others. What it raises is its own affair."""
        self._ready.append(steps)

    def turn(self, now: float) -> bool:
        """Make one step that is due; False where there is none."""
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        if not self._ready:
            return False
        steps = self._ready.popleft()
        try:
            due = next(steps)
        except StopIteration:
            return True
        if due is None or due <= now:
            self._ready.append(steps)
        else:
            heapq.heappush(self._waiting, (due, next(self._order), steps))
        return True

    def drain(self, now: float) -> None:
        """Make all steps that are due."""
        while self.turn(now):
            pass

    def finish(self) -> None:
        """Bring all work to its end at once, whatever it waits for."""
        self.hurried = True
        try:
            self.drain(math.inf)
        finally:
            self.hurried = False

"""One job done by one worker, and how often each was begun."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, Final

from bidpilot.bidding.errors import BidpilotError

ATTEMPTS: Final = 5
"""How often a job is begun whose worker ends under it, before it is taken for the cause."""

Lost = Callable[[int], None]
"""Told the place of a job whose worker has ended under it, before another worker begins it again."""


class JobLost(BidpilotError):
    """Every worker that began a job has ended under it."""


def attempt(work: Callable[[Any], Any], job: Any) -> tuple[Any, BaseException | None]:
    """The result of a job, or what it raised, ready to be sent; what is printed meanwhile goes nowhere."""
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            return work(job), None
    except Exception as error:
        return None, _sendable(error)


def _sendable(error: Exception) -> Exception:
    """The error itself where it survives being sent; else one of the same words."""
    told = traceback.format_exc()
    if not isinstance(error, BidpilotError):
        error.add_note(f"In a worker:\n{told}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        same = BidpilotError if isinstance(error, BidpilotError) else RuntimeError
        return same(f"{type(error).__name__}: {error}")
    return error


class Queue:
    """Places of jobs that wait, and how often each was begun.

    Args:
        count: of jobs.
        lost: told of every job whose worker has ended.
    """

    def __init__(self, count: int, lost: Lost | None = None) -> None:
        self._waiting = deque(range(count))
        self._begun = [0] * count
        self._lost = lost

    def __len__(self) -> int:
        return len(self._waiting)

    def next(self) -> int:
        """The place of the job to begin now."""
        place = self._waiting.popleft()
        self._begun[place] += 1
        return place

    def again(self, place: int) -> None:
        """The worker that had begun a job has ended; it is begun again before all that wait.

        Raises:
            JobLost: it has been begun often enough.
        """
        if self._lost is not None:
            self._lost(place)
        begun = self._begun[place]
        if begun >= ATTEMPTS:
            raise JobLost(
                f"job {place + 1} was begun {begun} times, and each worker ended under it: killed, or out of memory? "
                "Give fewer --workers, or more memory."
            )
        print(f"a worker ended under job {place + 1}; another begins it again", file=sys.stderr)
        self._waiting.appendleft(place)

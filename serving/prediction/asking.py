"""Asks a predictor in a thread, with a deadline, so that the event loop never waits; and rests where it keeps failing.

One thread makes the calls one after the other: a predictor needs no locks. What is not answered in time is given up,
and dropped unless it has begun. After repeated failures nobody asks for a while, which doubles each time that the trial
after it fails too.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue

from bidpilot.serving.prediction.load import Predictor
from bidpilot.serving.prediction.values import Predicted, Wrong
from bidpilot.serving.prediction.view import RequestView
from bidpilot.serving.privacy.faults import where

Check = Callable[[RequestView, object], Predicted]
_REST = (1.0, 60.0)  # seconds for which nobody asks: at first, and at most
_FAULTS, _FORGIVEN = 5.0, 0.25  # faults after which it rests, and what each answer in time takes off
_QUEUED = 0.25  # of a fault: a call that was given up before it began, as others were slow


class Breaker:
    """Whether to ask. A fault weighs four answers in time.

    Args:
        now: seconds.
        told: hears why it rests, and for how long.
    """

    def __init__(self, now: Callable[[], float], told: Callable[[str], None]) -> None:
        self._now, self._told = now, told
        self._score, self._rest = 0.0, _REST[0]
        self._until: float | None = None  # when the rest is over; None where it does not rest
        self._trial = False  # a call is under way that decides whether the rest goes on

    @property
    def resting(self) -> bool:
        """Whether nobody is to ask; when the rest is over one call is let through as a trial."""
        if self._until is None:
            return False
        if self._now() < self._until:
            return True
        self._until, self._trial = self._now() + self._rest, True  # who comes meanwhile waits for the trial
        return False

    @property
    def rests(self) -> bool:
        """Whether it rests; nothing is let through by asking."""
        return self._until is not None

    def well(self) -> None:
        """It answered in time."""
        if self._trial:
            self._until, self._trial, self._score, self._rest = None, False, 0.0, _REST[0]
        elif self._until is None:
            self._score = max(self._score - _FORGIVEN, 0.0)

    def failed(self, why: str, weight: float = 1.0) -> None:
        """It did not. Of calls that had begun before it rested nothing more is learned."""
        if self._trial:
            self._rest = min(2 * self._rest, _REST[1])
        elif self._until is not None:
            return
        else:
            self._score += weight
            if self._score < _FAULTS:
                return
        self._until, self._trial = self._now() + self._rest, False
        self._told(f"{why}; the built-in predictor stands in for {self._rest:g} s")


class Asking:
    """One predictor with its thread.

    Args:
        predictor: what is asked.
        check: reads what it returned, in its thread; raises Wrong.
        limit: longest time for an answer, seconds.
        told: hears when it rests.
        counts: of impressions by what became of them: `late`, `failed`, `wrong`, `resting`.
        now: seconds.
    """

    def __init__(
        self,
        predictor: Predictor,
        check: Check,
        limit: float,
        told: Callable[[str], None],
        counts: Counter[str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._predictor, self._check, self.limit, self._counts = predictor, check, limit, counts
        self.breaker = Breaker(now, told)
        self._queue: SimpleQueue[tuple[RequestView, Future[Predicted]] | None] = SimpleQueue()
        self._hangs: Future[Predicted] | None = None  # the last call that was given up under way
        self._thread: threading.Thread | None = None

    async def ask(self, view: RequestView, impressions: int, seconds: float) -> Predicted:
        """The values of a request within so much time, without keeping the loop; none where there is no answer."""
        if self._rests(impressions):
            return {}
        future, given = self._put(view), min(seconds / 2, self.limit)  # who stands in needs time too
        try:
            found = await asyncio.wait_for(asyncio.wrap_future(future), given)
        except Exception as error:
            return self._failed(future, impressions, error, given)
        self.breaker.well()
        return found

    def wait(self, view: RequestView, impressions: int, seconds: float) -> Predicted:
        """As `ask`, for a caller without a loop, which waits."""
        if self._rests(impressions):
            return {}
        future, given = self._put(view), min(seconds / 2, self.limit)
        try:
            found = future.result(given)
        except Exception as error:
            return self._failed(future, impressions, error, given)
        self.breaker.well()
        return found

    def close(self) -> None:
        """End the thread once it is idle; nobody waits for it."""
        self._queue.put(None)

    # --- the caller's thread ---------------------------------------------------------------------

    def _rests(self, impressions: int) -> bool:
        """Whether nobody is to ask now: it rests, or its thread is still in a call that was given up."""
        hangs = self._hangs is not None and not self._hangs.done()
        if not hangs and not self.breaker.resting:
            return False
        self._counts["resting"] += impressions
        return True

    def _put(self, view: RequestView) -> Future[Predicted]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="predictor", daemon=True)
            self._thread.start()
        future: Future[Predicted] = Future()
        self._queue.put((view, future))
        return future

    def _failed(self, future: Future[Predicted], impressions: int, error: Exception, given: float) -> Predicted:
        queued, late = future.cancel(), not future.done() or future.cancelled()
        if isinstance(error, TimeoutError) and not late and future.exception() is None:  # just now
            self.breaker.well()
            return future.result()
        if not future.done():
            self._hangs = future
        kind = "late" if late else "wrong" if isinstance(error, Wrong) else "failed"
        self._counts[kind] += impressions
        if not late:
            self.breaker.failed(where(error))
        elif given >= self.limit:  # with less time it is the request's haste
            self.breaker.failed(f"no answer within {1000 * given:g} ms", _QUEUED if queued else 1.0)
        return {}

    # --- the predictor's thread ------------------------------------------------------------------

    def _run(self) -> None:
        while (entry := self._queue.get()) is not None:
            view, future = entry
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._check(view, self._predictor(view)))
            except BaseException as error:
                future.set_exception(error if isinstance(error, Exception) else RuntimeError(type(error).__name__))

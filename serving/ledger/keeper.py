"""The keeper: one thread that talks to the store, so that bids never wait for a disk or a network.

Settlements that have come in meanwhile share one commit. Results go back to the caller's own thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import TypeVar

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.ledger.store import Booked, Held, LedgerStore, Settlement, Win

T = TypeVar("T")
Work = Callable[[], None]
_Entry = tuple[Settlement | Win | None, Callable[..., None], Callable[[], object] | None]
Deliver = Callable[[Sequence[Work]], None]
_MOST = 4096  # entries handled at a time
STUCK = 5.0
"""Seconds without an answer after which the thread counts as stuck: longer than SQLite waits for a lock."""


def at_once(results: Sequence[Work]) -> None:
    """Deliver results in the thread that got them."""
    for result in results:
        result()


class Keeper:
    """Runs the store's calls, in order.

    Without `start` every call is made before the method returns: the in-process API works so. With it, calls are
    made by a thread and results are handed to `deliver`, which must bring them to the caller's thread.

    Whatever a call raises is an answer, None. What is not the store's absence is told to `on_failed` too, in the
    caller's thread.

    Args:
        store: what is called.
        deliver: brings results to the caller's thread.
        monotonic: seconds, by which the oldest call without an answer has its age.
        pause: seconds that the thread rests after a round of calls, so that more comes together for the next.
    """

    def __init__(
        self,
        store: LedgerStore,
        deliver: Deliver = at_once,
        monotonic: Callable[[], float] = time.monotonic,
        pause: float = 0.0,
    ) -> None:
        self.store, self._deliver, self._monotonic, self._pause = store, deliver, monotonic, pause
        self.failure: str | None = None  # why the last call failed; None where it did not
        self.on_failed: Callable[[str], None] = LOGGER.warning
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()  # None ends the thread
        self._since: deque[float] = deque()  # when each entry without an answer came, oldest first
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Let a thread make the calls."""
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    @property
    def age(self) -> float:
        """How long the oldest entry has waited for its answer, seconds; 0 where none waits."""
        try:
            return max(self._monotonic() - self._since[0], 0.0)
        except IndexError:
            return 0.0

    @property
    def well(self) -> bool:
        """Whether the last call succeeded, and no call waits for longer than `STUCK`."""
        return self.failure is None and self.age < STUCK

    def settle(self, item: Settlement, done: Callable[[Booked | None], None]) -> None:
        """Book an exposure; `done` gets what became of it, None where the store is not available."""
        self._put((item, done, None))

    def win(self, item: Win, done: Callable[[Held | None], None]) -> None:
        """Hold the money of a bid that has won; `done` as in `settle`."""
        self._put((item, done, None))

    def run(self, call: Callable[[LedgerStore], T], done: Callable[[T | None], None]) -> None:
        """Make a call; `done` gets its result, None where it failed."""
        self._put((None, done, lambda: call(self.store)))

    def at_once(self, call: Callable[[LedgerStore], T]) -> T | None:
        """The result of a call made here and now; None where a thread makes the calls, or the store is away."""
        if self._thread is not None:
            return None
        try:
            return call(self.store)
        except LedgerUnavailable:
            return None

    def stop(self) -> None:
        """Finish what is queued and end the thread."""
        if self._thread is not None:
            self._stopping = True
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._flush(block=False)

    def _put(self, entry: _Entry) -> None:
        self._since.append(self._monotonic())
        self._queue.put(entry)
        if self._thread is None:
            self._flush(block=False)

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._flush(block=True)
                if self._pause:
                    time.sleep(self._pause)
            except Exception as error:  # results could not be delivered; the thread must not die of it
                self.failure = f"{type(error).__name__}: {error}"
                LOGGER.warning("results of the ledger could not be delivered (%s)", self.failure)

    def _flush(self, block: bool) -> None:
        entries: list[_Entry | None] = []
        try:
            entries.append(self._queue.get(block=block))
            while len(entries) < _MOST:
                entries.append(self._queue.get_nowait())
        except Empty:
            pass
        results: list[Work] = []
        for kind, together in groupby(filter(None, entries), lambda entry: type(entry[0])):
            group = list(together)
            if kind is not type(None):
                self._batch(group, results)
            for _, done, call in group:
                if call is not None:
                    results.append(_bound(done, self._try(call, results)))
                self._since.popleft()
        if results:
            self._deliver(results)

    def _batch(self, entries: Sequence[_Entry], out: list[Work]) -> None:
        """Book entries of one kind, settlements or wins, in one call."""
        bills = [item for item, _, _ in entries if isinstance(item, Settlement)]
        wins = [item for item, _, _ in entries if isinstance(item, Win)]
        booked: Sequence[object] = [None] * len(entries)
        try:
            booked = self.store.settle(bills) if bills else self.store.win(wins)
            if len(booked) != len(entries):
                raise IndexError(f"{len(booked)} answers to {len(entries)} notices")
            self.failure = None
        except LedgerUnavailable as error:
            self.failure = str(error)
        except Exception as error:
            if len(entries) > 1:  # one that cannot be booked must not keep the others from it
                for entry in entries:
                    self._batch([entry], out)
                return
            booked = [None]
            self._fail(error, out)
        out.extend(_bound(done, outcome) for (_, done, _), outcome in zip(entries, booked, strict=True))

    def _try(self, call: Callable[[], object], out: list[Work]) -> object:
        try:
            result = call()
        except LedgerUnavailable as error:
            self.failure = str(error)
            return None
        except Exception as error:
            self._fail(error, out)
            return None
        self.failure = None
        return result

    def _fail(self, error: Exception, out: list[Work]) -> None:
        """What no store should raise: an event for the caller's thread, beside the answer None."""
        text = f"{type(error).__name__}: {error}"
        self.failure = text
        out.append(lambda: self.on_failed(text))


def _bound(done: Callable[..., None], result: object) -> Work:
    return lambda: done(result)

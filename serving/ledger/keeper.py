"""The keeper: one thread that talks to the store, so that bids never wait for a disk or a network.

Settlements that have come in meanwhile share one commit. Results go back to the caller's own thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.ledger.store import Booked, Held, LedgerStore, Settlement, Win

T = TypeVar("T")
Work = Callable[[], None]
_Entry = tuple[Settlement | Win | None, Callable[..., None], Callable[[], object] | None]
Deliver = Callable[[Sequence[Work]], None]
_MOST = 4096  # entries handled at a time


def at_once(results: Sequence[Work]) -> None:
    """Deliver results in the thread that got them."""
    for result in results:
        result()


class Keeper:
    """Runs the store's calls, in order.

    Without `start` every call is made before the method returns: the in-process API works so. With it, calls are
    made by a thread and results are handed to `deliver`, which must bring them to the caller's thread.
    """

    def __init__(self, store: LedgerStore, deliver: Deliver = at_once) -> None:
        self.store, self._deliver = store, deliver
        self._queue: SimpleQueue[_Entry] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Let a thread make the calls."""
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def settle(self, item: Settlement, done: Callable[[Booked | None], None]) -> None:
        """Book an exposure; `done` gets what became of it, None where the store is not available."""
        self._queue.put((item, done, None))
        if self._thread is None:
            self._flush(block=False)

    def win(self, item: Win, done: Callable[[Held | None], None]) -> None:
        """Hold the money of a bid that has won; `done` as in `settle`."""
        self._queue.put((item, done, None))
        if self._thread is None:
            self._flush(block=False)

    def run(self, call: Callable[[LedgerStore], T], done: Callable[[T | None], None]) -> None:
        """Make a call; `done` gets its result, None where the store is not available."""
        self._queue.put((None, done, lambda: call(self.store)))
        if self._thread is None:
            self._flush(block=False)

    def stop(self) -> None:
        """Finish what is queued and end the thread."""
        if self._thread is not None:
            self._stopping = True
            self._queue.put((None, lambda _: None, lambda: None))
            self._thread.join()
            self._thread = None
        self._flush(block=False)

    def _run(self) -> None:
        while not self._stopping:
            self._flush(block=True)

    def _flush(self, block: bool) -> None:
        entries = []
        try:
            entries.append(self._queue.get(block=block))
            while len(entries) < _MOST:
                entries.append(self._queue.get_nowait())
        except Empty:
            pass
        results: list[Work] = []
        at = 0
        while at < len(entries):
            item, done, call = entries[at]
            if item is None:
                assert call is not None
                results.append(_bound(done, self._try(call)))
                at += 1
                continue
            end = at
            while end < len(entries) and type(entries[end][0]) is type(item):
                end += 1
            self._batch(entries[at:end], results)
            at = end
        if results:
            self._deliver(results)

    def _batch(self, entries: Sequence[_Entry], out: list[Work]) -> None:
        """Book entries of one kind, settlements or wins, in one call."""
        bills = [item for item, _, _ in entries if isinstance(item, Settlement)]
        wins = [item for item, _, _ in entries if isinstance(item, Win)]
        booked = self._try(lambda: self.store.settle(bills) if bills else self.store.win(wins))
        outcomes: Sequence[object] = booked if isinstance(booked, list) else [None] * len(entries)
        out.extend(_bound(done, outcome) for (_, done, _), outcome in zip(entries, outcomes, strict=True))

    def _try(self, call: Callable[[], object]) -> object:
        try:
            return call()
        except LedgerUnavailable:
            return None


def _bound(done: Callable[..., None], result: object) -> Work:
    return lambda: done(result)

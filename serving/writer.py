"""Writes that nobody waits for: made in a thread of their own, in order, each again until it succeeds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import partial

from bidpilot.serving.ledger.keeper import Deliver, at_once

_FIRST, _LONGEST = 0.05, 1.0  # seconds until a write that failed is tried again
_MOST = 100_000  # writes that wait; the oldest is given up beyond


class Writer:
    """Makes writes in the order of their submission; of two under one key that wait, only the later is made.

    Without `start` a write is made before `submit` returns, and one that failed with the next one.

    Args:
        failed: hears why a write failed, in the caller's thread.
        deliver: brings that to the caller's thread.
    """

    def __init__(self, failed: Callable[[str], None], deliver: Deliver = at_once) -> None:
        self._failed, self._deliver = failed, deliver
        self._waiting: dict[Hashable, Callable[[], object]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def pending(self) -> int:
        """Writes that are not made yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Let a thread make the writes."""
        self._thread = threading.Thread(target=self._run, name="state", daemon=True)
        self._thread.start()

    def submit(self, key: Hashable, call: Callable[[], object]) -> None:
        """Make a write some time soon."""
        with self._changed:
            self._waiting.pop(key, None)
            if len(self._waiting) >= _MOST:
                del self._waiting[next(iter(self._waiting))]
            self._waiting[key] = call
            self._changed.notify()
        if self._thread is None:
            self._all()

    def stop(self) -> None:
        """Try each write that waits once more, and end the thread."""
        if self._thread is not None:
            with self._changed:
                self._stopping = True
                self._changed.notify()
            self._thread.join()
            self._thread = None
        self._all()

    def _run(self) -> None:
        rest = 0.0
        while True:
            with self._changed:
                if rest:
                    self._changed.wait_for(lambda: self._stopping, rest)
                else:
                    self._changed.wait_for(lambda: self._stopping or bool(self._waiting))
                if self._stopping:
                    return
            rest = 0.0 if self._all() else min(max(2 * rest, _FIRST), _LONGEST)

    def _all(self) -> bool:
        """Make what waits, up to the first that fails; whether none did."""
        while True:
            with self._changed:
                if not self._waiting:
                    return True
                key, call = next(iter(self._waiting.items()))
            try:
                call()
            except Exception as error:  # a full disk, a locked file: the write waits until it can be made
                self._deliver([partial(self._failed, f"{type(error).__name__}: {error}")])
                return False
            with self._changed:
                if self._waiting.get(key) is call:
                    del self._waiting[key]

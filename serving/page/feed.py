"""The stream that keeps pages live: one snapshot a second for all who look, of which each is told what has changed.

What a client does not take the HTTP server keeps for it, without a bound. A stream therefore ends after so many bytes,
and a page that still looks opens another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.page.snapshot import Snapshots, Told, changes
from bidpilot.serving.tokens import Who

MOST = 16
"""Streams at once."""
_EVERY = 1.0  # seconds from one snapshot to the next
_GAP = 0.1  # and at least, where somebody new looks
_QUEUE = 4  # events that wait for one listener
_BYTES = 4_000_000  # that a stream has at most, beyond its first snapshot
_ENCODER = msgspec.json.Encoder()


def event(kind: str, what: Any) -> bytes:
    """A server-sent event."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), _ENCODER.encode(what))


class Listener:
    """One stream: an iterator over its events."""

    def __init__(self, feed: Feed, who: Who) -> None:
        self._feed, self.fresh = feed, True  # until it has a whole snapshot
        self._waiting: deque[bytes] = deque([event("who", {"name": who.name, "role": who.role.name})])
        self._news, self._over, self._left = asyncio.Event(), False, _BYTES

    def push(self, part: bytes, whole: bool = False) -> None:
        """Send something; who falls behind hears no more of it and must begin anew."""
        self.fresh = False
        if len(self._waiting) >= _QUEUE or self._left < 0:
            self.end()
            return
        self._left -= 0 if whole else len(part)
        self._waiting.append(part)
        self._news.set()

    def end(self) -> None:
        """Let the stream end, after what waits."""
        self._over = True
        self._news.set()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._waiting:
            if self._over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """Nobody listens any more."""
        self.end()
        self._feed.leave(self)


class Feed:
    """Takes snapshots while somebody listens, and only then.

    Args:
        snapshots: makes them.
        every: seconds from one to the next.
        most: listeners at once.
    """

    def __init__(self, snapshots: Snapshots, every: float = _EVERY, most: int = MOST) -> None:
        self.snapshots, self.every, self._most = snapshots, every, most
        self.listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def join(self, who: Who) -> Listener | None:
        """A stream that begins with a whole snapshot; None where there are too many, or the server ends."""
        if len(self.listeners) >= self._most or self.snapshots.drain.on:
            return None
        listener = Listener(self, who)
        self.listeners.add(listener)
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        return listener

    def leave(self, listener: Listener) -> None:
        """It listens no longer."""
        self.listeners.discard(listener)
        self._wake.set()

    async def _run(self) -> None:
        """Tell all who listen until nobody does."""
        told: Told | None = None
        try:
            while self.listeners and not self.snapshots.drain.on:
                now = await self.snapshots.take()
                self._tell(told, now)
                told = now
                await asyncio.sleep(_GAP)
                await self._rest()
        except Exception:  # a fault of ours: pages begin anew, bids go on
            LOGGER.exception("the control page cannot be told")
        finally:
            for listener in list(self.listeners):
                listener.end()

    def _tell(self, before: Told | None, now: Told) -> None:
        whole: bytes | None = None
        change = b"" if before is None else event("change", changes(before, now))
        for listener in list(self.listeners):
            if not listener.fresh:
                listener.push(change)
                continue
            whole = whole or event("whole", now)
            listener.push(whole, whole=True)

    async def _rest(self) -> None:
        """Wait until the next snapshot is due, somebody new looks, or the server ends."""
        self._wake.clear()
        if any(listener.fresh for listener in self.listeners):
            return
        waiting = [asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(self.snapshots.drain.asked())]
        try:
            await asyncio.wait(waiting, timeout=self.every - _GAP, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

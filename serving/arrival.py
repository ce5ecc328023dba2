"""When a request was handed over to the event loop, which is before the loop gets to it where it is busy.

granian reads a request in a thread of its own and hands it to the loop by `call_soon_threadsafe`. A loop that notes
the time there knows how long each request has waited for its turn. What lies before, in the kernel's queues and on the
network, no clock of ours sees: `--network-ms` stands for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, TypeVarTuple

_Args = TypeVarTuple("_Args")
ARRIVED: ContextVar[float | None] = ContextVar("arrived", default=None)
"""When what runs now was handed over, `time.perf_counter` seconds; None where that is not known."""


def stamping_loop() -> asyncio.AbstractEventLoop:
    """An event loop that notes when other threads hand something over to it."""
    import uvloop

    hand_over, now = uvloop.Loop.call_soon_threadsafe, time.perf_counter

    class Loop(uvloop.Loop):
        """uvloop's, with the time of each handing over of a request in `ARRIVED`."""

        def call_soon_threadsafe(
            self, callback: Callable[[*_Args], object], *args: *_Args, context: Context | None = None
        ) -> asyncio.Handle:
            """Call it at the loop's next turn; requests have a context of granian's, and learn the time of now."""
            if context is None:
                return hand_over(self, callback, *args)
            return hand_over(self, _stamped, now(), callback, *args, context=context)

    return Loop()


def _stamped(at: float, callback: Callable[..., object], *args: Any) -> None:
    ARRIVED.set(at)  # a task that the callback makes copies it
    callback(*args)

"""Waits with a time limit, by one timer for many of them.

`asyncio.timeout` makes a timer for each wait: 4 microseconds of a request's 85. Limits here are kept to `_EVERY`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")
_EVERY = 0.05  # seconds between two looks at who has waited too long


class Patience:
    """Tasks that wait for something, each with when it must be there."""

    def __init__(self) -> None:
        self._until: dict[asyncio.Task[Any], float] = {}
        self._over: set[asyncio.Task[Any]] = set()
        self._looking = False

    async def wait(self, awaited: Awaitable[T], seconds: float) -> T:
        """What is awaited, in a task.

        Raises:
            TimeoutError: it is not there after `seconds`, and a twentieth of one.
        """
        task = asyncio.current_task()
        assert task is not None
        self._until[task] = time.monotonic() + seconds
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(_EVERY, self._look)
        try:
            return await awaited
        except asyncio.CancelledError:
            if task in self._over and task.uncancel() == 0:  # otherwise somebody else cancels it too
                raise TimeoutError from None
            raise
        finally:
            self._until.pop(task, None)
            self._over.discard(task)

    def _look(self) -> None:
        now = time.monotonic()
        for task in [task for task, until in self._until.items() if until <= now]:
            del self._until[task]
            self._over.add(task)
            task.cancel()
        self._looking = bool(self._until)
        if self._looking:
            asyncio.get_running_loop().call_later(_EVERY, self._look)

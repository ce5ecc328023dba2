"""Only a worker that answers nothing for all of its time is killed for it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import pytest

from bidpilot.bidding.errors import LinkLost
from bidpilot.serving.pulse import watch


class Worker:
    """Answers after as many questions as were not waited for."""

    def __init__(self, number: int, unheard: int, serves: bool = True, ends: bool = False) -> None:
        self.number, self.serves, self.signals = number, serves, list[int]()
        self._unheard, self._ends, self.asked = unheard, ends, 0

    @property
    def link(self) -> Worker:
        return self

    async def ask(self, what: str, body: bytes = b"", patience: float = 2.0) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if self.asked <= self._unheard:
            self.serves = not self._ends
            raise LinkLost("no answer")
        return b""

    def signal(self, number: int) -> None:
        self.signals.append(number)
        self.serves = False


@pytest.mark.parametrize(
    ("worker", "killed"),
    [
        (Worker(1, unheard=0), False),
        (Worker(2, unheard=1), False),  # everything stood still: its answer was only not read
        (Worker(3, unheard=2), True),
        (Worker(4, unheard=9, serves=False), False),  # still starting
        (Worker(5, unheard=9, ends=True), False),  # it has ended by itself
    ],
    ids=lambda case: str(getattr(case, "number", case)),
)
def test_a_worker_is_killed_for_its_silence_alone(worker: Worker, killed: bool) -> None:
    told: list[int] = []

    async def some_time() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await watch(lambda: [worker], told.append, 0.02)

    asyncio.run(some_time())
    assert worker.signals == ([signal.SIGKILL] if killed else [])
    assert told == ([worker.number] if killed else [])

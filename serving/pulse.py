"""A worker that hangs takes connections and answers none of them: it is noticed by its silence, and ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from bidpilot.bidding.errors import LinkLost

PULSE = "pulse"
"""What a worker is asked every so often."""
_AGAIN = 0.2  # of the time it was given already: where everything stood still, the answer has only not been read


class Asked(Protocol):
    """The link to a worker."""

    async def ask(self, what: str, body: bytes = b"", patience: float = ...) -> bytes:
        """Its answer; raises LinkLost."""


class Beating(Protocol):
    """A worker's process."""

    @property
    def link(self) -> Asked:
        """To ask it by."""

    @property
    def number(self) -> int:
        """The process's."""

    @property
    def serves(self) -> bool:
        """Whether it runs and takes connections."""

    def signal(self, number: int) -> None:
        """Send it a signal."""


async def watch(workers: Callable[[], Sequence[Beating]], silent: Callable[[int], None], seconds: float) -> None:
    """Ask the workers that serve for a sign of life, for ever; one that gives none for `seconds` is killed.

    Args:
        workers: those that run.
        silent: is told the number of a process that is killed.
        seconds: how long a worker is waited for.
    """
    while True:
        serving = [worker for worker in workers() if worker.serves]
        await asyncio.gather(*(_ask(worker, silent, seconds) for worker in serving))
        await asyncio.sleep(seconds / 10)


async def _ask(worker: Beating, silent: Callable[[int], None], seconds: float) -> None:
    for patience in (seconds, _AGAIN * seconds):
        with suppress(LinkLost):
            await worker.link.ask(PULSE, patience=patience)
            return
    if worker.serves:  # it has not ended by itself
        silent(worker.number)
        worker.signal(signal.SIGKILL)

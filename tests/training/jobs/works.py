"""What workers do in tests: they import it, so that it stands in a module of its own."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from bidpilot.bidding.errors import InvalidConfig


def square(job: int) -> int:
    return job * job


def refuse_odd(job: int) -> int:
    if job % 2:
        raise InvalidConfig(f"{job} is odd")
    return job


def divide(job: int) -> float:
    return 1 / job


@dataclass
class Counting:
    """Says how many jobs this worker has done, and which process it is."""

    done: int = field(default=0)

    def __call__(self, job: int) -> tuple[int, int]:
        self.done += 1
        return self.done, os.getpid()


@dataclass(frozen=True)
class Dying:
    """Ends its own process without a word at the first attempts of some jobs."""

    folder: Path
    jobs: tuple[int, ...]
    times: int = 1

    def __call__(self, job: int) -> int:
        for attempt in range(self.times if job in self.jobs else 0):
            mark = self.folder / f"{job} {attempt}"
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return job * job


@dataclass(frozen=True)
class Slow:
    """Says which process does a job, then takes its time."""

    folder: Path
    seconds: float

    def __call__(self, job: int) -> int:
        (self.folder / str(os.getpid())).touch()
        time.sleep(self.seconds)
        return job * job


def folder_of(seconds: float) -> str:
    time.sleep(seconds)  # so that a second worker gets a job too
    return os.getcwd()

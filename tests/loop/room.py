"""The room that a loop happens in: its folder, its commands, what its steps hand on, and what they checked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

from tests.loop.books import differences
from tests.loop.source import Source

_TAIL = 40  # lines of a failed command's output that are shown
_PATIENCE = 1800.0  # seconds that a command may take
_STORES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")  # the loop has a store of its own


class JointBroken(Exception):
    """What came out of one part is not what went into the next."""


class CommandFailed(Exception):
    """A command ended otherwise than it should have."""


@dataclass(frozen=True)
class Size:
    """How much a loop plays."""

    training_days: int
    test_days: int  # that judge: enough of them for an interval
    served_days: int
    auctions: int  # of a usual day
    rows: int  # of training, side by side
    total_steps: int  # of training
    rounds: int  # of imitation


SIZES = {
    "small": Size(training_days=10, test_days=8, served_days=3, auctions=1000, rows=16, total_steps=768, rounds=4),
    "large": Size(
        training_days=28, test_days=12, served_days=10, auctions=4000, rows=64, total_steps=24_576, rounds=12
    ),
}


@dataclass(frozen=True)
class Line:
    """A step that was gone through."""

    step: str
    seconds: float
    told: tuple[str, ...]  # figures worth reading
    checked: tuple[str, ...]  # joints


@dataclass
class Room:
    """What the steps of one loop share. A step reads files as a user does, and from here only what the world knows.

    Attributes:
        folder: working directory of every command, with the tracking store that they make.
        size: how much is played.
        rng: of everything that is drawn.
        sources: the days that the loop was given, by name.
        runs: ids of the trainings, by the name of their bundle.
        books: what the exchange counted, a row per request (see `exchange.Exchange`).
        refused: requests that the server told it has refused as invalid traffic.
        expected_spend: of the served policy over the served days, as a share of the budget, by evaluation.
        lines: steps that were gone through.
        last: the step's last command, with the end of its output.
    """

    folder: Path
    size: Size
    rng: np.random.Generator
    sources: dict[str, Source] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    books: pl.DataFrame = field(default_factory=pl.DataFrame)
    refused: int = 0
    expected_spend: float = float("nan")
    lines: list[Line] = field(default_factory=list)
    last: str = ""
    _told: list[str] = field(default_factory=list)
    _checked: list[str] = field(default_factory=list)

    def go(self, name: str, step: Callable[[Room], None]) -> None:
        """Go through one step and keep how long it took and what it checked."""
        begin = perf_counter()
        self._told, self._checked, self.last = [], [], ""
        print(f"{name} ...", flush=True)
        step(self)
        self.lines.append(Line(name, perf_counter() - begin, tuple(self._told), tuple(self._checked)))

    def path(self, name: str) -> Path:
        """A file or folder of the loop."""
        return self.folder / name

    def bidpilot(self, *arguments: str | Path, status: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, in the folder; its output has both streams.

        Raises:
            CommandFailed: it ended with none of `status`; shows the end of its output.
        """
        command = [sys.executable, "-m", "bidpilot", *map(str, arguments)]
        environment = {name: value for name, value in os.environ.items() if name not in _STORES}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, timeout=_PATIENCE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.last = f"`{' '.join(command)}` ended with {done.returncode}:\n{tail(done.stdout)}"
        if done.returncode not in status:
            raise CommandFailed(self.last)
        return done

    def tell(self, figures: str) -> None:
        """Keep figures of this step for the table."""
        self._told.append(figures)

    def same(self, joint: str, found: object, expected: object) -> None:
        """Check that what came out at a joint is what went in.

        Raises:
            JointBroken: it is not.
        """
        if isinstance(expected, pl.DataFrame) and isinstance(found, pl.DataFrame):
            faults = differences(found, expected)
            self.holds(joint, not faults, "; ".join(faults))
        else:
            self.holds(joint, found == expected, f"{found!r} came out, {expected!r} went in")

    def holds(self, joint: str, fact: bool, otherwise: str) -> None:
        """Check a fact at a joint; `otherwise` says what was found in its place.

        Raises:
            JointBroken: it does not hold.
        """
        if not fact:
            raise JointBroken(f"{joint}: {otherwise}")
        self._checked.append(joint)


def tail(text: str) -> str:
    """The end of a command's output."""
    return "\n".join(text.splitlines()[-_TAIL:])

"""What the page shows of incidents and risks, as whoever keeps them tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bidpilot.serving.incidents.incident import Incident


@dataclass(frozen=True)
class Grid:
    """A table of numbers that is shown as a heat map: one row per label of `rows`."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]  # (rows, columns) in `unit`; None: nothing is known
    unit: str = ""
    most: float | None = None  # the value that is shaded darkest; None: the largest of the cells


class Operations(Protocol):
    """Tells the page of incidents and risks; called every second while somebody looks."""

    def incidents(self) -> Sequence[Incident]:
        """Those to be shown: the open ones, and closed ones as long as they are news."""

    def risks(self) -> Sequence[Grid]:
        """The risk matrix and heat maps; the same objects where nothing has changed."""


class Nothing:
    """Where nobody watches."""

    def incidents(self) -> Sequence[Incident]:
        """None."""
        return ()

    def risks(self) -> Sequence[Grid]:
        """None."""
        return ()

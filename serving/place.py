"""Which of the workers of a machine a process is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """One of `of` processes that serve the same ports."""

    index: int
    of: int
    ledger: Path | None = None  # the socket of the ledger of the machine; None: the process opens a store itself

    def __str__(self) -> str:
        """What the name of its bidder ends with."""
        return f"#{self.index}" if self.of > 1 else ""

    @property
    def first(self) -> bool:
        """Whether it writes what one writes for all: the memory of sources and the totals of slots."""
        return self.index == 0


ALONE = Place(0, 1)
"""A server of one process."""

"""Which of the workers of a machine a process is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """One of `of` processes that serve one port.

    The first is the administrator's: it has the admin port, and alone writes what is kept for all (the memory of
    sources, the totals of slots).
    """

    index: int
    of: int
    ledger: Path | None = None  # the socket of the ledger of the machine; None: the process opens a store itself

    @property
    def first(self) -> bool:
        """Whether it is the administrator's."""
        return self.index == 0


ALONE = Place(0, 1)
"""A server of one process."""

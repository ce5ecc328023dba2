"""What a section of a report is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bidpilot.training.reporting.charts.chart import Chart

_LONG: Final = 16  # rows


@dataclass(frozen=True)
class Sheet:
    """A table of text; the first `texts` columns are words, the others numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    texts: int = 1

    @property
    def long(self) -> bool:
        """Whether it is folded up."""
        return len(self.rows) > _LONG


@dataclass(frozen=True)
class Section:
    """One section; where `missing` says something, there is nothing else."""

    key: str  # its place in the page's address
    title: str
    lead: str = ""  # what it says, in a sentence or two
    charts: tuple[Chart, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    notes: tuple[str, ...] = ()
    missing: str | None = None

"""What was there to buy, and how the money went over the day: beside what was bought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Offered:
    """Requests of all days, each counted once, and what of them was refused as invalid traffic."""

    by_segment: Counts  # (S,) requests, the refused left out
    by_source: Counts  # (C,) requests, the refused among them
    refused: Counts | None  # (C, T) requests refused; None where nobody filters
    why: Mapping[str, int] = field(default_factory=dict)  # requests by what became of them, where that was told
    invalid: float | None = None  # requests known to be invalid; None where nobody knows
    invalid_refused: float | None = None  # of these, those refused


@dataclass(frozen=True)
class Course:
    """How the money went over the day, in shares of the budget after each slot, 0 the start."""

    spent: Array  # (D, T + 1)
    planned: Array | None  # (T + 1,)
    labels: tuple[str, ...]  # (D,) of the days, a campaign each where several share one

"""What each source sends in each slot of a day, and how much of it is invalid: the truth behind a filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.clearing.columns import HasAuctions
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.day_batch import DayBatch


@dataclass(frozen=True)
class TrueTraffic:
    """Requests of B days, counted by slot and source of the days as they are cleared."""

    requests: NDArray[np.int64]  # (B, T, C)
    invalid: NDArray[np.int64]  # (B, T, C) of these

    @classmethod
    def of(cls, market: HasAuctions, days: DayBatch) -> TrueTraffic:
        """Counted of every auction that arrives on these days, from the C sources of the market's log."""
        sources = market.log.sources
        shape = (*days.count.shape, sources)
        requests, invalid = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        cells = shape[1] * sources
        for row in range(len(days)):
            day = materialise(market, days, row)
            cell = day.slot.astype(np.int64) * sources + day.source
            requests[row] = np.bincount(cell, minlength=cells).reshape(shape[1:])
            invalid[row] = np.bincount(cell[day.invalid], minlength=cells).reshape(shape[1:])
        return cls(requests, invalid)

    @property
    def mostly_invalid(self) -> NDArray[np.bool_]:
        """(B, T, C) true where more than half of what a source sends in a slot is invalid."""
        return 2 * self.invalid > self.requests

    @property
    def rate(self) -> NDArray[np.float64]:
        """(B, T, C) share of requests that are invalid; 0 where there are none."""
        return self.invalid / np.maximum(self.requests, 1)

"""A batch of days: windows into one log's columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DayBatch:
    """B days: windows into one log's columns, with scales and an overlay of invalid auctions.

    A slot's auctions are `start .. start + count` of the log, in arrival order. Everything the
    kernel sees is the log's column times the scale of the auction's segment; exposure is never
    scaled. Realised outcomes are drawn from the true expectations unless the market replays them.
    """

    start: NDArray[np.int64]  # (B, T) index of the slot's first auction in the log
    count: NDArray[np.int64]  # (B, T) auctions in the window, >= 0
    keep: NDArray[np.float32] | None  # (B, T, S) share of each segment's auctions that arrive; None: all
    price_scale: NDArray[np.float32]  # (B, T, S) > 0, multiplies market_price
    value_scale: NDArray[np.float32]  # (B, T, S) > 0, multiplies interaction and conversion
    calibration: NDArray[np.float32]  # (B, 3) > 0, predicted = true scale times this (1: no error)
    invalid_share: NDArray[np.float32]  # (B, T) in [0, 1), share of auctions overlaid as invalid
    invalid_source: NDArray[np.int16]  # (B, T) source that the overlaid auctions come from
    salt: NDArray[np.uint64]  # (B,) seeds the per-auction hash of outcomes, thinning and overlay
    budget: NDArray[np.float64]  # (B,) currency per day; NaN where the campaign decides
    conversion_value: NDArray[np.float64]  # (B,) currency per conversion; NaN where the campaign decides
    max_cpa: NDArray[np.float64]  # (B,) recorded target CPA, currency; NaN where none

    @property
    def bounds(self) -> dict[str, NDArray[np.float64]]:
        """What the days record of constraints, by row name: (B,), NaN where nothing is recorded."""
        return {"max_cpa": self.max_cpa}

    def without_targets(self) -> DayBatch:
        """The same days with no target recorded."""
        return replace(self, max_cpa=np.full(len(self), np.nan))

    def __len__(self) -> int:
        return int(self.start.shape[0])

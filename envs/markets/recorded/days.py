"""What both replay markets take from a log: its campaigns, and a batch of days without effects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch


def campaign_terms(log: AuctionLog) -> NDArray[np.float64]:
    """Budget, conversion value and target CPA of each day, (D, 3), currency; NaN where no target."""
    return np.array(
        [(day.budget, day.conversion_value, np.nan if day.max_cpa is None else day.max_cpa) for day in log.days],
        dtype=np.float64,
    )


def plain_days(
    log: AuctionLog,
    start: NDArray[np.int64],
    count: NDArray[np.int64],
    salt: NDArray[np.uint64],
    terms: NDArray[np.float64],
    value_scale: NDArray[np.float64] | None = None,
    price_scale: NDArray[np.float64] | None = None,
    date: NDArray[np.int64] | None = None,
) -> DayBatch:
    """Days of windows (B, T) with one scale per slot for all segments and no overlay.

    Args:
        log: the log that the windows are in.
        start: first auction of each window, (B, T).
        count: auctions of each window, (B, T).
        salt: seeds of the days' outcomes, (B,).
        terms: budget, conversion value and target CPA, (B, 3), currency.
        value_scale: (B, T) > 0; None: 1.
        price_scale: (B, T) > 0; None: 1.
        date: days since 1970, (B,); None: the days have no dates.
    """
    rows, slots = start.shape

    def per_segment(scale: NDArray[np.float64] | None) -> NDArray[np.float32]:
        out = np.ones((rows, slots, len(log.segments)), dtype=np.float32)
        if scale is not None:
            out[:] = scale[:, :, None]
        return out

    return DayBatch(
        start=np.ascontiguousarray(start),
        count=np.ascontiguousarray(count),
        keep=None,
        price_scale=per_segment(price_scale),
        value_scale=per_segment(value_scale),
        calibration=np.ones((rows, 3), dtype=np.float32),
        invalid_share=np.zeros((rows, slots), dtype=np.float32),
        invalid_source=np.zeros((rows, slots), dtype=np.int16),
        salt=salt,
        budget=terms[:, 0].copy(),
        conversion_value=terms[:, 1].copy(),
        max_cpa=terms[:, 2].copy(),
        date=date,
    )

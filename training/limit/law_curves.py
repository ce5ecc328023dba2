"""What a slot's bids are expected to spend and bring, given its levels: means over every auction of a market's log.

Held by the ratio of bid scale to price level. Bins are equal parts of an octave, as the bits of a float32 give them,
so that a curve is linear in the ratio within each and no logarithm is taken per auction.

Penalties have mean zero by these means, so that no auction is thinned out and gains are true ones; the curves that a
re-plan is told (`envs.markets.law_curves`) need neither.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.logs.auction_log import AuctionLog

_BITS = 6  # 64 bins an octave
_SHIFT = 23 - _BITS
_OCTAVES = 16  # on either side of ratio 1
_FIRST = (127 - _OCTAVES) << _BITS
BINS: Final = 2 * _OCTAVES << _BITS
"""Bins of a curve; what no bid within them wins is left out."""
SPEND, GAIN = range(2)

Matrix = NDArray[np.float64]


class LogColumns(NamedTuple):
    """A log's N auctions in the currency of a bid at scale 1 by a campaign's plan."""

    price: NDArray[np.float32]  # (N,) market price
    predicted: NDArray[np.float32]  # (N, 3) coefficient times predicted KPI
    true: NDArray[np.float32]  # (N, 2) of true exposure, and of true interaction and conversion together

    @classmethod
    def of(cls, log: AuctionLog, alpha: Matrix) -> LogColumns:
        """The columns under coefficients `alpha` (3,), currency per unit of KPI."""
        predicted = np.stack([log.exposure, log.interaction, log.conversion], axis=1) * alpha
        true = np.stack([log.true_exposure, log.true_interaction, log.true_conversion], axis=1) * alpha
        merged = np.stack([true[:, 0], true[:, 1] + true[:, 2]], axis=1)
        return cls(log.market_price, predicted.astype(np.float32), merged.astype(np.float32))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def law_curves(columns, directions, level):  # type: ignore[no-untyped-def]
    """Mean spend at price level 1 and true gain per auction, currency: (D, 2, BINS + 1) at the edges of bins.

    `directions` (D, 3) multiply what is bid for each KPI; interaction and conversion have the value level `level`.
    """
    price, predicted, true = columns
    count = len(directions)
    curves = np.zeros((count, 2, BINS + 1))
    for i in range(len(price)):
        gain = true[i, 0] + level * true[i, 1]
        for d in range(count):
            bid = directions[d, 0] * predicted[i, 0] + level * (
                directions[d, 1] * predicted[i, 1] + directions[d, 2] * predicted[i, 2]
            )
            k = int(np.float32(price[i] / bid).view(np.int32) >> _SHIFT) - _FIRST
            if k < BINS:
                k = max(k, 0) + 1
                curves[d, SPEND, k] += price[i]
                curves[d, GAIN, k] += gain
    for d in range(count):
        for kind in range(2):
            total = 0.0
            for k in range(BINS + 1):
                total += curves[d, kind, k]
                curves[d, kind, k] = total / len(price)
    return curves


@numba.njit(cache=True, nogil=True)
def at_ratios(curve, ratio):  # type: ignore[no-untyped-def]
    """A curve (BINS + 1,) at ratios (A,) of bid scale to price level."""
    out = np.empty(len(ratio))
    for a in range(len(ratio)):
        bits = int(np.float32(ratio[a]).view(np.int32))
        k = min(max((bits >> _SHIFT) - _FIRST, 0), BINS - 1)
        part = (bits & ((1 << _SHIFT) - 1)) / (1 << _SHIFT)
        out[a] = curve[k] + part * (curve[k + 1] - curve[k])
    return out

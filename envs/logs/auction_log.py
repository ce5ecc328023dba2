"""AuctionLog: a struct of arrays, one contiguous column each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DayRecord:
    """What is known of one recorded day apart from its auctions."""

    label: str  # e.g. "advertiser 3, period 10"
    unit: str  # days that share a unit share their auctions' randomness: the bootstrap resamples units
    budget: float  # currency per day, > 0
    conversion_value: float  # currency per conversion, > 0
    max_cpa: float | None = None  # target cost per action, currency


@dataclass(frozen=True)
class AuctionLog:
    """N auctions of D days of T slots. Predicted and true values are different columns."""

    name: str
    market_price: NDArray[np.float32]  # (N,) currency, >= 0
    exposure: NDArray[np.float32]  # (N,) predicted, in [0, 1]
    interaction: NDArray[np.float32]  # (N,) predicted, >= 0
    conversion: NDArray[np.float32]  # (N,) predicted, in [0, 1]
    true_exposure: NDArray[np.float32]  # (N,) the same array as the prediction where none is known
    true_interaction: NDArray[np.float32]  # (N,)
    true_conversion: NDArray[np.float32]  # (N,)
    segment: NDArray[np.int16]  # (N,) in 0 .. S - 1
    source: NDArray[np.int16]  # (N,) in 0 .. sources - 1
    invalid: NDArray[np.bool_]  # (N,) ground truth
    interacted: NDArray[np.float32] | None  # (N,) realised; None where not recorded
    converted: NDArray[np.float32] | None  # (N,) realised; None where not recorded
    offsets: NDArray[np.int64]  # (D, T + 1): day d, slot t is offsets[d, t] .. offsets[d, t + 1]
    days: tuple[DayRecord, ...]  # (D,)
    segments: tuple[str, ...]  # (S,) "channel/tier"
    sources: int  # number of sources
    notes: tuple[str, ...] = ()  # what a reader must know: "true = predicted", "no interactions" ...

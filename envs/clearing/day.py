"""A day written out: its auctions as arrays, exactly as the clearing kernel sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.clearing.auction import arrives, market_price, origin_of, overlay_of, source_arrives
from bidpilot.envs.clearing.columns import HasAuctions, auction_columns, day_columns
from bidpilot.envs.logs.day_batch import DayBatch


@dataclass(frozen=True)
class DayAuctions:
    """N auctions of one day in arrival order."""

    slot: NDArray[np.int16]  # (N,)
    segment: NDArray[np.int16]  # (N,)
    source: NDArray[np.int16]  # (N,)
    price: NDArray[np.float32]  # (N,) market price, currency
    predicted: NDArray[np.float32]  # (N, 3)
    true: NDArray[np.float32]  # (N, 3) zero for invalid auctions
    invalid: NDArray[np.bool_]  # (N,)


class _Written(NamedTuple):
    """`DayAuctions` with room for the auctions that do not arrive."""

    slot: NDArray[np.int16]
    segment: NDArray[np.int16]
    source: NDArray[np.int16]
    price: NDArray[np.float32]
    predicted: NDArray[np.float32]
    true: NDArray[np.float32]
    invalid: NDArray[np.bool_]


def materialise(market: HasAuctions, days: DayBatch, row: int) -> DayAuctions:
    """The auctions of day `row` of a batch."""
    size = int(days.count[row].sum())
    out = _Written(
        slot=np.empty(size, np.int16),
        segment=np.empty(size, np.int16),
        source=np.empty(size, np.int16),
        price=np.empty(size, np.float32),
        predicted=np.empty((size, 3), np.float32),
        true=np.empty((size, 3), np.float32),
        invalid=np.empty(size, np.bool_),
    )
    kept = _write(auction_columns(market, days), day_columns(days), row, out)
    return DayAuctions(**{name: column[:kept] for name, column in out._asdict().items()})


@numba.njit(cache=True, error_model="numpy")
def _write(columns, days, b, out):  # type: ignore[no-untyped-def]
    """Write day b to `out`; the number of auctions that arrive."""
    calibration, salt = days.calibration[b], days.salt[b]
    n = 0
    for t in range(days.start.shape[1]):
        overlay = overlay_of(days, b, t)
        for i in range(days.start[b, t], days.start[b, t] + days.auctions[b, t]):
            s = columns.segment[i]
            if not arrives(i, salt, days.keep, b, t, s):
                continue
            if not source_arrives(i, salt, overlay.sources, columns.source[i]):
                continue
            scale = days.value_scale[b, t, s]
            out.slot[n] = t
            out.segment[n] = s
            out.price[n] = market_price(columns.market_price[i], days.price_scale[b, t, s])
            out.predicted[n, 0] = columns.exposure[i] * calibration[0]
            out.predicted[n, 1] = columns.interaction[i] * calibration[1] * scale
            out.predicted[n, 2] = columns.conversion[i] * calibration[2] * scale
            origin, bad = origin_of(i, overlay, columns.source[i], columns.invalid[i])
            out.source[n], out.invalid[n] = origin, bad
            good = np.float32(0.0 if bad else 1.0)
            out.true[n, 0] = columns.true_exposure[i] * good
            out.true[n, 1] = columns.true_interaction[i] * scale * good
            out.true[n, 2] = columns.true_conversion[i] * scale * good
            n += 1
    return n

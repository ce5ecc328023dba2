"""A day written out: its auctions as arrays, exactly as the clearing kernel sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.clearing.slot import INVALID_STREAM, THIN_STREAM, uniform_hash
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market


@dataclass(frozen=True)
class DayAuctions:
    """N auctions of one day in arrival order."""

    slot: NDArray[np.int16]  # (N,)
    segment: NDArray[np.int16]  # (N,)
    price: NDArray[np.float32]  # (N,) market price, currency
    predicted: NDArray[np.float32]  # (N, 3)
    true: NDArray[np.float32]  # (N, 3) zero for invalid auctions


def materialise(market: Market, days: DayBatch, row: int) -> DayAuctions:
    """The auctions of day `row` of a batch."""
    log = market.log
    size = int(days.count[row].sum())
    slot, segment = np.empty(size, np.int16), np.empty(size, np.int16)
    price, predicted, true = (
        np.empty(size, np.float32),
        np.empty((size, 3), np.float32),
        np.empty((size, 3), np.float32),
    )
    kept = _write(
        log.market_price, log.exposure, log.interaction, log.conversion,
        log.true_exposure, log.true_interaction, log.true_conversion, log.segment, log.invalid,
        days.start[row], days.count[row], None if days.keep is None else days.keep[row],
        days.price_scale[row], days.value_scale[row], days.calibration[row], days.invalid_share[row], days.salt[row],
        slot, segment, price, predicted, true,
    )  # fmt: skip
    return DayAuctions(slot[:kept], segment[:kept], price[:kept], predicted[:kept], true[:kept])


@numba.njit(cache=True, error_model="numpy")
def _write(  # type: ignore[no-untyped-def]
    market_price, exposure, interaction, conversion, true_exposure, true_interaction, true_conversion,
    segment, invalid, start, count, keep, price_scale, value_scale, calibration, invalid_share, salt,
    slot_out, segment_out, price_out, predicted_out, true_out,
):  # fmt: skip
    n = 0
    for t in range(start.size):
        for i in range(start[t], start[t] + count[t]):
            s = segment[i]
            if keep is not None and uniform_hash(i, salt, THIN_STREAM) >= keep[t, s]:
                continue
            scale = value_scale[t, s]
            slot_out[n] = t
            segment_out[n] = s
            price_out[n] = market_price[i] * price_scale[t, s]
            predicted_out[n, 0] = exposure[i] * calibration[0]
            predicted_out[n, 1] = interaction[i] * calibration[1] * scale
            predicted_out[n, 2] = conversion[i] * calibration[2] * scale
            bad = invalid[i] or (invalid_share[t] > 0.0 and uniform_hash(i, salt, INVALID_STREAM) < invalid_share[t])
            good = np.float32(0.0 if bad else 1.0)
            true_out[n, 0] = true_exposure[i] * good
            true_out[n, 1] = true_interaction[i] * scale * good
            true_out[n, 2] = true_conversion[i] * scale * good
            n += 1
    return n

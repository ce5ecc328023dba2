"""Charging the auctions that a chunk's bids reach, and counting what the won ones bring."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.clearing.auction import CONVERTED_STREAM, INTERACTED_STREAM, origin_of, uniform_hash

EVENT_PROBABILITY = 0.1
"""Drawn interactions come in events: this often, and then the expectation divided by it (mean and scale stay exact)."""


class Reached(NamedTuple):
    """A chunk's auctions whose bid reaches the market price."""

    first: int  # the chunk's first auction in the log
    picked: NDArray[np.int32]  # positions in the chunk, in arrival order
    price: NDArray[np.float32]  # (chunk,) market prices
    offer: NDArray[np.float32]  # (chunk,) bids
    value: NDArray[np.float32]  # (chunk,) value scales


@numba.njit(inline="always")
def add(total, b, e, n, c):  # type: ignore[no-untyped-def]
    """Add a triple to row b."""
    total[b, 0] += e
    total[b, 1] += n
    total[b, 2] += c


@numba.njit(cache=True, error_model="numpy")
def settle(b, reached, number, budget, pays_bid, columns, overlay, full, totals):  # type: ignore[no-untyped-def]
    """Charge the first `number` auctions of `reached`, in order, while the budget lasts; returns the budget left.

    Predicted KPI are counted before calibration. Without `full` only wins and spend are counted.
    """
    won, paid, offered, bad_wins = 0, 0.0, 0.0, 0
    predicted_e = predicted_n = predicted_c = true_e = true_n = true_c = 0.0
    realised_e = realised_n = realised_c = 0.0
    for j in range(number):
        k = np.uintp(reached.picked[j])
        bid = min(np.float64(reached.offer[k]), budget)
        if bid < reached.price[k]:
            continue
        i = np.uintp(reached.first) + k
        s = np.uintp(columns.segment[i])
        cost = bid if pays_bid else np.float64(reached.price[k])
        budget -= cost
        won += 1
        paid += cost
        offered += bid
        source, bad = origin_of(i, overlay, columns.source[i], columns.invalid[i])
        origin = np.uintp(source)
        totals.segment_wins[b, s] += 1
        totals.segment_spend[b, s] += cost
        totals.source_wins[b, origin] += 1
        totals.source_spend[b, origin] += cost
        if full is None:
            continue
        scale = reached.value[k]
        expected_n = columns.interaction[i] * scale
        predicted_e += columns.exposure[i]
        predicted_n += expected_n
        predicted_c += columns.conversion[i] * scale
        totals.source_predicted[b, origin] += expected_n
        realised_e += columns.true_exposure[i]
        if bad:
            bad_wins += 1
            continue
        n, c = columns.true_interaction[i] * scale, columns.true_conversion[i] * scale
        true_e += columns.true_exposure[i]
        true_n += n
        true_c += c
        interactions = _interactions(i, n, columns.interacted, overlay.salt)
        realised_n += interactions
        totals.source_realised[b, origin] += interactions
        realised_c += _conversions(i, c, columns.converted, overlay.salt)
    totals.wins[b] += won
    totals.spend[b] += paid
    totals.committed[b] += offered
    totals.invalid_wins[b] += bad_wins
    add(totals.predicted, b, predicted_e, predicted_n, predicted_c)
    add(totals.true, b, true_e, true_n, true_c)
    add(totals.realised, b, realised_e, realised_n, realised_c)
    return budget


@numba.njit(cache=True, error_model="numpy")
def _interactions(i, expected, recorded, salt):  # type: ignore[no-untyped-def]
    """Realised interactions of auction i, as recorded or drawn."""
    if recorded is not None:
        return np.float64(recorded[i])
    return expected / EVENT_PROBABILITY if uniform_hash(i, salt, INTERACTED_STREAM) < EVENT_PROBABILITY else 0.0


@numba.njit(cache=True, error_model="numpy")
def _conversions(i, expected, recorded, salt):  # type: ignore[no-untyped-def]
    """Realised conversions of auction i, as recorded or drawn."""
    if recorded is not None:
        return np.float64(recorded[i])
    return np.floor(expected + uniform_hash(i, salt, CONVERTED_STREAM))

"""Charging the auctions that a chunk's bids reach, and counting what the won ones bring."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.event import COMPLETE, LIKE, VIEW
from bidpilot.envs.clearing.auction import (
    CONVERTED_STREAM,
    INTERACTED_STREAM,
    KIND_STREAM,
    VIEW_STREAM,
    faked,
    is_tracked,
    origin_of,
    uniform_hash,
)

EVENT_PROBABILITY = 0.1
"""Drawn interactions come in events: this often, and then the expectation divided by it (mean and scale stay exact)."""
COMPLETION = 0.35
"""Probability that a view that was told is of the whole video."""
KIND_SHARES = (0.71, 0.10, 0.12, 0.07)
"""Shares of like, comment, share and follow among the interactions that are drawn, those of the synthetic funnel."""
_FIRST_KIND, _SECOND_KIND, _THIRD_KIND = np.cumsum(KIND_SHARES)[:-1]


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
def settle(b, reached, number, budget, withheld, pays_bid, columns, overlay, won, outcomes):  # type: ignore[no-untyped-def]
    """Charge the first `number` auctions of `reached`, in order, while the budget lasts; returns the budget left.

    `withheld` (`Withheld`, or None) says what of it may not be bid. `won` (`Won`) counts wins and spend; `outcomes`
    (`Outcomes`, or None) what the won auctions bring, predictions before calibration.
    """
    wins, paid, offered, bad_wins = 0, 0.0, 0.0, 0
    predicted_e = predicted_n = predicted_c = true_e = true_n = true_c = 0.0
    realised_e = realised_n = realised_c = 0.0
    views = completed = 0
    tracked = is_tracked(overlay.sources)
    fake_events, fake_views = faked(overlay.sources)
    for j in range(number):
        k = np.uintp(reached.picked[j])
        bid = min(np.float64(reached.offer[k]), _free(b, budget, withheld))
        if bid < reached.price[k]:
            continue
        i = np.uintp(reached.first) + k
        s = np.uintp(columns.segment[i])
        cost = bid if pays_bid else np.float64(reached.price[k])
        budget -= cost
        _withhold(b, bid - cost, withheld)
        wins += 1
        paid += cost
        offered += bid
        source, bad = origin_of(i, overlay, columns.source[i], columns.invalid[i])
        origin = np.uintp(source)
        won.segment_wins[b, s] += 1
        won.segment_spend[b, s] += cost
        won.source_wins[b, origin] += 1
        won.source_spend[b, origin] += cost
        if outcomes is None:
            continue
        scale = reached.value[k]
        expected_n = columns.interaction[i] * scale
        predicted_e += columns.exposure[i]
        predicted_n += expected_n
        predicted_c += columns.conversion[i] * scale
        outcomes.source_exposed[b, origin] += columns.exposure[i]
        outcomes.source_predicted[b, origin] += expected_n
        n, c = columns.true_interaction[i] * scale, columns.true_conversion[i] * scale
        if bad:
            bad_wins += 1
        else:
            true_e += columns.true_exposure[i]
            true_n += n
            true_c += c
        if not tracked:
            continue
        realised_e += columns.true_exposure[i]
        playing = columns.true_exposure[i] * (fake_views if bad else np.float32(1.0))
        viewed, whole = _view(i, playing, columns.interacted, overlay.salt)
        views += viewed
        completed += whole
        outcomes.source_views[b, origin] += viewed
        if bad and not fake_events > 0.0:
            continue
        interactions = _interactions(i, n, fake_events if bad else np.float32(1.0), columns.interacted, overlay.salt)
        realised_n += interactions
        outcomes.source_realised[b, origin] += interactions
        if interactions > 0.0:
            outcomes.source_events[b, origin] += 1
            _count_kind(b, i, columns.interacted, overlay.salt, outcomes.funnel)
        if bad:
            continue
        conversions = _conversions(i, c, columns.converted, overlay.salt)
        realised_c += conversions
        outcomes.source_converted[b, origin] += conversions
    won.wins[b] += wins
    won.spend[b] += paid
    won.committed[b] += offered
    if outcomes is not None:
        outcomes.invalid_wins[b] += bad_wins
        outcomes.funnel[b, VIEW] += views
        outcomes.funnel[b, COMPLETE] += completed
        add(outcomes.predicted, b, predicted_e, predicted_n, predicted_c)
        add(outcomes.true, b, true_e, true_n, true_c)
        add(outcomes.realised, b, realised_e, realised_n, realised_c)
    return budget


@numba.njit(inline="always")
def _free(b, budget, withheld):  # type: ignore[no-untyped-def]
    """What of row b's budget left may be bid."""
    if withheld is None:
        return budget
    return budget - withheld.amount[b]


@numba.njit(inline="always")
def _withhold(b, excess, withheld):  # type: ignore[no-untyped-def]
    """Withhold what a bid of row b exceeds its price by until the win is reported."""
    if withheld is None:
        return
    if withheld.rows[b]:
        withheld.amount[b] += excess


@numba.njit(cache=True, error_model="numpy")
def _interactions(i, expected, often, recorded, salt):  # type: ignore[no-untyped-def]
    """Realised interactions of auction i, as recorded or drawn; `often` times as often as people interact."""
    if recorded is not None:
        return np.float64(recorded[i])
    likely = EVENT_PROBABILITY * often
    return expected / EVENT_PROBABILITY if uniform_hash(i, salt, INTERACTED_STREAM) < likely else 0.0


@numba.njit(cache=True, error_model="numpy")
def _conversions(i, expected, recorded, salt):  # type: ignore[no-untyped-def]
    """Realised conversions of auction i, as recorded or drawn."""
    if recorded is not None:
        return np.float64(recorded[i])
    return np.floor(expected + uniform_hash(i, salt, CONVERTED_STREAM))


@numba.njit(cache=True, error_model="numpy")
def _view(i, chance, recorded, salt):  # type: ignore[no-untyped-def]
    """Whether a view of auction i is told, 0 or 1, and whether of the whole; recorded outcomes tell none."""
    if recorded is not None:
        return np.int64(0), np.int64(0)
    u = uniform_hash(i, salt, VIEW_STREAM)
    return np.int64(u < chance), np.int64(u < chance * COMPLETION)  # given a view, u / chance is uniform


@numba.njit(cache=True, error_model="numpy")
def _count_kind(b, i, recorded, salt, funnel):  # type: ignore[no-untyped-def]
    """Count an interaction by its kind, where it is drawn; sums, which logs record, have none."""
    if recorded is not None:
        return
    u = uniform_hash(i, salt, KIND_STREAM)
    kind = np.int64(u >= _FIRST_KIND) + np.int64(u >= _SECOND_KIND) + np.int64(u >= _THIRD_KIND)
    funnel[b, LIKE + kind] += 1

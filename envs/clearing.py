"""Clearing: auctions of one slot, in arrival order, for every row of a batch of days.

`a = min(bid, budget left)`; won if `a >= market price` (a tie wins); second price pays the market
price, first price pays `a`. Budget arithmetic is float64, so spend never passes the budget.
One kernel serves every market and both prices. Bids see predictions; scores see true values.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding import shading as shading_grid
from bidpilot.bidding.action import Rule
from bidpilot.bidding.campaign import CampaignBatch
from bidpilot.bidding.plan import RATIO_QUANTILES
from bidpilot.bidding.statistics import TOTALS, SlotTotals
from bidpilot.envs.days import DayBatch, Market

_OCTAVES = 12  # value per price is counted in bins between 2 ** -12 and 2 ** 12 ...
_BINS_LOG2 = 3  # ... 2 ** 3 of them to the octave
_BINS = 2 * _OCTAVES << _BINS_LOG2
_SHIFT = 23 - _BINS_LOG2
_FIRST_BIN = (127 - _OCTAVES) << _BINS_LOG2

_CHUNK = 256
EVENT_PROBABILITY = 0.1
"""Drawn interactions come in events: this often, and then the expectation divided by it (mean and scale stay exact)."""
_SHADE_OCTAVES, _SHADE_POINTS = shading_grid.OCTAVES, shading_grid.POINTS


@numba.njit(inline="always")
def uniform_hash(index: int, salt: np.uint64, stream: np.uint64) -> float:
    """A uniform number in [0, 1) that depends on the auction, the day's salt and the stream alone.

    The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    z = np.uint64(index) * np.uint64(0x9E3779B97F4A7C15) + salt + stream * np.uint64(0xD1B54A32D192ED03)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


THIN_STREAM, INVALID_STREAM, _INTERACTED, _CONVERTED = (np.uint64(k) for k in range(1, 5))


@numba.njit(inline="always")
def _octave_bin(ratio, shift, first, bins):  # type: ignore[no-untyped-def]
    """Bin of a positive float32 on a grid that is linear within an octave: its leading bits."""
    return min(max((np.float32(ratio).view(np.int32) >> shift) - first, 0), bins - 1)


@numba.njit(inline="always")
def _bin_edge(k):  # type: ignore[no-untyped-def]
    """Lower edge of bin k of value per price."""
    octave = k >> _BINS_LOG2
    return 2.0 ** (octave - _OCTAVES) * (1.0 + (k & ((1 << _BINS_LOG2) - 1)) / (1 << _BINS_LOG2))


@numba.njit(cache=True, error_model="numpy")
def _quantiles_from_bins(counts, total, quantiles, out):  # type: ignore[no-untyped-def]
    """Quantiles, interpolated inside the bin they fall into."""
    seen, k = 0, 0
    for j in range(quantiles.size):
        target = quantiles[j] * total
        while k < _BINS - 1 and seen + counts[k] < target:
            seen += counts[k]
            k += 1
        low = _bin_edge(k)
        inside = (target - seen) / counts[k] if counts[k] > 0 else 0.0
        out[j] = low + (_bin_edge(k + 1) - low) * inside


@numba.njit(cache=True, error_model="numpy")
def _price_and_bid(prices, e_of, n_of, c_of, segments_of, price_of, coefficient, price_out, bid_out):  # type: ignore[no-untyped-def]
    for k in range(prices.size):
        s = np.uintp(segments_of[k])
        price_out[k] = prices[k] * price_of[s]
    for k in range(prices.size):
        s = np.uintp(segments_of[k])
        bid_out[k] = (
            coefficient[s, 0] * e_of[k] + coefficient[s, 1] * n_of[k] + coefficient[s, 2] * c_of[k] + coefficient[s, 3]
        )


@numba.njit(cache=True, error_model="numpy")
def _ratio_bins(e_of, n_of, c_of, segments_of, base, price, out):  # type: ignore[no-untyped-def]
    for k in range(e_of.size):
        s = np.uintp(segments_of[k])
        ratio = (base[s, 0] * e_of[k] + base[s, 1] * n_of[k] + base[s, 2] * c_of[k]) / price[k]
        out[k] = _octave_bin(ratio, _SHIFT, _FIRST_BIN, _BINS)


@numba.njit(cache=True, error_model="numpy")
def _clear(  # type: ignore[no-untyped-def]
    # the log's columns, (N,)
    market_price,
    exposure,
    interaction,
    conversion,
    true_exposure,
    true_interaction,
    true_conversion,
    segment,
    source,
    invalid,
    interacted,  # None: outcomes are drawn
    converted,
    # the slot of each row
    start,  # (B,)
    count,  # (B,)
    keep,  # (B, S) or None
    price_scale,  # (B, S)
    value_scale,  # (B, S)
    calibration,  # (B, 3)
    invalid_share,  # (B,)
    invalid_source,  # (B,)
    salt,  # (B,)
    # the rule of each row
    alpha,  # (B, 3)
    multiplier,  # (B, S)
    beta,  # (B, S)
    left,  # (B,) float64, reduced in place
    first_price,  # (B,)
    shading,  # (_SHADE_POINTS,) factors, used where first_price
    shading_unit,  # currency: the mean price that the factors are given for
    reference,  # (B, 3) coefficients that value per price is counted at, or None: no statistics
    quantiles,  # (5,)
    # totals, (B, ...), overwritten
    auctions,
    requested,
    price_sum,
    wins,
    spend,
    committed,
    predicted,
    true,
    realised,
    invalid_wins,
    segment_auctions,
    segment_wins,
    segment_spend,
    source_wins,
    source_spend,
    source_predicted,
    source_realised,
    ratio_quantiles,
):
    rows, segments = multiplier.shape
    coefficient = np.empty((segments, 4), np.float32)
    base = np.empty((segments, 3), np.float32)
    price_of = np.empty(segments, np.float32)
    true_scale = np.empty(segments, np.float32)
    n_scale = np.empty(segments, np.float32)
    c_scale = np.empty(segments, np.float32)
    seen = np.zeros((segments, 4))
    won = np.zeros((segments, 2))
    by_source = np.zeros((source_wins.shape[1], 4))
    histogram = np.zeros(_BINS, np.int32)
    chunk_price = np.empty(_CHUNK, np.float32)
    chunk_bid = np.empty(_CHUNK, np.float32)
    chunk_bin = np.empty(_CHUNK, np.uint32)
    for b in range(rows):
        for s in range(segments):
            true_scale[s] = value_scale[b, s]
            n_scale[s] = calibration[b, 1] * value_scale[b, s]
            c_scale[s] = calibration[b, 2] * value_scale[b, s]
            coefficient[s, 0] = multiplier[b, s] * alpha[b, 0] * calibration[b, 0]
            coefficient[s, 1] = multiplier[b, s] * alpha[b, 1] * n_scale[s]
            coefficient[s, 2] = multiplier[b, s] * alpha[b, 2] * c_scale[s]
            coefficient[s, 3] = beta[b, s]
            price_of[s] = price_scale[b, s]
            if reference is not None:
                base[s, 0] = reference[b, 0] * calibration[b, 0]
                base[s, 1] = reference[b, 1] * n_scale[s]
                base[s, 2] = reference[b, 2] * c_scale[s]
            seen[s, :] = 0.0
            won[s, :] = 0.0
        predicted_0 = predicted_1 = predicted_2 = 0.0
        true_0 = true_1 = true_2 = 0.0
        realised_0 = realised_1 = realised_2 = 0.0
        by_source[:, :] = 0.0
        histogram[:] = 0
        budget = left[b]
        row_spend = 0.0
        row_committed = 0.0
        row_price = 0.0
        row_invalid = 0
        overlay = invalid_share[b] > 0.0
        pays_bid = first_price[b]
        first = start[b]
        last = first + count[b]
        prices, segments_of, sources_of = market_price[first:last], segment[first:last], source[first:last]
        e_of, n_of, c_of = exposure[first:last], interaction[first:last], conversion[first:last]
        for at in range(0, prices.size, _CHUNK):
            size = min(_CHUNK, prices.size - at)
            _price_and_bid(
                prices[at : at + size],
                e_of[at : at + size],
                n_of[at : at + size],
                c_of[at : at + size],
                segments_of[at : at + size],
                price_of,
                coefficient,
                chunk_price,
                chunk_bid,
            )
            if reference is not None:
                _ratio_bins(
                    e_of[at : at + size],
                    n_of[at : at + size],
                    c_of[at : at + size],
                    segments_of[at : at + size],
                    base,
                    chunk_price,
                    chunk_bin,
                )
            for k in range(size):
                i = first + at + k
                s = np.uintp(segments_of[at + k])  # type: ignore[assignment]
                if keep is not None and uniform_hash(i, salt[b], THIN_STREAM) >= keep[b, s]:
                    continue
                price = chunk_price[k]
                seen[s, 3] += 1.0
                if reference is not None:
                    seen[s, 0] += e_of[at + k]
                    seen[s, 1] += n_of[at + k]
                    seen[s, 2] += c_of[at + k]
                    row_price += price
                    histogram[chunk_bin[k]] += 1
                bid = np.float64(chunk_bid[k])
                if pays_bid:
                    bid = _shade(bid, shading, shading_unit)
                if bid > budget:
                    bid = budget
                if bid < price:
                    continue
                cost = bid if pays_bid else np.float64(price)
                budget -= cost
                row_spend += cost
                row_committed += bid
                origin = np.uintp(sources_of[at + k])
                bad = invalid[i]
                if overlay and uniform_hash(i, salt[b], INVALID_STREAM) < invalid_share[b]:
                    bad = True
                    origin = np.uintp(invalid_source[b])
                won[s, 0] += 1.0
                won[s, 1] += cost
                by_source[origin, 0] += 1.0
                by_source[origin, 1] += cost
                if reference is None:
                    continue
                e, n, c = e_of[at + k], n_of[at + k], c_of[at + k]
                predicted_n = n * n_scale[s]
                predicted_0 += e
                predicted_1 += predicted_n
                predicted_2 += c * c_scale[s]
                by_source[origin, 2] += predicted_n
                true_e = true_exposure[i]
                realised_0 += true_e
                if bad:
                    row_invalid += 1
                    continue
                true_n, true_c = true_interaction[i] * true_scale[s], true_conversion[i] * true_scale[s]
                true_0 += true_e
                true_1 += true_n
                true_2 += true_c
                if interacted is None:
                    got_n = (
                        true_n / EVENT_PROBABILITY if uniform_hash(i, salt[b], _INTERACTED) < EVENT_PROBABILITY else 0.0
                    )
                else:
                    got_n = np.float64(interacted[i])
                if converted is None:
                    got_c = np.floor(true_c + uniform_hash(i, salt[b], _CONVERTED))
                else:
                    got_c = np.float64(converted[i])
                realised_1 += got_n
                realised_2 += got_c
                by_source[origin, 3] += got_n
        left[b] = budget
        predicted[b, 0], predicted[b, 1], predicted[b, 2] = (
            predicted_0 * calibration[b, 0],
            predicted_1,
            predicted_2,
        )
        true[b, 0], true[b, 1], true[b, 2] = true_0, true_1, true_2
        realised[b, 0], realised[b, 1], realised[b, 2] = realised_0, realised_1, realised_2
        spend[b] = row_spend
        committed[b] = row_committed
        price_sum[b] = row_price
        invalid_wins[b] = row_invalid
        auctions[b] = 0
        wins[b] = 0
        requested[b, :] = 0.0
        for s in range(segments):
            segment_auctions[b, s] = np.int64(seen[s, 3])
            segment_wins[b, s] = np.int64(won[s, 0])
            segment_spend[b, s] = won[s, 1]
            auctions[b] += segment_auctions[b, s]
            wins[b] += segment_wins[b, s]
            requested[b, 0] += seen[s, 0] * calibration[b, 0]
            requested[b, 1] += seen[s, 1] * n_scale[s]
            requested[b, 2] += seen[s, 2] * c_scale[s]
        for o in range(by_source.shape[0]):
            source_wins[b, o] = np.int64(by_source[o, 0])
            source_spend[b, o] = by_source[o, 1]
            source_predicted[b, o] = by_source[o, 2]
            source_realised[b, o] = by_source[o, 3]
        if reference is not None:
            if auctions[b] > 0:
                _quantiles_from_bins(histogram, auctions[b], quantiles, ratio_quantiles[b])
            else:
                ratio_quantiles[b, :] = 0.0


@numba.njit(inline="always")
def _shade(value, factors, unit):  # type: ignore[no-untyped-def]
    """The bid for a value under first price: the value times a factor, linear between grid points."""
    if value <= 0.0:
        return value
    ratio = np.float32(value / unit)
    k = _octave_bin(ratio, 20, (127 - _SHADE_OCTAVES) << 3, _SHADE_POINTS)
    octave = k >> 3
    low = 2.0 ** (octave - _SHADE_OCTAVES) * (1.0 + (k & 7) / 8.0)
    width = 2.0 ** (octave - _SHADE_OCTAVES) / 8.0
    inside = min(max((ratio - low) / width, 0.0), 1.0)
    following = factors[min(k + 1, _SHADE_POINTS - 1)]
    return value * (factors[k] + (following - factors[k]) * inside)


def clear_slot(
    market: Market,
    days: DayBatch,
    t: int,
    campaigns: CampaignBatch,
    rule: Rule,
    left: NDArray[np.float64],
    shading: NDArray[np.float64],
    shading_unit: float,
    reference: NDArray[np.float64] | None,
    out: SlotTotals,
) -> None:
    """Clear slot `t` of B days under one rule per row; overwrites `out` and reduces `left` (B,), currency.

    `shading` and its unit serve the rows under first price. With `reference` (B, 3) None only auctions,
    wins and spend are counted, per segment and source.
    """
    log = market.log
    drawn = market.draws_outcomes
    _clear(
        log.market_price,
        log.exposure,
        log.interaction,
        log.conversion,
        log.true_exposure,
        log.true_interaction,
        log.true_conversion,
        log.segment,
        log.source,
        log.invalid,
        None if drawn else log.interacted,
        None if drawn else log.converted,
        days.start[:, t],
        days.count[:, t],
        None if days.keep is None else days.keep[:, t],
        days.price_scale[:, t],
        days.value_scale[:, t],
        days.calibration,
        days.invalid_share[:, t],
        days.invalid_source[:, t],
        days.salt,
        rule.alpha,
        rule.multiplier,
        rule.beta,
        left,
        campaigns.first_price,
        shading,
        shading_unit,
        reference,
        RATIO_QUANTILES,
        *(getattr(out, name) for name in TOTALS),
    )

"""Clearing: auctions of one slot, in arrival order, for every row of a batch of days.

`a = min(bid, budget left)`; won if `a >= market price` (a tie wins); second price pays the market
price, first price pays `a`. Budget arithmetic is float64, so spend never passes the budget.
One kernel serves every market and both prices. Bids see predictions; scores see true values.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.statistics import SlotTotals
from bidpilot.bidding.landscape import shading as shading_grid
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES
from bidpilot.bidding.rule import Rule
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market

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
def uniform_hash(index: int | np.unsignedinteger, salt: np.uint64, stream: np.uint64) -> float:
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
def octave_bin(ratio, shift, first, bins):  # type: ignore[no-untyped-def]
    """Bin of a positive float32 on a grid that is linear within an octave: its leading bits."""
    return min(max((np.float32(ratio).view(np.int32) >> shift) - first, 0), bins - 1)


_EDGES = np.array(
    [
        2.0 ** ((k >> _BINS_LOG2) - _OCTAVES) * (1.0 + k % (1 << _BINS_LOG2) / (1 << _BINS_LOG2))
        for k in range(_BINS + 1)
    ]
)
"""Edges of the bins of value per price."""

# columns of a row's table of factors per segment
_VALUE, _MULTIPLIER, _BETA, _PRICE, _FACTORS = range(5)


@numba.njit(cache=True, error_model="numpy")
def _quantiles_from_bins(counts, total, quantiles, out):  # type: ignore[no-untyped-def]
    """Quantiles, interpolated inside the bin they fall into."""
    seen, k = 0, 0
    for j in range(quantiles.size):
        target = quantiles[j] * total
        goal = np.int64(np.ceil(target))
        while k < _BINS - 1 and seen + counts[k] < goal:
            seen += counts[k]
            k += 1
        inside = (target - seen) / counts[k] if counts[k] > 0 else 0.0
        out[j] = _EDGES[k] + (_EDGES[k + 1] - _EDGES[k]) * inside


@numba.njit(cache=True, error_model="numpy")
def _load_row(b, price_scale, value_scale, rule, table):  # type: ignore[no-untyped-def]
    """What row b multiplies by, per segment, float32 as the columns are: the columns of `table` (S, 4)."""
    _, multiplier, beta = rule
    for s in range(table.shape[0]):
        table[s, _VALUE] = value_scale[b, s]
        table[s, _MULTIPLIER] = multiplier[b, s]
        table[s, _BETA] = beta[b, s]
        table[s, _PRICE] = price_scale[b, s]


@numba.njit(inline="always")
def _weights(b, coefficients, calibration):  # type: ignore[no-untyped-def]
    """What row b multiplies the log's triple by, float32; interaction and conversion once more by their segment's."""
    return (
        np.float32(coefficients[b, 0] * calibration[b, 0]),
        np.float32(coefficients[b, 1] * calibration[b, 1]),
        np.float32(coefficients[b, 2] * calibration[b, 2]),
    )


@numba.njit(cache=True, error_model="numpy")
def _look_up(segments_of, table, factors):  # type: ignore[no-untyped-def]
    """Factors (4, N) of a chunk, by the segment of each auction: looked up first, so that the rest runs in vectors."""
    for k in range(segments_of.size):
        s = np.uintp(segments_of[k])
        factors[_VALUE, k] = table[s, _VALUE]
        factors[_MULTIPLIER, k] = table[s, _MULTIPLIER]
        factors[_BETA, k] = table[s, _BETA]
        factors[_PRICE, k] = table[s, _PRICE]


@numba.njit(cache=True, error_model="numpy")
def _price_and_bid(prices, e_of, n_of, c_of, factors, weights, price_out, bid_out):  # type: ignore[no-untyped-def]
    """Market prices and unshaded bids of a chunk."""
    by_e, by_n, by_c = weights
    value, multiplier, beta, scale = factors[_VALUE], factors[_MULTIPLIER], factors[_BETA], factors[_PRICE]
    for k in range(prices.size):
        price_out[k] = prices[k] * scale[k]
        worth = by_e * e_of[k] + value[k] * (by_n * n_of[k] + by_c * c_of[k])
        bid_out[k] = multiplier[k] * worth + beta[k]


@numba.njit(cache=True, error_model="numpy")
def _thin(first, size, segments_of, keep, salt, price_out):  # type: ignore[no-untyped-def]
    """Give the auctions that do not arrive an infinite price: nobody wins them and nobody counts them."""
    for k in range(size):
        if uniform_hash(first + k, salt, THIN_STREAM) >= keep[segments_of[k]]:
            price_out[k] = np.inf


@numba.njit(cache=True, error_model="numpy")
def _bin(e_of, n_of, c_of, value, weights, price, bin_out):  # type: ignore[no-untyped-def]
    """Bin of the value per price of a chunk's auctions."""
    by_e, by_n, by_c = weights
    for k in range(e_of.size):
        ratio = (by_e * e_of[k] + value[k] * (by_n * n_of[k] + by_c * c_of[k])) / price[k]
        bin_out[k] = octave_bin(ratio, _SHIFT, _FIRST_BIN, _BINS)


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc"})  # sums in any order: in vectors
def _request(e_of, n_of, c_of, value, price):  # type: ignore[no-untyped-def]
    """KPI and price of all auctions of a chunk that arrive, summed, before calibration."""
    total_e = total_n = total_c = total_price = 0.0
    for k in range(e_of.size):
        arrives = np.float32(1.0 if price[k] < np.inf else 0.0)
        total_e += arrives * e_of[k]
        total_n += arrives * (value[k] * n_of[k])
        total_c += arrives * (value[k] * c_of[k])
        total_price += price[k] if price[k] < np.inf else 0.0
    return total_e, total_n, total_c, total_price


@numba.njit(cache=True, error_model="numpy")
def _count(segments_of, price, bins, histogram, segment_auctions):  # type: ignore[no-untyped-def]
    """Count the auctions that arrive, by segment and, where there is a histogram, by bin."""
    for k in range(segments_of.size):
        arrives = np.int32(price[k] < np.inf)
        segment_auctions[np.uintp(segments_of[k])] += arrives
        if histogram is not None:
            histogram[bins[k]] += arrives


@numba.njit(cache=True, error_model="numpy")
def _shade_bids(bid, shading, shading_unit):  # type: ignore[no-untyped-def]
    for k in range(bid.size):
        bid[k] = _shade(bid[k], shading, shading_unit)


@numba.njit(cache=True, error_model="numpy")
def _pick(price, bid, reaches, picked):  # type: ignore[no-untyped-def]
    """Positions of the auctions whose bid reaches the market price; compared first, in vectors, then listed."""
    for k in range(price.size):
        reaches[k] = bid[k] >= price[k]
    n = np.uintp(0)  # unsigned: a signed index is checked for being negative
    for k in range(price.size):
        picked[n] = k
        n += np.uintp(reaches[k])
    return n


@numba.njit(cache=True, error_model="numpy")
def _interactions(i, expected, recorded, salt):  # type: ignore[no-untyped-def]
    """Realised interactions of auction i, as recorded or drawn."""
    if recorded is not None:
        return np.float64(recorded[i])
    return expected / EVENT_PROBABILITY if uniform_hash(i, salt, _INTERACTED) < EVENT_PROBABILITY else 0.0


@numba.njit(cache=True, error_model="numpy")
def _conversions(i, expected, recorded, salt):  # type: ignore[no-untyped-def]
    """Realised conversions of auction i, as recorded or drawn."""
    if recorded is not None:
        return np.float64(recorded[i])
    return np.floor(expected + uniform_hash(i, salt, _CONVERTED))


@numba.njit(cache=True, error_model="numpy")
def _settle(  # type: ignore[no-untyped-def]
    b, first, picked, reached, price, offer, budget, pays_bid,
    columns, interacted, converted, overlay, value, full, totals,
):  # fmt: skip
    """Charge the auctions reached, in order, while the budget lasts; returns the budget left.

    Predicted KPI are counted before calibration. Without `full` only wins and spend are counted.
    """
    exposure, interaction, conversion, true_exposure, true_interaction, true_conversion = columns[:6]
    segment, source, invalid = columns[6:]
    invalid_share, invalid_source, salt = overlay
    wins, spend, committed, predicted, true, realised, invalid_wins = totals[:7]
    segment_wins, segment_spend, source_wins, source_spend, source_predicted, source_realised = totals[7:]
    won, paid, offered, bad_wins = 0, 0.0, 0.0, 0
    predicted_e = predicted_n = predicted_c = true_e = true_n = true_c = 0.0
    realised_e = realised_n = realised_c = 0.0
    for j in range(reached):
        k = np.uintp(picked[j])
        bid = min(np.float64(offer[k]), budget)
        if bid < price[k]:
            continue
        i = np.uintp(first) + k
        s = np.uintp(segment[i])
        cost = bid if pays_bid else np.float64(price[k])
        budget -= cost
        won += 1
        paid += cost
        offered += bid
        bad = invalid[i]
        origin = np.uintp(source[i])
        if invalid_share > 0.0 and uniform_hash(i, salt, INVALID_STREAM) < invalid_share:
            bad = True
            origin = np.uintp(invalid_source)
        segment_wins[b, s] += 1
        segment_spend[b, s] += cost
        source_wins[b, origin] += 1
        source_spend[b, origin] += cost
        if full is None:
            continue
        expected_n = interaction[i] * value[k]
        predicted_e += exposure[i]
        predicted_n += expected_n
        predicted_c += conversion[i] * value[k]
        source_predicted[b, origin] += expected_n
        realised_e += true_exposure[i]
        if bad:
            bad_wins += 1
            continue
        n, c = true_interaction[i] * value[k], true_conversion[i] * value[k]
        true_e += true_exposure[i]
        true_n += n
        true_c += c
        interactions = _interactions(i, n, interacted, salt)
        realised_n += interactions
        source_realised[b, origin] += interactions
        realised_c += _conversions(i, c, converted, salt)
    wins[b] += won
    spend[b] += paid
    committed[b] += offered
    invalid_wins[b] += bad_wins
    _add(predicted, b, predicted_e, predicted_n, predicted_c)
    _add(true, b, true_e, true_n, true_c)
    _add(realised, b, realised_e, realised_n, realised_c)
    return budget


@numba.njit(inline="always")
def _add(total, b, e, n, c):  # type: ignore[no-untyped-def]
    total[b, 0] += e
    total[b, 1] += n
    total[b, 2] += c


@numba.njit(cache=True, error_model="numpy")
def _clear(  # type: ignore[no-untyped-def]
    market_price,  # (N,)
    columns,  # exposure, interaction, conversion, their true values, segment, source, invalid; each (N,)
    interacted,  # (N,) or None: outcomes are drawn
    converted,  # (N,) or None
    windows,  # start, count (B,)
    keep,  # (B, S) or None: every auction arrives
    scales,  # price_scale, value_scale (B, S), calibration (B, 3)
    overlays,  # invalid_share, invalid_source, salt (B,)
    rule,  # alpha (B, 3), multiplier, beta (B, S)
    left,  # (B,) float64, reduced in place
    prices,  # first_price (B,), shading factors (_SHADE_POINTS,) and the mean price they are given for
    reference,  # (B, 3) coefficients that value per price is counted at, or None: no statistics
    quantiles,  # (5,)
    requests,  # auctions, requested, price_sum, segment_auctions, ratio_quantiles: (B, ...), overwritten
    totals,  # wins, spend ... of the won auctions: (B, ...), overwritten
):
    exposure, interaction, conversion, segment = columns[0], columns[1], columns[2], columns[6]
    start, count = windows
    price_scale, value_scale, calibration = scales
    predicted, source_predicted = totals[3], totals[11]  # see WON
    first_price, shading, shading_unit = prices
    auctions, requested, price_sum, segment_auctions, ratio_quantiles = requests
    table = np.zeros((segment_auctions.shape[1], _FACTORS), np.float32)
    factors = np.empty((_FACTORS, _CHUNK), np.float32)
    histogram = np.zeros(_BINS, np.int32)
    price, bid, bins = np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.uint32)
    reaches, picked = np.empty(_CHUNK, np.uint8), np.empty(_CHUNK + 1, np.int32)
    for b in range(start.size):
        _load_row(b, price_scale, value_scale, rule, table)
        weights = _weights(b, rule[0], calibration)
        overlay = (overlays[0][b], overlays[1][b], overlays[2][b])
        histogram[:] = 0
        for at in range(start[b], start[b] + count[b], _CHUNK):
            end = min(at + _CHUNK, start[b] + count[b])
            e, n, c, segments = exposure[at:end], interaction[at:end], conversion[at:end], segment[at:end]
            shown = price[: end - at]
            _look_up(segments, table, factors)
            _price_and_bid(market_price[at:end], e, n, c, factors, weights, shown, bid)
            if keep is not None:
                _thin(at, end - at, segments, keep[b], overlay[2], shown)
            if reference is not None:
                _bin(e, n, c, factors[_VALUE], _weights(b, reference, calibration), shown, bins)
                sum_e, sum_n, sum_c, sum_price = _request(e, n, c, factors[_VALUE], shown)
                _add(requested, b, sum_e, sum_n, sum_c)
                price_sum[b] += sum_price
            _count(segments, shown, bins, None if reference is None else histogram, segment_auctions[b])
            if first_price[b]:
                _shade_bids(bid[: end - at], shading, shading_unit)
            reached = _pick(shown, bid, reaches, picked)
            left[b] = _settle(
                b, at, picked, reached, shown, bid, left[b], first_price[b], columns, interacted, converted, overlay,
                factors[_VALUE], reference, totals,
            )  # fmt: skip
        auctions[b] = segment_auctions[b].sum()
        if reference is not None:
            for j in range(3):
                requested[b, j] *= calibration[b, j]
                predicted[b, j] *= calibration[b, j]
            source_predicted[b] *= calibration[b, 1]
            if auctions[b] > 0:
                _quantiles_from_bins(histogram, auctions[b], quantiles, ratio_quantiles[b])


@numba.njit(inline="always")
def _shade(value, factors, unit):  # type: ignore[no-untyped-def]
    """The bid for a value under first price: the value times a factor, linear between grid points."""
    if value <= 0.0:
        return value
    ratio = np.float32(value / unit)
    k = octave_bin(ratio, 20, (127 - _SHADE_OCTAVES) << 3, _SHADE_POINTS)
    octave = k >> 3
    low = 2.0 ** (octave - _SHADE_OCTAVES) * (1.0 + (k & 7) / 8.0)
    width = 2.0 ** (octave - _SHADE_OCTAVES) / 8.0
    inside = min(max((ratio - low) / width, 0.0), 1.0)
    following = factors[min(k + 1, _SHADE_POINTS - 1)]
    return value * (factors[k] + (following - factors[k]) * inside)


REQUESTED = ("auctions", "requested", "price_sum", "segment_auctions", "ratio_quantiles")
"""Slot totals of all auctions, in the kernel's order."""
WON = (
    "wins",
    "spend",
    "committed",
    "predicted",
    "true",
    "realised",
    "invalid_wins",
    "segment_wins",
    "segment_spend",
    "source_wins",
    "source_spend",
    "source_predicted",
    "source_realised",
)
"""Slot totals of the won auctions, in the kernel's order."""


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
    for name in (*REQUESTED, *WON):
        getattr(out, name).fill(0)
    _clear(
        log.market_price,
        (
            log.exposure,
            log.interaction,
            log.conversion,
            log.true_exposure,
            log.true_interaction,
            log.true_conversion,
            log.segment,
            log.source,
            log.invalid,
        ),
        None if drawn else log.interacted,
        None if drawn else log.converted,
        (days.start[:, t], days.count[:, t]),
        None if days.keep is None else days.keep[:, t],
        (days.price_scale[:, t], days.value_scale[:, t], days.calibration),
        (days.invalid_share[:, t], days.invalid_source[:, t], days.salt),
        (rule.alpha, rule.multiplier, rule.beta),
        left,
        (campaigns.first_price, shading, shading_unit),
        reference,
        RATIO_QUANTILES,
        tuple(getattr(out, name) for name in REQUESTED),
        tuple(getattr(out, name) for name in WON),
    )

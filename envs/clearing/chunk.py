"""Passes over a chunk of one slot's auctions, each simple enough to run in vectors."""

from __future__ import annotations

import numba
import numpy as np

from bidpilot.bidding.landscape.octaves import RATIOS
from bidpilot.envs.clearing.auction import (
    arrives,
    bid_of,
    market_price,
    moves,
    octave_bin,
    origin_of,
    shaded,
    source_arrives,
    worth_of,
)

CHUNK = 256
"""Auctions of a chunk."""
BINS = RATIOS.bins
_SHIFT, _FIRST_BIN, _EDGES = RATIOS.shift, RATIOS.first, RATIOS.edges()

# columns of a row's table of factors per segment
VALUE, MULTIPLIER, BETA, PRICE, FACTORS = range(5)


@numba.njit(cache=True, error_model="numpy")
def load_row(b, t, days, rule, table):  # type: ignore[no-untyped-def]
    """What row b multiplies by in slot t, per segment, float32 as the columns are: the columns of `table` (S, 4)."""
    for s in range(table.shape[0]):
        table[s, VALUE] = days.value_scale[b, t, s]
        table[s, MULTIPLIER] = rule.multiplier[b, s]
        table[s, BETA] = rule.beta[b, s]
        table[s, PRICE] = days.price_scale[b, t, s]


@numba.njit(cache=True, error_model="numpy")
def look_up(segments_of, table, factors):  # type: ignore[no-untyped-def]
    """Factors (4, N) of a chunk, by the segment of each auction: looked up first, so that the rest runs in vectors."""
    for k in range(segments_of.size):
        s = np.uintp(segments_of[k])
        factors[VALUE, k] = table[s, VALUE]
        factors[MULTIPLIER, k] = table[s, MULTIPLIER]
        factors[BETA, k] = table[s, BETA]
        factors[PRICE, k] = table[s, PRICE]


@numba.njit(cache=True, error_model="numpy")
def price_and_bid(prices, kpis, factors, weights, price_out, bid_out):  # type: ignore[no-untyped-def]
    """Market prices and unshaded bids of a chunk; `kpis` are its columns of the triple."""
    e_of, n_of, c_of = kpis
    value, multiplier, beta, scale = factors[VALUE], factors[MULTIPLIER], factors[BETA], factors[PRICE]
    for k in range(prices.size):
        price_out[k] = market_price(prices[k], scale[k])
        bid_out[k] = bid_of(worth_of(weights, value[k], e_of[k], n_of[k], c_of[k]), multiplier[k], beta[k])


@numba.njit(cache=True, error_model="numpy")
def thin(first, segments_of, keep, b, t, salt, price_out):  # type: ignore[no-untyped-def]
    """Give the auctions that do not arrive an infinite price: nobody wins them and nobody counts them."""
    if keep is None:
        return
    for k in range(segments_of.size):
        if not arrives(first + k, salt, keep, b, t, segments_of[k]):
            price_out[k] = np.inf


@numba.njit(cache=True, error_model="numpy")
def thin_sources(first, sources_of, sources, salt, price_out):  # type: ignore[no-untyped-def]
    """As `thin`, by the log's sources."""
    if sources is None:
        return
    if sources.keep.min() >= 1.0:
        return
    for k in range(sources_of.size):
        if not source_arrives(first + k, salt, sources, sources_of[k]):
            price_out[k] = np.inf


@numba.njit(cache=True, error_model="numpy")
def pass_gate(first, sources_of, gate, b, overlay, room, price_out, bid_out, seen):  # type: ignore[no-untyped-def]
    """Discount the bids of a chunk by source, and refuse: a refused auction gets an infinite price, as in `thin`.

    Requests are counted by source in `seen` (C,), the refused among them. `room` holds an origin and a multiplier for
    each auction of a chunk.
    """
    if gate is None:
        return
    origins, passing = room
    if moves(overlay.share, overlay.sources):
        for k in range(sources_of.size):
            origins[k], _ = origin_of(first + k, overlay, sources_of[k], False)
        _look_up_gate(origins[: sources_of.size], gate, b, price_out, seen, passing)
    else:
        _look_up_gate(sources_of, gate, b, price_out, seen, passing)
    for k in range(sources_of.size):
        bid_out[k] *= passing[k]
        price_out[k] = price_out[k] if passing[k] > 0 else np.float32(np.inf)


@numba.njit(cache=True, error_model="numpy")
def _look_up_gate(origins, gate, b, price, seen, passing):  # type: ignore[no-untyped-def]
    """Count the requests that arrive by their origin, and look up the multiplier of each, 0 beyond the quota."""
    multiplier, quota = gate[0][b], gate[1][b]
    for k in range(origins.size):
        c = np.uintp(origins[k])
        number = seen[c] + np.int64(price[k] < np.inf)
        seen[c] = number
        share, most = np.float32(multiplier[c]), quota[c]  # both at once: a choice, not a jump, follows
        passing[k] = share if number <= most else np.float32(0.0)


@numba.njit(cache=True, error_model="numpy")
def count_refused(gate, b, arrived, seen, refused):  # type: ignore[no-untyped-def]
    """What `pass_gate` refused of a slot's requests: all of a source at 0, else what is beyond its quota.

    `arrived` auctions are not refused; `seen` and `refused` (C,) count requests by source.
    """
    if gate is None or seen.sum() == arrived:
        return
    multiplier, quota = gate[0][b], gate[1][b]
    for c in range(seen.size):
        most = quota[c] if np.float32(multiplier[c]) > 0 else 0.0
        refused[c] = seen[c] - np.int64(min(np.float64(seen[c]), most))


@numba.njit(inline="always")
def _discounted(amount, discounts, k):  # type: ignore[no-untyped-def]
    """An amount of a chunk's auction `k` times the multiplier of its source; None: there is no gate."""
    if discounts is None:
        return amount
    return amount * discounts[k]


@numba.njit(cache=True, error_model="numpy")
def bin_ratios(kpis, value, weights, price, discounts, bin_out):  # type: ignore[no-untyped-def]
    """Bin of the value per price of a chunk's auctions, their value discounted by the gate."""
    e_of, n_of, c_of = kpis
    for k in range(e_of.size):
        worth = _discounted(worth_of(weights, value[k], e_of[k], n_of[k], c_of[k]), discounts, k)
        ratio = worth / price[k]
        bin_out[k] = octave_bin(ratio, _SHIFT, _FIRST_BIN, BINS)


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc"})  # sums in any order: in vectors
def request(kpis, value, price, discounts):  # type: ignore[no-untyped-def]
    """KPI and price of all auctions of a chunk that arrive, summed, before calibration.

    KPIs count as far as the gate lets the rule value them, so that who plans by them sees the value it bids for.
    """
    e_of, n_of, c_of = kpis
    total_e = total_n = total_c = total_price = 0.0
    for k in range(e_of.size):
        arriving = _discounted(np.float32(1.0 if price[k] < np.inf else 0.0), discounts, k)
        total_e += arriving * e_of[k]
        total_n += arriving * (value[k] * n_of[k])
        total_c += arriving * (value[k] * c_of[k])
        total_price += price[k] if price[k] < np.inf else 0.0
    return total_e, total_n, total_c, total_price


@numba.njit(cache=True, error_model="numpy")
def count(segments_of, price, bins, histogram, segment_auctions):  # type: ignore[no-untyped-def]
    """Count the auctions that arrive, by segment and, where there is a histogram, by bin."""
    for k in range(segments_of.size):
        arriving = np.int32(price[k] < np.inf)
        segment_auctions[np.uintp(segments_of[k])] += arriving
        if histogram is not None:
            histogram[bins[k]] += arriving


@numba.njit(cache=True, error_model="numpy")
def shade_bids(bid, factors, unit):  # type: ignore[no-untyped-def]
    """Shade a chunk's bids in place."""
    for k in range(bid.size):
        bid[k] = shaded(bid[k], factors, unit)


@numba.njit(cache=True, error_model="numpy")
def pick(price, bid, reaches, picked):  # type: ignore[no-untyped-def]
    """Positions of the auctions whose bid reaches the market price; compared first, in vectors, then listed."""
    for k in range(price.size):
        reaches[k] = bid[k] >= price[k]
    n = np.uintp(0)  # unsigned: a signed index is checked for being negative
    for k in range(price.size):
        picked[n] = k
        n += np.uintp(reaches[k])
    return n


@numba.njit(cache=True, error_model="numpy")
def quantiles_from_bins(counts, total, quantiles, out):  # type: ignore[no-untyped-def]
    """Quantiles, interpolated inside the bin they fall into."""
    seen, k = 0, 0
    for j in range(quantiles.size):
        target = quantiles[j] * total
        goal = np.int64(np.ceil(target))
        while k < BINS - 1 and seen + counts[k] < goal:
            seen += counts[k]
            k += 1
        inside = (target - seen) / counts[k] if counts[k] > 0 else 0.0
        out[j] = _EDGES[k] + (_EDGES[k + 1] - _EDGES[k]) * inside

"""The contest: auctions of one slot among all bidders of a market, in arrival order, for every market of a batch.

A bidder offers `min(bid, budget left)`; the highest offer wins, of equal ones that of the bidder named first, and
those who are played are named first. Second price pays the next offer, first price one's own, never less than the
least price. The market price of a bidder who is played is the best of the others' offers; it is written into the column
that the clearing kernel then clears, with the same wins and the same spend. Budget arithmetic is float64.

Offers of a chunk are compared bidder by bidder, in vectors over its auctions. They hold until a budget left falls below
a bid of its owner that is still to come; there the chunk ends, and the next begins.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.octaves import RATIOS
from bidpilot.envs.clearing import chunk
from bidpilot.envs.clearing.auction import octave_bin, weights_of
from bidpilot.envs.clearing.chunk import CHUNK, FACTORS
from bidpilot.envs.clearing.columns import AuctionColumns, DayColumns, FirstPrice, RuleColumns, Withheld

SAMPLED = 2
"""Every so manieth auction of a slot is looked at by rivals that plan."""
BINS = RATIOS.bins
_SHIFT, _FIRST = RATIOS.shift, RATIOS.first
_ABOVE = np.float32(1.0 + 2.0**-22)


class Field(NamedTuple):
    """Who bids in G markets of N bidders, of whom the first K are played, and what a slot finds them at."""

    values: NDArray[np.float32]  # (N, M) at unit level, currency
    greatest: NDArray[np.float32]  # (N,) of these
    planners: NDArray[np.int64]  # (L,) the rivals that plan
    least_price: np.float32  # currency
    start: NDArray[np.int64]  # (G, T) in the pool
    level: NDArray[np.float32]  # (G, T, N) of values
    multiplier: NDArray[np.float32]  # (G, N) of bids on values
    left: NDArray[np.float64]  # (G, N) budgets, currency; of the rivals reduced in place


class Slot(NamedTuple):
    """What a slot brought; overwritten but for the last two, which are added to."""

    spent: NDArray[np.float64]  # (G, N) currency
    won: NDArray[np.float64]  # (G, N) bids before the cap by the budget, of what was won, currency
    wins: NDArray[np.int64]  # (G, N)
    seen: NDArray[np.float32]  # (G, L, BINS) prices of sampled auctions by value per price, of rivals that plan
    sampled: NDArray[np.float64]  # (G,) auctions that they saw


class _Room(NamedTuple):
    """Of one chunk."""

    table: NDArray[np.float32]  # (S, FACTORS)
    factors: NDArray[np.float32]  # (FACTORS, CHUNK)
    scratch: NDArray[np.float32]  # (CHUNK,)
    bids: NDArray[np.float32]  # (K, CHUNK)
    best: NDArray[np.float32]  # (CHUNK,)
    second: NDArray[np.float32]  # (CHUNK,)
    who: NDArray[np.int32]  # (CHUNK,)
    cap: NDArray[np.float32]  # (N,)
    own: NDArray[np.float64]  # (K,) budgets left of those who are played, without what is withheld


@numba.njit(inline="always")
def _below(number):  # type: ignore[no-untyped-def]
    """The float32 before a positive one."""
    return np.int32(np.float32(number).view(np.int32) - 1).view(np.float32)


@numba.njit(inline="always")
def _at_most(budget):  # type: ignore[no-untyped-def]
    """The greatest float32 that a budget affords."""
    near = np.float32(max(budget, 0.0))
    return near if near <= budget or near <= 0.0 else _below(near)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def contest(first, last, t, auctions, batch, bid_rule, left, withheld, bids_paid, field_of, slot_of):  # type: ignore[no-untyped-def]
    """Play slot `t` of markets `first` to `last`; `left` (G * K,) of those who are played is read alone."""
    columns, days, rule = AuctionColumns(*auctions), DayColumns(*batch), RuleColumns(*bid_rule)
    late, paid_rule = Withheld(*withheld), FirstPrice(*bids_paid)
    field, slot = Field(*field_of), Slot(*slot_of)
    bidders = field.values.shape[0]
    played = left.size // field.start.shape[0]
    room = _Room(
        np.zeros((days.value_scale.shape[2], FACTORS), np.float32),
        np.empty((FACTORS, CHUNK), np.float32),
        np.empty(CHUNK, np.float32),
        np.empty((played, CHUNK), np.float32),
        np.empty(CHUNK, np.float32),
        np.empty(CHUNK, np.float32),
        np.empty(CHUNK, np.int32),
        np.empty(bidders, np.float32),
        np.empty(played, np.float64),
    )
    for g in range(first, last):
        row = g * played
        slot.spent[g] = 0.0
        slot.won[g] = 0.0
        slot.wins[g] = 0
        for j in range(played):
            room.own[j] = left[row + j] - (late.amount[row + j] if late.rows[row + j] else 0.0)
            room.cap[j] = _at_most(room.own[j])
        for r in range(played, bidders):
            room.cap[r] = _at_most(field.left[g, r])
        at, size = np.int64(0), days.auctions[row, t]  # one type, so that nothing is compiled twice
        while at < size:
            n = min(CHUNK, size - at)
            room.best[:n] = _below(field.least_price)
            room.second[:n] = room.best[0]
            room.who[:n] = -1
            for j in range(played):
                _bid(t, row + j, at, n, columns, days, rule, paid_rule, room, room.bids[j])
                _offer(j, np.float32(1.0), room.bids[j], room.cap[j], n, room.best, room.second, room.who)
            pool = field.start[g, t] + at
            for r in range(played, bidders):
                scale = field.multiplier[g, r] * field.level[g, t, r]
                _offer(r, scale, field.values[r, pool:], room.cap[r], n, room.best, room.second, room.who)
            _show(t, row, at, n, columns, days, field, room)
            n = _settle(t, g, row, at, n, late, paid_rule.rows[row], field, slot, room)
            _look(t, g, at, n, field, slot, room)
            at += n


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _bid(t, b, at, n, columns, days, rule, paid_rule, room, bids):  # type: ignore[no-untyped-def]
    """Bids (n,) of one who is played, as the clearing kernel has them."""
    begin = days.start[b, t] + at
    end = begin + n
    chunk.load_row(b, t, days, rule, room.table)
    chunk.look_up(columns.segment[begin:end], room.table, room.factors)
    kpis = (columns.exposure[begin:end], columns.interaction[begin:end], columns.conversion[begin:end])
    weights = weights_of(rule.alpha[b], days.calibration[b])
    chunk.price_and_bid(columns.market_price[begin:end], kpis, room.factors, weights, room.scratch, bids)
    if paid_rule.rows[b]:
        chunk.shade_bids(bids[:n], paid_rule.factors, paid_rule.unit[b])


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _offer(bidder, scale, values, cap, n, best, second, who):  # type: ignore[no-untyped-def]
    """One bidder's offers against the best and second of those before; choices, not jumps: it runs in vectors."""
    name = np.int32(bidder)
    for k in range(n):
        bid = scale * values[k]
        offer = bid if bid < cap else cap
        above = best[k]
        wins = offer > above
        lower = above if wins else offer
        best[k] = offer if wins else above
        who[k] = name if wins else who[k]
        second[k] = lower if lower > second[k] else second[k]


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _show(t, row, at, n, columns, days, field, room):  # type: ignore[no-untyped-def]
    """Write the market prices of a chunk: of each who is played, the best of the others' offers."""
    prices, least_price = columns.market_price, field.least_price
    best, second, who = room.best, room.second, room.who
    for j in range(room.own.size):
        begin, cap, bids = days.start[row + j, t] + at, room.cap[j], room.bids[j]
        for k in range(n):
            other = second[k] if who[k] == j else best[k]
            other = max(other, least_price)
            tied = who[k] != j and min(bids[k], cap) >= other  # and another was named first
            prices[begin + k] = other * (_ABOVE if tied else np.float32(1.0))


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _settle(t, g, row, at, n, late, pays_bid, field, slot, room):  # type: ignore[no-untyped-def]
    """Charge a chunk's winners in order, until a cap binds that offers do not know of; auctions settled."""
    played, pool, least_price = room.own.size, field.start[g, t] + at, field.least_price
    best, second, who, cap, own, bids = room.best, room.second, room.who, room.cap, room.own, room.bids
    spent, won, wins, left = slot.spent[g], slot.won[g], slot.wins[g], field.left[g]
    values, greatest, level, multiplier = field.values, field.greatest, field.level[g, t], field.multiplier[g]
    stop, k = n, 0
    while k < stop:
        w = who[k]
        if w < 0:
            k += 1
            continue
        price = max(second[k], least_price)
        if w < played:
            bid = np.float64(bids[w, k])
            offer = min(bid, own[w])
            paid = offer if pays_bid else np.float64(price)
            own[w] -= offer if late.rows[row + w] else paid
            cap[w] = _at_most(own[w])
        else:
            bid = np.float64(multiplier[w] * level[w] * values[w, pool + k])
            paid = np.float64(best[k] if pays_bid else price)
            left[w] -= paid
            cap[w] = _at_most(left[w])
        spent[w] += paid
        won[w] += bid
        wins[w] += 1
        k += 1
        if w < played:
            stop = _first_above(np.float32(1.0), bids[w], k, stop, cap[w])
        else:
            scale = multiplier[w] * level[w]
            if scale * greatest[w] > cap[w]:
                stop = _first_above(scale, values[w, pool:], k, stop, cap[w])
    return stop


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _look(t, g, at, n, field, slot, room):  # type: ignore[no-untyped-def]
    """Count what rivals that plan see of a chunk, by value per price; values at level 1, which levels are around."""
    pool, least_price, best, second, who = field.start[g, t] + at, field.least_price, room.best, room.second, room.who
    first = -at % SAMPLED
    for place in range(field.planners.size):
        r = field.planners[place]
        values, seen = field.values[r, pool : pool + n], slot.seen[g, place]
        for k in range(first, n, SAMPLED):
            price = max(second[k] if who[k] == r else best[k], least_price)
            seen[octave_bin(values[k] / price, _SHIFT, _FIRST, BINS)] += price
    slot.sampled[g] += np.float64(max(n - first + SAMPLED - 1, 0) // SAMPLED)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _first_above(scale, values, k, stop, cap):  # type: ignore[no-untyped-def]
    """The first auction from `k` on whose bid passes the cap; `stop` where none does before it."""
    while k < stop and scale * values[k] <= cap:
        k += 1
    return k

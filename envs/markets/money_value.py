"""What money is worth over the later blocks of a day whose law is known: dynamic programming on its marginal value.

A scale x is best where a unit of money buys `2 ** -x` of value at the margin. So the value of money is held by its
inverse derivative: at each x the money with which one more unit is worth `2 ** -x`. Within slots whose levels are
known that money adds up, slot by slot, as the best split has one scale; over levels that are not yet known the
marginal values average at each amount of money, by the envelope theorem. The first slot of a block is bid on blind:
its scale solves the first-order condition over the block's levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape import curves
from bidpilot.envs.markets.law import Law

_AMOUNTS = 257
_MOST = 2.0  # of the budget that amounts of money go to
_REACH = 2.25  # octaves around the plan's scale that a blind slot's is sought in: an action reaches no further

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class MoneyValue:
    """Money by scale, currency, on a day whose lasting levels are 1."""

    later: Matrix  # (blocks + 1, POINTS) with which money is worth `2 ** -x` at the start of a block, levels unknown
    blind: Matrix  # (blocks, POINTS) with which x is the best scale of a block's first slot


def money_value(law: Law, spend: Matrix, budget: float, scale: float) -> MoneyValue:
    """The value of money under a law.

    Args:
        law: of the market.
        spend: per auction at price level 1, at the value level of each of the law's pairs (K, POINTS), currency.
        budget: of the day, currency.
        scale: the plan's, log2.
    """
    money = budget * _MOST * np.linspace(0.0, 1.0, _AMOUNTS) ** 2
    near = np.flatnonzero(np.abs(curves.GRID - scale) <= _REACH)
    later, blind = _tables(
        law.demand,
        law.price_curve,
        law.level_slots,
        law.traffic_slots,
        law.price,
        law.traffic,
        spend,
        money,
        near[0],
        near[-1],
        curves.GRID,
    )
    return MoneyValue(later, blind)


@numba.njit(cache=True, error_model="numpy")
def _tables(demand, price_curve, level_slots, traffic_slots, price, traffic, spend, money, first, last, grid):  # type: ignore[no-untyped-def]
    """`MoneyValue` of a law: `later` (blocks + 1, POINTS), `blind` (blocks, POINTS)."""
    blocks, points = len(demand) // level_slots, len(grid)
    later, blind = np.zeros((blocks + 1, points)), np.empty((blocks, points))
    after = np.empty_like(spend)
    for block in range(blocks - 1, -1, -1):
        begin = block * level_slots
        after[:] = later[block + 1]
        for start in range(begin + level_slots - traffic_slots, begin, -traffic_slots):
            known = _slots_spend(demand, price_curve, price, spend, start, start + traffic_slots, grid)
            after = _averaged(known, traffic, after, money, grid)
        here = _slots_spend(demand, price_curve, price, spend, begin, begin + 1, grid)
        rest = _slots_spend(demand, price_curve, price, spend, begin + 1, begin + traffic_slots, grid)
        _blind(here, rest, after, traffic, money, first, last, grid, later[block], blind[block])
    return later, blind


@numba.njit(cache=True, error_model="numpy")
def _slots_spend(demand, price_curve, price, spend, start, end, grid):  # type: ignore[no-untyped-def]
    """(K, POINTS) spend of slots at traffic level 1."""
    last = len(grid) - 1
    per_octave = last / (grid[last] - grid[0])
    total = np.zeros_like(spend)
    for k in range(len(spend)):
        for t in range(start, end):
            level = price[k] * price_curve[t]
            size, shift = demand[t] * level, -np.log2(level) * per_octave
            for i in range(last + 1):
                place = min(max(i + shift, 0.0), float(last))
                low = min(int(place), last - 1)
                total[k, i] += size * (spend[k, low] + (place - low) * (spend[k, low + 1] - spend[k, low]))
    return total


@numba.njit(cache=True, error_model="numpy")
def _averaged(known, traffic, after, money, grid):  # type: ignore[no-untyped-def]
    """(K, POINTS) money before slots whose spend is `known` (K, POINTS) times a level of traffic that is not yet."""
    out = np.empty_like(known)
    worth = np.empty(len(money))
    for k in range(len(known)):
        worth[:] = 0.0
        for level in traffic:
            worth += 2.0 ** -np.interp(money, level * known[k] + after[k], grid)
        out[k] = _by_scale(-np.log2(worth / len(traffic)), money, grid)
    return out


@numba.njit(cache=True, error_model="numpy")
def _by_scale(scale, money, grid):  # type: ignore[no-untyped-def]
    """Money by scale (POINTS,) from the scale at each amount (N,)."""
    for m in range(1, len(scale)):
        scale[m] = max(scale[m], scale[m - 1])
    return np.interp(grid, scale, money)


@numba.njit(cache=True, error_model="numpy")
def _blind(here, rest, after, traffic, money, first, last, grid, later, blind):  # type: ignore[no-untyped-def]
    """Money by marginal value (`later`), and by the best scale of a slot that is bid on before its levels are known.

    Scales are sought among grid points `first` to `last`; `here` (K, POINTS) is the slot's spend at traffic level 1,
    `rest` that of slots after it with the same traffic, `after` the money for what follows these. With more money none
    that was worth its price is worth it no longer, so that the search goes on from where it ended with less.
    """
    pairs, points = here.shape
    table = np.empty((pairs, len(traffic), points))
    slope = np.empty((pairs, points))
    for k in range(pairs):
        slope[k, 1:-1] = 0.5 * (here[k, 2:] - here[k, :-2])
        slope[k, 0], slope[k, -1] = here[k, 1] - here[k, 0], here[k, -1] - here[k, -2]
        for j in range(len(traffic)):
            table[k, j] = traffic[j] * rest[k] + after[k]
    best, worth = np.empty(len(money)), np.empty(len(money))
    i = first + 1
    for m in range(len(money)):
        low, worth_low = _gain(money[m], i - 1, here, slope, table, traffic, grid)
        high, worth_high = _gain(money[m], i, here, slope, table, traffic, grid)
        while high >= 0.0 and low >= 0.0 and i < last:
            i += 1
            low, worth_low = high, worth_high
            high, worth_high = _gain(money[m], i, here, slope, table, traffic, grid)
        part = min(max(low / (low - high) if low > high else 1.0, 0.0), 1.0)
        best[m] = grid[i - 1] + part * (grid[i] - grid[i - 1])
        worth[m] = -np.log2((1.0 - part) * worth_low + part * worth_high)
    later[:] = _by_scale(worth, money, grid)
    blind[:] = _by_scale(best, money, grid)


@numba.njit(cache=True, error_model="numpy")
def _gain(money, i, here, slope, table, traffic, grid):  # type: ignore[no-untyped-def]
    """Of bidding more at grid point `i` with so much money, and what money is worth then, both over all levels."""
    own, gain, worth = 2.0 ** -grid[i], 0.0, 0.0
    for k in range(len(here)):
        for j in range(len(traffic)):
            then = 2.0 ** -_scale_of(money - traffic[j] * here[k, i], table[k, j], grid)
            gain += traffic[j] * slope[k, i] * (own - then)
            worth += then
    return gain, worth / (len(here) * len(traffic))


@numba.njit(inline="always")
def _scale_of(money, by_scale, grid):  # type: ignore[no-untyped-def]
    """The scale at which `by_scale` (POINTS,) reaches `money`, within the grid."""
    low, high = 0, len(grid) - 1
    if money <= by_scale[low]:
        return grid[low]
    if money >= by_scale[high]:
        return grid[high]
    while high - low > 1:
        middle = (low + high) // 2
        if by_scale[middle] <= money:
            low = middle
        else:
            high = middle
    return grid[low] + (money - by_scale[low]) / (by_scale[high] - by_scale[low]) * (grid[high] - grid[low])

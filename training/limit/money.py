"""What money is worth on a day whose law is known, approximately: what penalties are made from.

Days are brought to level 1: money is counted in days' price times traffic level, and scales from the level at which
the mean bid costs what it does on a usual day. Within slots whose levels are known the money that goes at one scale
adds up; over levels that are not known marginal values average at each amount of money (the envelope theorem).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.training.limit.law_curves import SPEND, LogColumns, at_ratios, law_curves
from bidpilot.training.limit.levels import Nodes, Tilt

LOWEST, PER_OCTAVE, POINTS = -8, 16, 257
GRID: Final = LOWEST + np.arange(POINTS) / PER_OCTAVE
"""Scales, log2."""
_FIRST, _END = 72, 185  # of the grid, 3.5 octaves around the plan's scale: where actions are
NEAR: Final = GRID[_FIRST:_END]
AMOUNTS: Final = 201
"""Amounts of money, evenly spaced from none on."""
_MOST = 1.5  # of the budget that they go to
_VALUES_PER_OCTAVE = 8

Matrix = NDArray[np.float64]


class SlotCurves(NamedTuple):
    """Spend by value level and scale, per auction at price level 1; and the slots of blocks."""

    spend: Matrix  # (V, POINTS) currency
    lowest: float  # log2 of the first value level; further ones 1 / `_VALUES_PER_OCTAVE` apart
    demand: Matrix  # (K, L) auctions of a block's slots at level 1
    price: Matrix  # (K, L) price level of a slot where all others are 1

    @classmethod
    def of(cls, columns: LogColumns, value: Matrix, demand: Matrix, price: Matrix) -> SlotCurves:
        """Over value levels that hold those of `value` (M,)."""
        first = np.floor(np.log2(value.min()) * _VALUES_PER_OCTAVE) - 1
        last = np.ceil(np.log2(value.max()) * _VALUES_PER_OCTAVE) + 1
        levels = np.arange(first, last + 1) / _VALUES_PER_OCTAVE
        spend = np.stack(
            [at_ratios(law_curves(columns, np.ones((1, 3)), 2.0**v)[0, SPEND], np.exp2(GRID)) for v in levels]
        )
        return cls(spend, float(levels[0]), demand, price)


class MoneyValue(NamedTuple):
    """The value of money under a law, at level 1; values in currency of bids at scale 1."""

    money: Matrix  # (AMOUNTS,)
    later: Matrix  # (K + 1, POINTS) money with which one more unit is worth `2 ** -x`, at the start of a block
    expected: Matrix  # (K, AMOUNTS, NEAR) of acting at a scale in a block's first slot, before its levels are known
    start: Matrix  # (AMOUNTS,) value at the start of the day


def money_value(curves: SlotCurves, nodes: Nodes, tilt: Tilt, budget: float) -> MoneyValue:
    """Backward over the blocks of a day, under the measure that `tilt` changes to."""
    blocks = len(curves.demand)
    money = budget * _MOST * np.linspace(0.0, 1.0, AMOUNTS)
    later, expected = np.zeros((blocks + 1, POINTS)), np.empty((blocks, AMOUNTS, len(NEAR)))
    best = np.zeros(AMOUNTS)
    for k in reversed(range(blocks)):
        weight, traffic = tilt.node_weights(nodes, k), tilt.traffic_weights(nodes, k, nodes.value)
        expected[k] = _expected(curves, nodes, weight, traffic, k, later[k + 1], money)
        best = expected[k].max(axis=1)
        scale = -np.log2(np.maximum(np.diff(best) / np.diff(money), 2.0**-POINTS))
        between = (money[1:] + money[:-1]) / 2
        later[k] = np.interp(GRID, np.maximum.accumulate(scale), between, left=0.0)
    return MoneyValue(money, later, expected, best)


class DayTables(NamedTuple):
    """Of one day's K blocks of G traffic levels and L slots, levels relative to the day's."""

    marginal: Matrix  # (K L, AMOUNTS) worth of one more unit of money before each slot, its levels known
    surprise: Matrix  # (K G, AMOUNTS, NEAR) of what a slot that reveals levels brings with what follows, at a scale,
    # beyond what is expected: mean 0 under the changed measure at each amount and scale


@numba.njit(cache=True, nogil=True)
def day_tables(curves, value_of, nodes, weights, value, price, traffic):  # type: ignore[no-untyped-def]
    """`DayTables` of levels value (K,), price (K,), traffic (K, G); `weights` (K, G - 1, J) of the traffic nodes."""
    money, later, expected = value_of.money, value_of.later, value_of.expected
    blocks, slots = curves.demand.shape
    groups = traffic.shape[1]
    width = slots // groups
    marginal = np.empty((blocks * slots, len(money)))
    surprise = np.empty((blocks * groups, len(money), expected.shape[2]))
    for k in range(blocks):
        after = later[k + 1].copy()
        for g in range(groups - 1, -1, -1):
            rest = np.zeros(POINTS)
            for j in range((g + 1) * width - 1, g * width - 1, -1):
                here = _slot_spend(curves, k, j, value[k], price[k])
                marginal[k * slots + j] = _worth(traffic[k, g] * (here + rest) + after, money)[0]
                if j > g * width:
                    rest += here
            table = surprise[k * groups + g]
            table[:] = 0.0
            _add_outcome(table, 1.0, traffic[k, g] * here, traffic[k, g] * rest + after, money)
            if g == 0:
                table -= expected[k]
            else:
                for n in range(len(nodes)):
                    _add_outcome(table, -weights[k, g - 1, n], nodes[n] * here, nodes[n] * rest + after, money)
                after = _averaged(here + rest, nodes, weights[k, g - 1], after, money)
    return DayTables(marginal, surprise)


def _expected(
    curves: SlotCurves, nodes: Nodes, weight: Matrix, traffic: Matrix, k: int, later: Matrix, money: Matrix
) -> Matrix:
    return np.asarray(
        _expected_outcome(
            curves, k, nodes.value, nodes.price, nodes.first, weight, nodes.traffic, traffic, later, money
        )
    )


@numba.njit(cache=True, nogil=True)
def _expected_outcome(  # type: ignore[no-untyped-def]
    curves, k, value, price, first, weight, traffic, traffic_weight, later, money
):
    """(AMOUNTS, NEAR) mean over nodes of what a block's first slot brings with what follows."""
    slots, groups = curves.demand.shape[1], traffic_weight.shape[1] + 1
    width = slots // groups
    total = np.zeros((len(money), len(NEAR)))
    for m in range(len(value)):
        after = later.copy()
        for g in range(groups - 1, 0, -1):
            known = np.zeros(POINTS)
            for j in range(g * width, (g + 1) * width):
                known += _slot_spend(curves, k, j, value[m], price[m])
            after = _averaged(known, traffic, traffic_weight[m, g - 1], after, money)
        rest = np.zeros(POINTS)
        for j in range(1, width):
            rest += _slot_spend(curves, k, j, value[m], price[m])
        here = _slot_spend(curves, k, 0, value[m], price[m])
        _add_outcome(total, weight[m], first[m] * here, first[m] * rest + after, money)
    return total


@numba.njit(cache=True, nogil=True)
def _add_outcome(total, weight, here, after, money):  # type: ignore[no-untyped-def]
    """Add to `total` (AMOUNTS, NEAR) `weight` times the gain of spending `here` (POINTS,) and the value of the rest.

    `after` (POINTS,) is the money that goes after the slot, by scale. A slot that costs more than there is ends early.
    """
    value = _worth(after, money)[1]
    gain = 0.0
    for i in range(1, _END):
        gain += (here[i] - here[i - 1]) * 0.5 * (2.0 ** -GRID[i] + 2.0 ** -GRID[i - 1])
        if i < _FIRST:
            continue
        spend = here[i]
        for b in range(len(money)):
            if spend > money[b]:
                total[b, i - _FIRST] += weight * gain * money[b] / spend
            else:
                total[b, i - _FIRST] += weight * (gain + at_amount(value, money, money[b] - spend))


@numba.njit(cache=True, nogil=True, inline="always")
def at_amount(table, money, amount):  # type: ignore[no-untyped-def]
    """A table (AMOUNTS,) at an amount of money, linear between amounts and held beyond them."""
    place = min(max(amount / money[1], 0.0), len(money) - 1.0)
    k = min(int(place), len(money) - 2)
    return table[k] + (place - k) * (table[k + 1] - table[k])


@numba.njit(cache=True, nogil=True)
def _slot_spend(curves, k, j, value, price):  # type: ignore[no-untyped-def]
    """(POINTS,) spend of slot j of block k at traffic level 1."""
    place = (np.log2(value) - curves.lowest) * _VALUES_PER_OCTAVE
    row = min(max(int(place), 0), len(curves.spend) - 2)
    part = place - row
    level = price * curves.price[k, j]
    shift = -np.log2(level) * PER_OCTAVE
    whole = int(np.floor(shift))
    rest = shift - whole
    size = curves.demand[k, j] * level
    low, high = curves.spend[row], curves.spend[row + 1]
    out = np.empty(POINTS)
    for i in range(POINTS):
        a = min(max(i + whole, 0), POINTS - 1)
        b = min(max(i + whole + 1, 0), POINTS - 1)
        at_a = low[a] + part * (high[a] - low[a])
        at_b = low[b] + part * (high[b] - low[b])
        out[i] = size * (at_a + rest * (at_b - at_a))
    return out


@numba.njit(cache=True, nogil=True)
def _averaged(known, traffic, weight, after, money):  # type: ignore[no-untyped-def]
    """(POINTS,) money by scale before slots that spend `known` (POINTS,) times a traffic level still to be drawn."""
    worth = np.zeros(len(money))
    for n in range(len(traffic)):
        worth += weight[n] * _worth(traffic[n] * known + after, money)[0]
    out = np.empty(POINTS)
    k = 0
    for i in range(POINTS):
        own = 2.0 ** -GRID[i]
        while k < len(money) and worth[k] > own:
            k += 1
        if k == 0:
            out[i] = 0.0
        elif k == len(money):
            out[i] = money[-1]
        else:
            low, high = np.log2(worth[k - 1]), np.log2(worth[k])
            part = (low + GRID[i]) / (low - high) if low > high else 0.0
            out[i] = money[k - 1] + part * (money[k] - money[k - 1])
    return out


@numba.njit(cache=True, nogil=True)
def _worth(money_of, money):  # type: ignore[no-untyped-def]
    """Worth of one more unit, and of all, at each amount (2, AMOUNTS), where `money_of` (POINTS,) goes at each scale.

    It is linear between scales. That of the first unit is taken so that the first step is worth what it is.
    """
    out = np.zeros((2, len(money)))
    i, total, scale, at = 1, 0.0, GRID[0], 0.0
    for b in range(1, len(money)):
        while i < POINTS - 1 and money_of[i] < money[b]:
            total += max(money_of[i] - at, 0.0) * 0.5 * (2.0 ** -GRID[i] + 2.0**-scale)
            scale, at = GRID[i], max(money_of[i], at)
            i += 1
        rise = money_of[i] - money_of[i - 1]
        part = min((money[b] - money_of[i - 1]) / rise, 1.0) if rise > 0.0 else 1.0
        then = GRID[i - 1] + part / PER_OCTAVE
        reached = min(money[b], money_of[i])
        total += max(reached - at, 0.0) * 0.5 * (2.0**-then + 2.0**-scale)
        scale, at = then, max(reached, at)
        out[0, b], out[1, b] = 2.0**-then, total
    out[0, 0] = max(2.0 * out[1, 1] / money[1] - out[0, 1], out[0, 1])
    return out

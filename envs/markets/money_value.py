"""What money is worth over the later blocks of a day whose law is known: dynamic programming on its marginal value.

A scale x is best where a unit of money buys `2 ** -x` of value at the margin. So the value of money is held by its
inverse derivative: at each x the money with which one more unit is worth `2 ** -x`. Within slots whose levels are
known that money adds up, slot by slot, as the best split has one scale; over levels that are not yet known the
marginal values average at each amount of money, by the envelope theorem. The first slot of a block is bid on blind:
its scale solves the first-order condition over the block's levels.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    later, blind = np.zeros((law.blocks + 1, curves.POINTS)), np.empty((law.blocks, curves.POINTS))
    for block in reversed(range(law.blocks)):
        first = block * law.level_slots
        after = np.broadcast_to(later[block + 1], spend.shape)
        for start in range(first + law.level_slots - law.traffic_slots, first, -law.traffic_slots):
            known = _slots_spend(law, spend, start, start + law.traffic_slots)
            after = _averaged(known, law.traffic, after, money)
        rest = _slots_spend(law, spend, first + 1, first + law.traffic_slots)
        later[block], blind[block] = _blind(law, _slots_spend(law, spend, first, first + 1), rest, after, money, near)
    return MoneyValue(later, blind)


def _slots_spend(law: Law, spend: Matrix, start: int, end: int) -> Matrix:
    """(K, POINTS) spend of slots at traffic level 1."""
    total = np.zeros_like(spend)
    for t in range(start, end):
        level = law.price * law.price_curve[t]
        there = curves.GRID - np.log2(level)[:, None]
        total += curves.lookup(spend, there) * (law.demand[t] * level)[:, None]
    return total


def _averaged(known: Matrix, traffic: Matrix, after: Matrix, money: Matrix) -> Matrix:
    """(K, POINTS) money before slots whose spend is `known` (K, POINTS) times a level of traffic that is not yet."""
    out = np.empty_like(known)
    for k in range(len(known)):
        worth = np.mean([_worth(level * known[k] + after[k], money) for level in traffic], axis=0)
        out[k] = _by_scale(-np.log2(worth), money)
    return out


def _worth(money_of: Matrix, money: Matrix) -> Matrix:
    """What one more unit is worth at each amount, where money by scale is `money_of` (POINTS,)."""
    worth: Matrix = np.exp2(-np.interp(money, money_of, curves.GRID))
    return worth


def _by_scale(scale: Matrix, money: Matrix) -> Matrix:
    """Money by scale (POINTS,) from the scale at each amount (N,)."""
    by_scale: Matrix = np.interp(curves.GRID, np.maximum.accumulate(scale), money)
    return by_scale


def _blind(
    law: Law, here: Matrix, rest: Matrix, after: Matrix, money: Matrix, near: NDArray[np.int64]
) -> tuple[Matrix, Matrix]:
    """Money by marginal value, and by the best scale of a slot that is bid on before its levels are known.

    Scales are sought among those `near` (I,); `here` (K, POINTS) is the slot's spend at traffic level 1, `rest` that of
    slots after it with the same traffic, `after` the money for what follows these.
    """
    slope = np.gradient(here, axis=1)
    own = np.exp2(-curves.GRID[near])
    gain, worth = np.zeros((len(money), len(near))), np.zeros((len(money), len(near)))
    for k in range(len(here)):
        for level in law.traffic:
            left = money[:, None] - level * here[k, near]
            then = _worth(level * rest[k] + after[k], left)
            gain += level * slope[k, near] * (own - then)
            worth += then
    worth /= len(here) * len(law.traffic)
    last = len(near) - 1
    falls = gain < 0.0
    above = np.clip(np.where(falls.any(axis=1), falls.argmax(axis=1), last), 1, last)
    rows = np.arange(len(money))
    low, high = gain[rows, above - 1], gain[rows, above]
    drop = low - high
    part = np.clip(np.divide(low, drop, out=np.ones_like(drop), where=drop > 0), 0.0, 1.0)
    scale = curves.GRID[near[above - 1]] + part / curves.PER_OCTAVE
    worth_at = (1.0 - part) * worth[rows, above - 1] + part * worth[rows, above]
    return _by_scale(-np.log2(worth_at), money), _by_scale(scale, money)

"""The relaxed problem: the best scales of a day with everything of it known, less penalties for knowing it.

A slot's penalty is what its auctions brought beyond their mean at the levels told, less what the money was worth that
they cost beyond theirs, and where the slot reveals levels, what these bring with all that follows beyond the mean over
levels. Each has mean zero given what is known before the slot, whatever the action. So no policy that does not know
the future loses by them on average, and the best of the day with all known is at least what such a policy has.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.training.limit.money import LOWEST, NEAR, PER_OCTAVE, at_amount

Matrix = NDArray[np.float64]


class RelaxedDay(NamedTuple):
    """What a day's penalties are made from. Currency throughout; gains in that of bids at scale 1."""

    rest: float  # of the day's weight beyond what its levels explain, near 1
    penalised: bool  # False: knowing the future costs nothing
    size: float  # price times traffic level of the day: money is counted in it
    worth: float  # of a unit of such money at scale 1, relative to a usual day's
    money: Matrix  # (AMOUNTS,)
    marginal: Matrix  # (T, AMOUNTS) as `DayTables`
    surprise: Matrix  # (R, AMOUNTS, NEAR) as `DayTables`
    reveals: NDArray[np.int64]  # (T,) which of them a slot does; -1: none


class Actions(NamedTuple):
    """A actions in each of T slots: what they would spend and gain without end of money, and their means by the law."""

    scale: Matrix  # (A,) at level 1, log2
    spend: Matrix  # (T, A)
    gain: Matrix  # (T, A)
    mean_spend: Matrix  # (T, A)
    mean_gain: Matrix  # (T, A)


@numba.njit(cache=True, nogil=True)
def best_value(day, actions, budget, amounts):  # type: ignore[no-untyped-def]
    """The most that actions can have on a day that is known, penalties taken off, with `budget`, currency.

    Backward over the slots on `amounts` evenly spaced amounts of money left, linear between them.
    """
    money = np.linspace(0.0, budget, amounts)
    ahead, value = np.zeros(amounts), np.zeros(amounts)
    for t in range(len(actions.spend) - 1, -1, -1):
        for b in range(amounts):
            best = -np.inf
            for a in range(len(actions.scale)):
                spend, share = actions.spend[t, a], 1.0
                if spend > money[b]:
                    share = money[b] / spend
                    spend = money[b]
                got = share * actions.gain[t, a]
                kept = day.rest * got + at_amount(ahead, money, money[b] - spend)
                if day.penalised:
                    mean_spend, mean_gain = share * actions.mean_spend[t, a], share * actions.mean_gain[t, a]
                    kept -= penalty(day, t, money[b], actions.scale[a], spend, got, mean_spend, mean_gain)
                best = max(best, kept)
            value[b] = best
        ahead, value = value, ahead
    return ahead[-1]


@numba.njit(cache=True, nogil=True)
def penalty(day, t, left, scale, spend, gain, mean_spend, mean_gain):  # type: ignore[no-untyped-def]
    """Of one slot, with `left` before it, for what it spent and gained and what was to be expected."""
    price = day.worth * at_amount(day.marginal[t], day.money, left / day.size)
    total = (gain - mean_gain) - price * (spend - mean_spend)
    if day.reveals[t] >= 0:
        total += day.worth * day.size * _at(day.surprise[day.reveals[t]], day.money, left / day.size, scale)
    return total


@numba.njit(cache=True, nogil=True, inline="always")
def _at(table, money, amount, scale):  # type: ignore[no-untyped-def]
    """A table (AMOUNTS, NEAR), linear between its points and held beyond them."""
    place = min(max(amount / money[1], 0.0), len(money) - 1.0)
    b = min(int(place), len(money) - 2)
    part = place - b
    along = min(max((scale - _NEAREST) * PER_OCTAVE, 0.0), _COLUMNS - 1.0)
    i = min(int(along), _COLUMNS - 2)
    rest = along - i
    low = table[b, i] + rest * (table[b, i + 1] - table[b, i])
    high = table[b + 1, i] + rest * (table[b + 1, i + 1] - table[b + 1, i])
    return low + part * (high - low)


_NEAREST, _COLUMNS = float(NEAR[0]), len(NEAR)
assert LOWEST < _NEAREST

"""Splits days by a hash of users: each arm gets its own auctions of the same day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.synthetic import SyntheticMarket

_SALT_BITS = 53


def split_days(
    market: SyntheticMarket, days: DayBatch, shares: tuple[float, float], rng: np.random.Generator
) -> tuple[DayBatch, DayBatch]:
    """The same days as two arms see them, of users drawn by a coin with these shares.

    Auctions of a synthetic log are independent, and any window into it is like any other. To give each auction of a
    slot to an arm by a coin is therefore the same, in law, as to draw how many an arm gets (binomial) and to take them
    from a window of its own, with outcomes of its own. Levels of value, price and traffic are those of the one day.
    """
    control = rng.binomial(days.count, shares[0]).astype(np.int64)
    return _window(market, days, control, rng), _window(market, days, days.count - control, rng)


def _window(market: SyntheticMarket, days: DayBatch, count: NDArray[np.int64], rng: np.random.Generator) -> DayBatch:
    """The days with these numbers of auctions (B, T), from a random place of the log on."""
    last = np.cumsum(count, axis=1)
    room = market.log.n - last[:, -1:] + 1
    first = np.floor(rng.random((len(days), 1)) * room).astype(np.int64)
    salt = rng.integers(0, 1 << _SALT_BITS, len(days), dtype=np.uint64)
    return replace(days, start=first + last - count, count=count, salt=salt)

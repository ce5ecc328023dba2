"""Bidders on a table of values V[n][b]: clicks still to be won with n auctions to come and budget b.

`value_table` is the recursion of Cai et al. (WSDM 2017, section 4): prices from the histogram with one
added to each count, every auction at the mean click rate. Bids are the largest delta <= min(b, 300) whose
gain theta + V[n - 1][b - delta] - V[n - 1][b] is not negative.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.baselines.published.ipinyou import MAX_BID, Auctions

Table = NDArray[np.float64]

_SATURATED = 1e-10  # a budget this close to the value of an endless one has that value, as published


class TableBidder:
    """Bids by a value table; `theta` says which click rate it believes.

    Args:
        name: what the table calls it.
        table: values (N, B + 1) at least as large as the episodes and budgets that are played.
        rate: one click rate for every auction, or None for each auction's own.
    """

    def __init__(self, name: str, table: Table, rate: float | None = None) -> None:
        self.name = name
        self._table, self._rate = table, rate

    def wins(self, auctions: Auctions, budget: int, episode: int) -> NDArray[np.bool_]:
        """See `Bidder`."""
        theta = auctions.theta if self._rate is None else np.full(len(auctions), self._rate)
        return np.asarray(_play_table(self._table, auctions.price, theta, budget, episode, MAX_BID))


def rlb(table: Table) -> TableBidder:
    """RLB: the value table with each auction's own click rate."""
    return TableBidder("rlb", table)


def ss_mdp(table: Table, rate: float) -> TableBidder:
    """SS-MDP (Amin et al., UAI 2012): the same, with every auction at the mean click rate."""
    return TableBidder("ss-mdp", table, rate)


def value_table(density: NDArray[np.float64], rate: float, episode: int, budget: int) -> Table:
    """V[n][b] for n in 0 .. N - 1 and b in 0 .. B, (N, B + 1).

    Args:
        density: probability of market price 0 .. 300, (301,).
        rate: mean click rate.
        episode: auctions of an episode, N.
        budget: the greatest budget, B.
    """
    table = np.zeros((episode, budget + 1))
    _fill_table(table, density, rate)
    return table


@numba.njit(cache=True)
def _fill_table(table, density, rate):  # type: ignore[no-untyped-def]
    steps, budgets = table.shape
    greatest = density.size - 1
    endless = 0.0
    for n in range(1, steps):
        before, now = table[n - 1], table[n]
        endless += density.sum() * rate
        for b in range(1, budgets):
            value = before[b]
            for delta in range(min(greatest, b) + 1):
                gain = rate + before[b - delta] - before[b]
                if gain < 0.0:  # values rise with the budget, so no larger price gains again
                    break
                value += density[delta] * gain
            now[b] = value
            if abs(value - endless) < _SATURATED:
                now[b + 1 :] = endless
                break


@numba.njit(cache=True)
def _play_table(table, price, theta, budget, episode, max_bid):  # type: ignore[no-untyped-def]
    won = np.zeros(price.size, dtype=np.bool_)
    left = budget
    for i in range(price.size):
        n = episode - i % episode
        if n == episode:
            left = budget
        values = table[n - 1]
        bid = 0
        for delta in range(1, min(left, max_bid) + 1):
            if theta[i] + values[left - delta] - values[left] < 0.0:
                break
            bid = delta
        if bid >= price[i]:
            won[i] = True
            left -= price[i]
    return won

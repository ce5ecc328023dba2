"""Bidders whose bid is proportional to the predicted click rate."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.baselines.published.ipinyou import MAX_BID, Auctions, Training, clear_bids

_STEP = 6
_DECLINES = 5  # the search ends after so many candidates in a row that are worse than the best
_SLOTS = 48
_GRID = 400


class Linear:
    """Linear bidding (Perlich et al., KDD 2012): int(b0 * theta / mean click rate).

    b0 is the one of 6, 12, 18, ... that wins most clicks on the training episodes, the later of two equal
    ones; past 300 the search goes on while it does not get worse.
    """

    name = "lin"

    def __init__(self, training: Training, budget: int, episode: int) -> None:
        self._rate = training.click_rate
        whole = len(training.auctions) // episode * episode or len(training.auctions)
        train = training.auctions
        part = Auctions(train.price[:whole], train.theta[:whole], train.click[:whole])
        best, most, declines, candidate = 0, 0, 0, _STEP
        while candidate <= MAX_BID or best == candidate - _STEP:
            won = clear_bids(self._bids(part, candidate), part.price, budget, episode)
            clicks = int(part.click[won].sum())
            if clicks >= most:
                best, most, declines = candidate, clicks, 0
            else:
                declines += 1
            if declines >= _DECLINES or candidate > 100 * MAX_BID:
                break
            candidate += _STEP
        self.base = best

    def wins(self, auctions: Auctions, budget: int, episode: int) -> NDArray[np.bool_]:
        """See `Bidder`."""
        return np.asarray(clear_bids(self._bids(auctions, self.base), auctions.price, budget, episode))

    def _bids(self, auctions: Auctions, base: int) -> NDArray[np.int64]:
        return np.minimum((auctions.theta * base / self._rate).astype(np.int64), MAX_BID)


class Mcpc:
    """Bids what a click may cost at most times theta: int(theta * cost / clicks of the training part)."""

    name = "mcpc"

    def __init__(self, training: Training) -> None:
        self._cost_per_click = training.cost_per_click

    def wins(self, auctions: Auctions, budget: int, episode: int) -> NDArray[np.bool_]:
        """See `Bidder`."""
        bids = np.minimum((auctions.theta * self._cost_per_click).astype(np.int64), MAX_BID)
        return np.asarray(clear_bids(bids, auctions.price, budget, episode))


class Replan:
    """The product's rule in this protocol: int(alpha * theta), re-planned at every slot of N / 48 auctions.

    alpha is the one whose expected spend over the auctions to come, by the training part, is the budget left.
    """

    name = "replan"

    def __init__(self, training: Training) -> None:
        train = training.auctions
        theta = train.theta[train.theta > 0]
        # From bids of one for the best auctions to the greatest bid for almost all.
        self._alpha = np.geomspace(1.0 / theta.max(), (MAX_BID + 1) / np.quantile(theta, 0.02), _GRID)
        spend = [train.price[_linear(alpha, train.theta) >= train.price].sum() for alpha in self._alpha]
        self._spend = np.maximum.accumulate(np.array(spend, dtype=np.float64)) / len(train)

    def wins(self, auctions: Auctions, budget: int, episode: int) -> NDArray[np.bool_]:
        """See `Bidder`."""
        slot = max(1, episode // _SLOTS)
        return np.asarray(
            _play_replan(auctions.price, auctions.theta, self._alpha, self._spend, budget, episode, slot, MAX_BID)
        )


def _linear(alpha: float, theta: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.minimum(alpha * theta, float(MAX_BID)).astype(np.int64)


@numba.njit(cache=True)
def _play_replan(price, theta, alphas, spend, budget, episode, slot, max_bid):  # type: ignore[no-untyped-def]
    won = np.zeros(price.size, dtype=np.bool_)
    left, alpha = budget, alphas[0]
    for i in range(price.size):
        n = i % episode
        if n == 0:
            left = budget
        if n % slot == 0:
            alpha = np.interp(left / (episode - n), spend, alphas)
        bid = min(int(min(alpha * theta[i], float(max_bid))), left)
        if bid >= price[i]:
            won[i] = True
            left -= price[i]
    return won

"""The baselines of the AuctionNet benchmark: a fixed CPA bid, PID, and online LP.

Their rules are those of the public code (alimama-tech/AuctionNet: pid_bidding_strategy.py,
onlinelp_bidding_strategy.py, onlineLp.py); where they hold numbers of its currency, the target CPA takes
their place, so that no bidder depends on the advertisers of one data set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.baselines.published.auctionnet import Floats, Seen
from bidpilot.bidding.errors import InvalidProtocol
from bidpilot.envs.logs.auction_log import AuctionLog

Flags = NDArray[np.bool_]

_UNDER, _OVER = 0.7, 1.1  # spend of the slots to come at the last one's rate, over the budget left
_UP, _DOWN = 1.2, 0.7
_MOST = 1.5  # online LP never bids more than this many target CPAs
_LEAST_PRICE, _LEAST_VALUE = 1e-4, 1e-4


class FixedCpa:
    """Bids the target CPA times `pValue` all day."""

    name = "fixed_cpa"

    def start(self) -> None:
        """Nothing is remembered."""

    def alpha(self, seen: Seen) -> Floats:
        """See `BenchmarkBidder`."""
        return seen.target


class BudgetPid:
    """The benchmark's PID: the bid times 1.2 after a slot that spent too little, times 0.7 after one too dear.

    Too little: at its rate the slots to come would take less than 70 % of the budget left; too dear: more than
    110 %. Begins at the target CPA (published: at 15, of the simulator's currency).
    """

    name = "budget_pid"

    def start(self) -> None:
        """Begin again at the target."""
        self._alpha: Floats | None = None

    def alpha(self, seen: Seen) -> Floats:
        """See `BenchmarkBidder`."""
        if self._alpha is None:
            self._alpha = seen.target.copy()
            return self._alpha
        to_come = seen.last_spend * (seen.slots - seen.t)
        under, over = to_come < _UNDER * seen.left, to_come > _OVER * seen.left
        under, over = self._judged(seen, under, over)
        self._alpha = self._alpha * np.where(over, _DOWN, np.where(under, _UP, 1.0))
        return self._alpha

    def _judged(self, seen: Seen, under: Flags, over: Flags) -> tuple[Flags, Flags]:
        """Whether to raise and to lower (D,) each."""
        return under, over


class CpaPid(BudgetPid):
    """The same with the CPA as a second measurement: above the target it lowers the bid, and never raises it."""

    name = "cpa_pid"

    def _judged(self, seen: Seen, under: Flags, over: Flags) -> tuple[Flags, Flags]:
        dear = seen.spend > seen.target * seen.conversions
        return under & ~dear, over | dear


class OnlineLp:
    """Online LP: before each slot, the dual price of the training auctions of the slots to come, for the budget left.

    The auctions of a mean training day from that slot on are bought by cost per conversion until they cost more
    than the budget left; the bid is that cost per conversion, at most 1.5 target CPAs, and the target where the
    budget buys them all. Published for one period, per advertiser category, on a sample of an eighth of its
    rows, which is about one advertiser's traffic; here every training day counts with its share of a mean one.

    Raises:
        InvalidProtocol: no training auction has a value and a price.
    """

    name = "online_lp"

    def __init__(self, training: AuctionLog) -> None:
        value, price = training.conversion, training.market_price
        usable = np.flatnonzero((value > 0) & (price > _LEAST_PRICE))
        if not len(usable):
            raise InvalidProtocol("No training auction has a predicted conversion and a price. Train on another log.")
        cost = price[usable] / (value[usable].astype(np.float64) + _LEAST_VALUE)
        order = np.argsort(cost, kind="stable")
        slot = np.tile(np.arange(training.slots, dtype=np.int16), training.n_days)
        self._cost = cost[order]
        self._slot = np.repeat(slot, training.counts.ravel())[usable][order]
        self._price = price[usable].astype(np.float64)[order] / training.n_days

    def start(self) -> None:
        """Nothing is remembered."""

    def alpha(self, seen: Seen) -> Floats:
        """See `BenchmarkBidder`."""
        rest = self._slot >= seen.t
        cost = self._cost[rest]
        if not len(cost):
            return seen.target
        at = np.searchsorted(np.cumsum(self._price[rest]), seen.left, side="right")
        dual = np.where(at < len(cost), cost[np.minimum(at, len(cost) - 1)], seen.target)
        return np.asarray(np.minimum(dual, _MOST * seen.target))

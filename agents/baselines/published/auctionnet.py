"""The bidders' side of the AuctionNet protocol (Su et al., "AuctionNet", NeurIPS 2024 D&B).

Every (period, advertiser) is a day with its budget and target CPA. A bidder of the benchmark bids one number times
`pValue`, the predicted conversion, for every auction of a slot, and sees what it spent and won. Auctions are cleared in
arrival order and the last bids are cut to the budget left, where the public code drops won auctions at random until
the slot fits the budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.kpi import CONVERSION
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What a bidder of the benchmark knows before slot `t`; all (D,)."""

    t: int
    slots: int
    target: Floats  # target CPA, currency
    left: Floats  # budget left, currency
    spend: Floats  # so far, currency
    last_spend: Floats  # of the slot before, currency
    conversions: Floats  # predicted conversions won so far


class BenchmarkBidder(Protocol):
    """Bids alpha times `pValue` for every auction of a slot."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    def start(self) -> None:
        """Forget the day before."""

    def alpha(self, seen: Seen) -> Floats:
        """Bids per unit of predicted conversion (D,), currency, >= 0."""


class BidderDay:
    """A bidder through the days that an episode has begun: asked slot after slot for its rule.

    Args:
        bidder: who bids.
        target: target CPA (D,) that it bids by, currency, whatever the days are scored by.
    """

    def __init__(self, bidder: BenchmarkBidder, target: Floats) -> None:
        self._bidder, self._target = bidder, target
        self._left, self._conversions = np.zeros(0), np.zeros(len(target))
        bidder.start()

    def rule(self, episode: Episode) -> Rule:
        """The rule of the coming slot."""
        left, budget = episode.left.copy(), episode.today.campaigns.budget
        if episode.t == 0:
            self._left = left
        else:
            self._conversions += episode.totals.predicted[:, CONVERSION]
        last_spend, self._left = self._left - left, left
        seen = Seen(episode.t, episode.slots, self._target, left, budget - left, last_spend, self._conversions.copy())
        return conversion_rule(self._bidder.alpha(seen), episode.segments)


def conversion_rule(alpha: Floats, segments: int) -> Rule:
    """The rule that bids `alpha` (B,), currency per conversion, times `pValue` in every one of the segments."""
    rows = len(alpha)
    coefficients = np.zeros((rows, 3))
    coefficients[:, CONVERSION] = alpha
    return Rule(coefficients, np.ones((rows, segments)), np.zeros((rows, segments)))

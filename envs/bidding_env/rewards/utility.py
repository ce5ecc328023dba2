"""The usual reward: a slot's increment of utility, and at the end what constraints take off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.bidding_env.constraint_prices import ConstraintPrices
from bidpilot.envs.bidding_env.episode import Episode


class UtilityReward:
    """Increments of utility over the plan's; a day's sum is `score / u_plan`, less the charge of missed constraints.

    Args:
        prices: multipliers of missed constraints; None: no charge.
    """

    def __init__(self, prices: ConstraintPrices | None = None) -> None:
        self.prices = prices

    def begin(self, episode: Episode) -> None:
        """Take note of the day."""
        self._before = episode.utility.copy()

    def pay(self, episode: Episode) -> NDArray[np.float64]:
        """The slot's reward (B,)."""
        before, self._before = self._before, episode.utility
        done = episode.t == episode.slots
        after = episode.score() if done else episode.utility
        reward: NDArray[np.float64] = (after - before) / episode.today.plan_utility
        if done and self.prices is not None:
            reward -= self.prices.charge(episode)
        return reward

"""The vector reward: a slot's increment of each KPI."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.bidding_env.episode import Episode


class VectorReward:
    """`delta x_j / z_j` (B, 3), in MO-Gymnasium's convention; 0 where the ideal point is."""

    def begin(self, episode: Episode) -> None:
        """Take note of the day."""
        self._before = episode.kpi.copy()

    def pay(self, episode: Episode) -> NDArray[np.float64]:
        """The slot's reward (B, 3)."""
        before, self._before = self._before, episode.kpi.copy()
        ideal = episode.today.ideal
        return np.divide(episode.kpi - before, ideal, out=np.zeros_like(before), where=ideal > 0)

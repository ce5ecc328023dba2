"""What a reward is to the environment."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.bidding_env.episode import Episode


class Reward(Protocol):
    """Pays for slots of an episode's days."""

    def begin(self, episode: Episode) -> None:
        """Take note of the day that `episode` has just begun."""

    def pay(self, episode: Episode) -> NDArray[np.float64]:
        """The reward (B,), or (B, 3) for each KPI, of the slot that `episode` has just played; once for each slot."""

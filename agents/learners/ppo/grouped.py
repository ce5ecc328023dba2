"""PPO whose rows play the same day in groups, and whose advantages are what a row did better than its group.

One slot's exploration moves a day by a hundredth of what days differ by, which a critic that cannot know the day leaves
in the advantages. Rows that play one day share that part, and their mean takes it off: the baseline of REINFORCE with
several samples of one problem (Kool, van Hoof and Welling, "Buy 4 REINFORCE samples, get a baseline for free!", 2019).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor


def beside_group(advantages: NDArray[np.float32], group: int) -> NDArray[np.float32]:
    """Advantages (n, B) less the mean of the other rows of each group, slot by slot; `group` rows on end are one.

    With g rows that is g / (g - 1) times the difference to the mean of all of them, the row itself included.
    """
    together = advantages.reshape(len(advantages), -1, group)
    beside: NDArray[np.float32] = (together - together.mean(axis=2, keepdims=True)) * np.float32(group / (group - 1))
    return beside.reshape(advantages.shape)


class GroupBuffer(RolloutBuffer):
    """A rollout whose advantages are relative to the row's group; returns, which the critic learns, are the row's own.

    Args:
        group: rows on end that play one day; 1: advantages are left as they are.
    """

    def __init__(self, *args: Any, group: int = 1, **kwargs: Any) -> None:
        self.group = group
        super().__init__(*args, **kwargs)

    def compute_returns_and_advantage(self, last_values: Tensor, dones: NDArray[np.bool_]) -> None:
        """Returns and advantages of the rollout, both (n, B)."""
        super().compute_returns_and_advantage(last_values, dones)
        if self.group > 1:
            self.advantages = beside_group(self.advantages, self.group)


class GroupedPPO(PPO):
    """PPO that lets its environment's rows play in groups as soon as it learns; before, each plays days of its own.

    Args:
        group: rows on end that play one day.
    """

    def __init__(self, policy: str, env: VecEnv, group: int = 1, **settings: Any) -> None:
        self.group = group
        settings |= {"rollout_buffer_class": GroupBuffer, "rollout_buffer_kwargs": {"group": group}}
        super().__init__(policy, env, **settings)

    def learn(self, *args: Any, **kwargs: Any) -> GroupedPPO:
        """As PPO's."""
        env = self.get_env()
        assert env is not None
        env.set_attr("group", self.group)
        return super().learn(*args, **kwargs)

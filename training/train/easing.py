"""How much of its network's answers a residual policy plays: as much as no kind of market loses by.

A network is right in the mean over the markets that it learnt in, and wrong in some that only look like them. At a
share s of its answers what it is right about keeps 2 s - s ** 2 of its gain, and what it is wrong about costs s ** 2: a
half keeps three quarters of the one and a quarter of the other. The share is found in held-out worlds that neither
validation nor verdict has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.envs import seeding
from bidpilot.envs.markets.worlds import WORLDS
from bidpilot.training.evaluation.suites import worlds_arena
from bidpilot.training.evaluation.traffic import FilterOf
from bidpilot.training.setting.setting import Setting
from bidpilot.training.train.verdict import TOLERATED

SHARES: Final = (1.0, 0.75, 0.5)
"""Of the network's answers, the first that is good enough is played; the last where none is: less than a half gives up
more gain than loss, and whether that much is worth playing is the verdict's to say."""
ROUNDS: Final = 4
"""Days in each world for every 64 days of a verdict's ground."""


@dataclass(frozen=True)
class Easing:
    """The share that is played, and what each share that was tried does in the world that it loses most in."""

    share: float
    worst: Mapping[float, float]  # least mean of R / R* over the base's, of one world

    def record(self) -> dict[str, Any]:
        """As it is stored with the run."""
        return {"share": self.share, "worst_world": {f"{share:g}": lost for share, lost in self.worst.items()}}

    def __str__(self) -> str:
        tried = ", ".join(f"{worst:+.4f} at {share:g}" for share, worst in self.worst.items())
        return f"the policy plays {self.share:g} of its answers; in the world that loses most beside its base {tried}"


def ease(
    policy: NetworkPolicy, setting: Setting, days: int, seed: int, filter_of: FilterOf
) -> tuple[NetworkPolicy, Easing]:
    """The policy with the greatest of `SHARES` by which no held-out world loses more than `TOLERATED` to the base.

    Args:
        policy: a residual one.
        setting: a preset.
        days: of a verdict's ground; four times as many are played, in as many worlds as a verdict has.
        seed: of the worlds and days.
        filter_of: the filter of traffic that is played behind.
    """
    assert policy.residual is not None
    worlds = min(WORLDS, days)
    arena = worlds_arena(setting, ROUNDS * days, seeding.EASING_WORLDS, seed, worlds, filter_of)
    units = (np.arange(len(arena.days)) % worlds)[arena.kept]
    base = arena.play(policy.residual.base).ratio
    worst: dict[float, float] = {}
    for share in SHARES:
        gained = arena.play(policy.eased(share)).ratio - base
        worst[share] = min(float(gained[units == world].mean()) for world in np.unique(units))
        if worst[share] >= -TOLERATED:
            break
    return policy.eased(share), Easing(share, worst)

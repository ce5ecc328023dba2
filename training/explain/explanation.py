"""One decision explained: the share that each feature has in the action, and so in alpha."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.state import State
from bidpilot.bidding.day.action import FIRST_SEGMENT, SCALE_REACH, TILT_REACH
from bidpilot.bidding.day.features import FEATURES, GROUPS, SEGMENT_FEATURE
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.training.explain.baseline import baseline_observation
from bidpilot.training.explain.function import Explainable, decision_of
from bidpilot.training.explain.gradients import integrated_gradients

Array = NDArray[np.float64]

MEMORY = "memory"
"""The group of what a controller remembers, whose inputs are called `memory_...`."""
_GROUP_OF: dict[str, str] = {f.name: f.group for f in (*FEATURES, SEGMENT_FEATURE)}
_ACTION = ("scale", "interaction_tilt", "conversion_tilt")


@dataclass(frozen=True)
class Explanation:
    """The action of one slot, taken apart; I inputs (features, then a controller's memory), A = 3 + S entries.

    `shares` summed over parts and inputs is `action - at_baseline`.
    """

    inputs: tuple[str, ...]  # (I,)
    segments: tuple[str, ...]  # (S,)
    parts: tuple[str, ...]  # (P,) of the agent: its network and, where it has one, the re-plan under it
    observed: Array  # (I,)
    baseline: Array  # (I,) the same on a day as forecast
    action: Array  # (A,) as played
    at_baseline: Array  # (A,) what the agent does on a day as forecast; a network with memory, remembering what it does
    shares: Array  # (P, A, I) in units of the action
    reference: Array  # (3,) the plan's alpha, currency per unit of KPI
    alpha: Array  # (3,) as played, currency per unit of KPI

    @property
    def entries(self) -> tuple[str, ...]:
        """Names (A,) of the action's entries."""
        return (*_ACTION, *(f"segment {name}" for name in self.segments))

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that the inputs are in, in a fixed order."""
        present = {group_of(name) for name in self.inputs}
        return tuple(group for group in (*GROUPS, MEMORY) if group in present)

    def by_group(self) -> Array:
        """Shares (P, A, G) summed over the inputs of each group."""
        member = np.array([[group_of(name) == group for name in self.inputs] for group in self.groups], np.float64)
        grouped: Array = np.einsum("pai,gi->pag", self.shares, member)
        return grouped

    @staticmethod
    def log_alpha(shares: Array) -> Array:
        """What shares (P, A, ...) of the action add to ln alpha (P, 3, ...)."""
        effect: Array = np.repeat(SCALE_REACH * shares[:, :1], 3, axis=1)
        effect[:, 1:] += TILT_REACH * shares[:, 1:FIRST_SEGMENT]
        return effect

    @property
    def gap(self) -> float:
        """By how much the shares of any entry fail to add up."""
        return float(np.abs(self.shares.sum(axis=(0, 2)) - (self.action - self.at_baseline)).max())

    def as_data(self) -> dict[str, Any]:
        """Everything, as plain numbers and names; factors multiply alpha."""
        grouped = self.by_group()
        factors = np.exp(self.log_alpha(grouped).sum(axis=0))  # (3, G)
        offset = np.exp(self.log_alpha(self.at_baseline[None])[0])
        return {
            "alpha": {
                kpi: {
                    "plan": self.reference[j],
                    "played": self.alpha[j],
                    "factor_on_a_day_as_forecast": offset[j],
                    "factor_by_group": dict(zip(self.groups, factors[j].tolist(), strict=True)),
                }
                for j, kpi in enumerate(KPI)
            },
            "action": {entry: self._entry(a, grouped) for a, entry in enumerate(self.entries)},
            "features": {
                name: {"group": group_of(name), "observed": self.observed[i], "baseline": self.baseline[i]}
                for i, name in enumerate(self.inputs)
            },
            "gap": self.gap,
        }

    def _entry(self, a: int, grouped: Array) -> dict[str, Any]:
        parts = {
            part: {
                "by_group": dict(zip(self.groups, grouped[p, a].tolist(), strict=True)),
                "by_feature": {
                    name: float(self.shares[p, a, i]) for i, name in enumerate(self.inputs) if self.shares[p, a, i] != 0
                },
            }
            for p, part in enumerate(self.parts)
        }
        return {"played": self.action[a], "on_a_day_as_forecast": self.at_baseline[a], "parts": parts}


def group_of(name: str) -> str:
    """The group of an input: a feature, a re-plan's segment entry, or a `memory_...`."""
    if name.startswith(f"{MEMORY}_"):
        return MEMORY
    return _GROUP_OF[SEGMENT_FEATURE.name if name.startswith(f"{SEGMENT_FEATURE.name}_") else name]


def explain_slot(
    episode: Episode, observation: NDArray[np.float32], agent: Explainable, state: State, row: int
) -> Explanation:
    """What `agent`, remembering `state`, does on `observation` (B, F) of an episode's coming slot, explained in `row`.

    The episode is left as it is.
    """
    action, _ = agent.act(observation, state)
    own = {name: array[row : row + 1] for name, array in state.items()}
    decision = decision_of(agent, own, episode.segments)
    observed = np.concatenate([observation[row].astype(np.float64), decision.memory])
    baseline = np.concatenate([baseline_observation(episode, observation, row), np.zeros_like(decision.memory)])
    return Explanation(
        inputs=decision.inputs,
        segments=episode.planner.forecast.segments,
        parts=decision.parts,
        observed=observed,
        baseline=baseline,
        action=action[row].astype(np.float64),
        at_baseline=decision.value(baseline[None])[0],
        shares=integrated_gradients(decision, observed, baseline),
        reference=episode.today.alpha[row].copy(),
        alpha=episode.decoded(action).alpha[row].copy(),
    )

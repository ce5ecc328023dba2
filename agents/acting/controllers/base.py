"""What a controller is: a name, a step function, and the ranges its gains are tuned in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.state import State
from bidpilot.bidding.day.action import action_size
from bidpilot.bidding.day.features import segment_features
from bidpilot.bidding.day.replanners import Replan

Parameters = Mapping[str, float]
StepFunction = Callable[[Parameters, State, NDArray[np.float32]], tuple[NDArray[np.float64], State]]
"""(parameters, state, observation (B, F)) -> (action (B, 3 + S), next state)."""


def scale_action(scale: NDArray[np.floating], observation: NDArray[np.float32]) -> NDArray[np.float64]:
    """The action (B, 3 + S) that moves the scale alone: entry a[0] is `scale` (B,), clipped to [-1, 1]."""
    action = np.zeros((len(scale), action_size(segment_features(observation).shape[1])))
    action[:, 0] = np.clip(scale, -1.0, 1.0)
    return action


@dataclass(frozen=True)
class Gain:
    """One tunable number: its default and the range that tuning searches."""

    default: float
    low: float
    high: float
    logarithmic: bool = False


@dataclass(frozen=True)
class Controller:
    """A named step function."""

    name: str
    step: StepFunction
    reads: tuple[str, ...]  # features that it looks at; `replan_segment` stands for all segments'
    replan: Replan = Replan.FORECAST  # which re-plan its observations hold
    gains: Mapping[str, Gain] = field(default_factory=dict)
    state: tuple[str, ...] = ()  # names of what it remembers, zero at the start of a day

    @property
    def defaults(self) -> dict[str, float]:
        """Gains before tuning."""
        return {name: gain.default for name, gain in self.gains.items()}

    def start(self, rows: int) -> State:
        """The state of `rows` campaigns at the start of a day."""
        return {name: np.zeros(rows) for name in self.state}

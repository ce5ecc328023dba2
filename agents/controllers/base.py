"""What a controller is: a name, a step function, and the ranges its gains are tuned in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Parameters = Mapping[str, float]
State = dict[str, NDArray[np.float64]]  # each (B,)
StepFunction = Callable[[Parameters, State, NDArray[np.float32]], tuple[NDArray[np.float64], State]]
"""(parameters, state, observation (B, F)) -> (scale entry a[0] (B,) of the action, next state)."""


@dataclass(frozen=True)
class Gain:
    """One tunable number: its default and the range that tuning searches."""

    default: float
    low: float
    high: float
    logarithmic: bool = False


@dataclass(frozen=True)
class Controller:
    """A named step function. It moves the scale alone; tilts and multipliers stay at the plan's."""

    name: str
    step: StepFunction
    gains: Mapping[str, Gain] = field(default_factory=dict)
    state: tuple[str, ...] = ()  # names of what it remembers, zero at the start of a day

    @property
    def defaults(self) -> dict[str, float]:
        """Gains before tuning."""
        return {name: gain.default for name, gain in self.gains.items()}

    def start(self, rows: int) -> State:
        """The state of `rows` campaigns at the start of a day."""
        return {name: np.zeros(rows) for name in self.state}

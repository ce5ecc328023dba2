"""Residual policies: a network's answer, scaled down, is added to what a controller does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Action, ControllerAgent
from bidpilot.agents.acting.controllers import ADAPTIVE, MPC
from bidpilot.agents.acting.state import State

Base = Literal["mpc", "adaptive"]
"""Controllers that policies are trained on top of."""
RESIDUAL_REACH: Final = 0.3  # share of the network's action that is added to the controller's

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Residual:
    """What a network's answer is added to, and how much of it: `clip(base + reach * clip(raw))`, clips to [-1, 1]."""

    base: ControllerAgent
    reach: float

    def start(self, rows: int) -> State:
        """What the base remembers at the start of a day."""
        return self.base.start(rows)

    def act(self, observation: NDArray[np.float32], raw: Array, state: State) -> tuple[Action, State]:
        """The action (B, 3 + S) that a network's output `raw` (B, 3 + S) stands for, and what the base remembers then.

        In the precision of `raw`, which is left as it is. Of `state` only what the base remembers is looked at.
        """
        own = {name: state[name] for name in self.base.controller.state}
        base, after = self.base.act(observation, own)
        action = clipped(raw)
        action *= action.dtype.type(self.reach)
        action += base.astype(action.dtype)
        return np.clip(action, -1.0, 1.0, out=action), after


RESIDUALS: Final[Mapping[Base, Residual]] = MappingProxyType(
    {
        "mpc": Residual(ControllerAgent(MPC), RESIDUAL_REACH),
        "adaptive": Residual(ControllerAgent(ADAPTIVE), RESIDUAL_REACH),
    }
)
"""What policies are trained on, by the name of the base: its re-plan, followed with gains of 1 and 0."""
RESIDUAL: Final = RESIDUALS["mpc"]
"""What they are trained on where no base is named."""


def clipped(raw: Array) -> Action:
    """The action (B, 3 + S) that a network's output stands for where it is added to nothing."""
    return np.clip(raw, -1.0, 1.0)


def compose(observation: NDArray[np.float32], raw: Array, residual: Residual | None) -> Action:
    """What is played for an output `raw` (B, 3 + S) of a network in training: added to one of `RESIDUALS`, or not."""
    return clipped(raw) if residual is None else residual.act(observation, raw, {})[0]

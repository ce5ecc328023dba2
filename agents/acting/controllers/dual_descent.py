"""Dual descent: the budget's multiplier takes a step for each slot's spend above or below its share.

Mirror descent on the dual (Balseiro, Lu and Mirrokni, Operations Research 2023) with the plan's spend
of the slot as the target: ln(scale) rises by `rate * (target - spend) / mean spend per slot`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.controllers.base import Controller, Gain, Parameters, scale_action
from bidpilot.agents.acting.state import State
from bidpilot.bidding.day.features import feature


def _step(parameters: Parameters, state: State, observation: NDArray[np.float32]) -> tuple[NDArray[np.float64], State]:
    begun = feature(observation, "time_left") < 1.0
    missed = state["target"] * (1.0 - feature(observation, "cost_slot").astype(np.float64))
    scale = np.clip(state["scale"] + np.where(begun, parameters["rate"] * missed, 0.0), -1.0, 1.0)
    state = {"scale": scale, "target": feature(observation, "planned_share").astype(np.float64)}
    return scale_action(scale, observation), state


DUAL_DESCENT = Controller(
    "dual_descent",
    _step,
    reads=("time_left", "cost_slot", "planned_share"),
    gains={"rate": Gain(0.03, 0.001, 0.5, logarithmic=True)},
    state=("scale", "target"),
)

"""PID pacing: the bid scale follows the gap between the budget left and the planned curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.controllers.base import Controller, Gain, Parameters, scale_action
from bidpilot.agents.acting.state import State
from bidpilot.bidding.day.features import feature


def _step(parameters: Parameters, state: State, observation: NDArray[np.float32]) -> tuple[NDArray[np.float64], State]:
    gap = feature(observation, "pace_gap").astype(np.float64)
    total = state["total"] + gap
    scale = (
        parameters["proportional"] * gap
        + parameters["integral"] * total
        + parameters["derivative"] * (gap - state["gap"])
    )
    return scale_action(scale, observation), {"gap": gap, "total": total}


PID = Controller(
    "pid",
    _step,
    reads=("pace_gap",),
    gains={
        "proportional": Gain(2.0, 0.2, 20.0, logarithmic=True),
        "integral": Gain(0.1, 0.002, 2.0, logarithmic=True),
        "derivative": Gain(1.0, 0.1, 20.0, logarithmic=True),
    },
    state=("gap", "total"),
)

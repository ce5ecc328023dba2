"""The plan: zero action, the reference coefficients all day."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.controllers.base import Controller, Parameters, scale_action
from bidpilot.agents.acting.state import State


def _step(parameters: Parameters, state: State, observation: NDArray[np.float32]) -> tuple[NDArray[np.float64], State]:
    return scale_action(np.zeros(len(observation)), observation), state


# It looks at nothing, but an observation of no columns would not tell other runtimes how many rows there are.
PLAN = Controller("plan", _step, reads=("time_left",))

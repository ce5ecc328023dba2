"""Model-predictive control: play the re-plan, which knows the levels seen and expects over those to come.

Under constraints the re-plan is what keeps them: its scale comes down to a cost target, and its segment entries
hold a tail share and channel caps.

`gain` scales the re-plan's answer; `early` adds to it while the day is young, since money kept can still
be spent when levels turn out well; `late` adds to it as the day ends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.controllers.base import Controller, Gain, Parameters, scale_action
from bidpilot.agents.acting.state import State
from bidpilot.bidding.day.action import FIRST_SEGMENT
from bidpilot.bidding.day.features import SEGMENT_FEATURE, feature, segment_features


def _step(parameters: Parameters, state: State, observation: NDArray[np.float32]) -> tuple[NDArray[np.float64], State]:
    time_left = feature(observation, "time_left").astype(np.float64)
    scale = parameters["gain"] * feature(observation, "replan").astype(np.float64)
    scale += parameters["early"] * time_left + parameters["late"] * (1.0 - time_left)
    action = scale_action(scale, observation)
    action[:, FIRST_SEGMENT:] = segment_features(observation)
    return action, state


MPC = Controller(
    "mpc",
    _step,
    reads=("time_left", "replan", SEGMENT_FEATURE.name),
    gains={
        "gain": Gain(1.0, 0.6, 1.4),
        "early": Gain(0.0, -0.3, 0.3),
        "late": Gain(0.0, -0.2, 0.2),
    },
)

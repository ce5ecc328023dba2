"""Model-predictive control by the adaptive re-plan (`bidpilot.bidding.day.adaptive`), which doubts its forecast.

It has no gains: whatever is chosen of it is chosen in the re-plan, on training days.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.controllers.base import Controller, Parameters, scale_action
from bidpilot.agents.acting.state import State
from bidpilot.bidding.day.action import FIRST_SEGMENT
from bidpilot.bidding.day.features import SEGMENT_FEATURE, feature, segment_features
from bidpilot.bidding.day.replanners import Replan


def _step(parameters: Parameters, state: State, observation: NDArray[np.float32]) -> tuple[NDArray[np.float64], State]:
    action = scale_action(feature(observation, "replan").astype(np.float64), observation)
    action[:, FIRST_SEGMENT:] = segment_features(observation)
    return action, state


ADAPTIVE = Controller("adaptive", _step, reads=("replan", SEGMENT_FEATURE.name), replan=Replan.ADAPTIVE)

"""The names that agents are typed by, light enough for `--help`: constant, controllers, references and learners."""

from __future__ import annotations

from typing import Final

from bidpilot.agents.acting.controllers import CONTROLLERS, MPC
from bidpilot.agents.learners.catalogue import LEARNERS

CONSTANT: Final = "constant"
INFORMED: Final = "mpc_informed"
"""The model-predictive controller told the levels to come: it bounds the room above the one that is not."""
REFERENCES: Final = (MPC.name, INFORMED)
"""They stand in every table."""
FORECASTING: Final = (*CONTROLLERS, INFORMED, *LEARNERS)
"""What bids by a forecast."""
KNOWN_AGENTS: Final = (CONSTANT, *FORECASTING)
ALL_AGENTS: Final = (CONSTANT, *CONTROLLERS, INFORMED, *(name for name, e in LEARNERS.items() if not e.experimental))
"""Who plays where no agent is named."""
TUNED_BASELINES: Final = (CONSTANT, *(name for name, controller in CONTROLLERS.items() if controller.gains))
"""What has gains to tune; the plan has none."""
DECIDING: Final = (*CONTROLLERS, *LEARNERS)
"""What decides by what it observes, so that a decision can be explained."""

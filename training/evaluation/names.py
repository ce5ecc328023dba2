"""The names that agents are typed by, light enough for `--help`: constant, controllers, references and learners."""

from __future__ import annotations

from typing import Final

from bidpilot.agents.acting.controllers import CONTROLLERS, MPC

CONSTANT: Final = "constant"
LEARNED: Final = "ppo"
INFORMED: Final = "mpc_informed"
"""The model-predictive controller told the levels to come: it bounds the room above the one that is not."""
REFERENCES: Final = (MPC.name, INFORMED)
"""They stand in every table."""
FORECASTING: Final = (*CONTROLLERS, INFORMED, LEARNED)
"""What bids by a forecast."""
ALL_AGENTS: Final = (CONSTANT, *FORECASTING)
TUNED_BASELINES: Final = (CONSTANT, *(name for name, controller in CONTROLLERS.items() if controller.gains))
"""What has gains to tune; the plan has none."""
DECIDING: Final = (*CONTROLLERS, LEARNED)
"""What decides by what it observes, so that a decision can be explained."""

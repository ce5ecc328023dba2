"""Controllers: pure NumPy step functions (parameters, state, observation) -> (action, state), on bidding/ alone."""

from bidpilot.agents.acting.controllers.adaptive import ADAPTIVE
from bidpilot.agents.acting.controllers.base import Controller, StepFunction
from bidpilot.agents.acting.controllers.dual_descent import DUAL_DESCENT
from bidpilot.agents.acting.controllers.mpc import MPC
from bidpilot.agents.acting.controllers.pid import PID
from bidpilot.agents.acting.controllers.plan import PLAN

CONTROLLERS: dict[str, Controller] = {c.name: c for c in (PLAN, PID, DUAL_DESCENT, MPC, ADAPTIVE)}
"""Every controller by name."""

__all__ = ["ADAPTIVE", "CONTROLLERS", "DUAL_DESCENT", "MPC", "PID", "PLAN", "Controller", "StepFunction"]

"""The re-plans by name: which of them an observation holds is what its agent was made for."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.adaptive import AdaptiveReplanner
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.plan.planner import Planner


class Replan(StrEnum):
    """What the features `replan`, `replan_change` and `replan_segment` are computed by."""

    FORECAST = "forecast"
    """`Replanner`: the forecast's own curves, around the levels believed of the day."""
    ADAPTIVE = "adaptive"
    """`AdaptiveReplanner`: one that doubts the forecast."""


def replanner(replan: Replan, planner: Planner, plan: BudgetPlan, index: NDArray[np.int64]) -> Replanner:
    """A re-planner for a day to begin; row b follows plan `index[b]`."""
    if replan is Replan.ADAPTIVE:
        return AdaptiveReplanner(planner.forecast, plan, index, planner.outlook(plan))
    return Replanner(planner.forecast, plan, index)

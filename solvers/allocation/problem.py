"""A campaign's plan as a problem: the day that was binned for it, and its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.base import Terms
from bidpilot.bidding.constraints.row import Row, Scaled
from bidpilot.bidding.landscape.binned import BinnedDay, ForecastAuctions
from bidpilot.solvers.allocation.program import Shape

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlanProblem:
    """One campaign on the day that was binned for it."""

    auctions: ForecastAuctions
    day: BinnedDay
    scaled: Scaled
    terms: Terms
    rows: tuple[Row, ...]
    preference: Vector  # (3,)
    shape: Shape
    conflict: bool  # the dual has certified that nothing is feasible

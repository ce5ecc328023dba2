"""What an allocation says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ConstraintDual:
    """What one constraint costs."""

    name: str  # of its row
    bound: float  # in its own unit
    attained: float  # by the plan, in the same unit
    utility_per_unit: float  # change of the utility when the bound rises by 1
    money_per_unit: float | None  # budget that is worth as much; None where the budget does not bind
    meaning: str


@dataclass(frozen=True)
class Allocation:
    """A plan: what to spend when and where, what to bid, and what each constraint costs."""

    status: str  # optimal
    utility: float
    kpi: NDArray[np.float64]  # (3,) expected totals, own units
    ideal: NDArray[np.float64]  # (3,) z
    spend: NDArray[np.float64]  # (T, S) currency
    wins: NDArray[np.float64]  # (T, S) expected won exposures
    segments: tuple[str, ...]  # (S,)
    alpha: NDArray[np.float64]  # (3,) bid coefficients, currency per unit of KPI
    multiplier: NDArray[np.float64]  # (S,) m
    beta: NDArray[np.float64]  # (S,) share price, currency per exposure
    shadow_price: float  # lambda, utility per unit of budget
    duals: tuple[ConstraintDual, ...]
    row_duals: dict[str, float]  # by row name, in the units of `bidpilot.bidding.constraints.row`
    gap: float  # (bound by the multipliers - utility) / utility
    solver: str
    fallback: str | None  # why the usual solver did not solve it
    seconds: float  # to solve

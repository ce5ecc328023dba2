"""What an allocation says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

WORTHLESS = 1e-9
"""A multiplier of a row of order 1 that is no more than this is none."""


@dataclass(frozen=True)
class ConstraintDual:
    """What one constraint costs."""

    name: str  # of its row
    bound: float  # in its own unit
    attained: float  # by the plan, in the same unit
    utility_per_unit: float  # change of the utility when the bound rises by 1
    money_per_unit: float | None  # budget that is worth as much; None where the budget does not bind
    meaning: str  # what a step of the bound is worth, in words
    step: float = 1.0  # change of the bound that its price is told for: 0.01 of a share
    step_name: str = "unit"  # or percentage point

    @property
    def utility_per_step(self) -> float:
        """Change of the utility when the bound rises by a step."""
        return self.utility_per_unit * self.step

    @property
    def money_per_step(self) -> float | None:
        """Budget that is worth as much; None where the budget does not bind."""
        return None if self.money_per_unit is None else self.money_per_unit * self.step


def in_words(rate: float, money: float | None, change: str) -> str:
    """What a `change` of a bound is worth, by its utility and, where the budget binds, in budget."""
    amount = f"{abs(rate):.4g} utility" + ("" if money is None else f", as much as {abs(money):.4g} of budget")
    return f"{change} {'gains' if rate > 0 else 'costs'} {amount}"


DOES_NOT_BIND = "does not bind: a change is worth nothing"


@dataclass(frozen=True)
class Allocation:
    """A plan: what to spend when and where, what to bid, and what each constraint costs."""

    status: str  # optimal
    utility: float
    kpi: NDArray[np.float64]  # (3,) expected totals, own units
    ideal: NDArray[np.float64]  # (3,) z
    spend: NDArray[np.float64] = field(repr=False)  # (T, S) currency
    wins: NDArray[np.float64] = field(repr=False)  # (T, S) expected won exposures
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
    nothing: str | None  # where it buys nothing: why, and what would do
    seconds: float  # to solve

"""What a portfolio's plan says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.solvers.allocation.result import ConstraintDual

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class PortfolioRule:
    """Bid rules of C campaigns, and what their money costs: enough to bid, and to choose who bids."""

    alpha: Vector  # (C, 3) bid coefficients, currency per unit of KPI
    multiplier: Vector  # (C, S) m, at most 1
    beta: Vector  # (C, S) share price, currency per exposure
    cost: Vector  # (C, S) utility per currency
    bids: Vector  # (G,) grid of bids, currency
    saved: Vector  # (S, G) expected bid less price of a won auction, times the chance to win: currency per auction


@dataclass(frozen=True)
class PortfolioPlan:
    """Budgets of C campaigns over the L days left and H channels, today first, and the rules to bid today."""

    campaigns: tuple[str, ...]  # (C,)
    channels: tuple[str, ...]  # (H,)
    segments: tuple[str, ...]  # (S,)
    day: int  # days of the horizon that are over; 0 at its start
    spend: Vector  # (C, L, H) budgets, currency
    reserve: Vector  # (L,) held after each day beyond what later days need, currency
    rule: PortfolioRule  # for today
    kpi: Vector  # (C, 3) expected totals of the days left, own units
    wins: Vector  # (C,) expected won exposures of the days left
    ideal: Vector  # (3,) z of the whole budget over the whole horizon
    utility: float  # what was maximised: the mean, or (1 - w) mean + w CVaR
    mean: float  # expected utility of the days left
    cvar: float | None  # mean utility of the worst scenario days; None where no risk is stated
    scenario_utility: Vector  # (Z,) of each scenario day, all days left being such
    shadow_price: float  # lambda, utility per unit of budget
    duals: tuple[ConstraintDual, ...]
    gap: float  # (bound by the multipliers - utility) / utility
    solver: str
    fallback: str | None  # why the usual solver did not solve it
    nothing: str | None  # where it buys nothing: what leaves nothing to buy
    seconds: float  # all told

    @property
    def budgets(self) -> Vector:
        """(C, L) budget of each campaign and day left, currency."""
        total: Vector = self.spend.sum(axis=2)
        return total

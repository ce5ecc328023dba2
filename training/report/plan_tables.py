"""Tables of plans, fronts and conflicts for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from bidpilot.bidding.errors import Conflict
from bidpilot.bidding.kpi import KPI
from bidpilot.solvers.allocation import Allocation, ConstraintDual
from bidpilot.solvers.pareto import FrontPoint, ParetoFront


def plan_table(plan: Allocation, title: str) -> Table:
    """Spend and exposures by channel and content tier, with the segment's multiplier and share price."""
    table = _table(title, ("channel", "tier"), ("spend", "share", "exposures", "cost", "m", "beta"))
    spend, wins = plan.spend.sum(axis=0), plan.wins.sum(axis=0)
    total = float(spend.sum())
    for s, name in enumerate(plan.segments):
        channel, _, tier = name.partition("/")
        table.add_row(
            channel,
            tier,
            f"{spend[s]:.3f}",
            f"{spend[s] / total:.1%}" if total > 0 else "-",
            f"{wins[s]:.1f}",
            f"{spend[s] / wins[s]:.4f}" if wins[s] > 0 else "-",
            f"{plan.multiplier[s]:.3f}",
            f"{plan.beta[s] + 0.0:+.4f}",  # a price of -0.0 is none
            end_section=s == len(plan.segments) - 1,
        )
    cost = f"{total / wins.sum():.4f}" if wins.sum() > 0 else "-"
    table.add_row("all", "", f"{total:.3f}", "100.0%" if total > 0 else "-", f"{wins.sum():.1f}", cost, "", "")
    return table


def rule_table(plan: Allocation) -> Table:
    """What the plan brings of each KPI, and the coefficient that it bids."""
    table = _table("KPIs and bid coefficients", ("KPI",), ("total", "ideal point", "share", "alpha"))
    for j, name in enumerate(KPI):
        share = f"{plan.kpi[j] / plan.ideal[j]:.3f}" if plan.ideal[j] > 0 else "-"
        table.add_row(name, f"{plan.kpi[j]:.4g}", f"{plan.ideal[j]:.4g}", share, f"{plan.alpha[j]:.4g}")
    return table


def dual_table(duals: Sequence[ConstraintDual]) -> Table:
    """What each constraint costs."""
    table = _table("What the constraints cost", ("constraint",), ("bound", "plan", "utility", "per"))
    table.add_column("meaning")
    for dual in duals:
        numbers = (f"{dual.bound:.4g}", f"{dual.attained:.4g}", f"{dual.utility_per_step:+.3g}", dual.step_name)
        table.add_row(dual.name, *numbers, dual.meaning)
    return table


def conflict_table(conflicts: Sequence[Conflict]) -> Table:
    """The constraints that conflict, and the nearest bound of each at which all hold."""
    table = _table("No plan keeps these together", ("constraint",), ("bound", "would do"))
    for conflict in conflicts:
        needed = "not alone" if conflict.needed is None else f"{conflict.needed:.4g}"
        table.add_row(conflict.name, f"{conflict.bound:.4g}", needed)
    return table


def pareto_table(front: ParetoFront, title: str) -> Table:
    """Every point's shares of the ideal point, from most to least of the first KPI; ends and knee are named."""
    table = _table(title, ("found by",), (*(KPI[j] for j in front.active), "spend"))
    table.add_column("", no_wrap=True)
    first = front.active[0]
    for point in sorted(front.points, key=lambda p: -p.share[first]):
        shares = (f"{point.share[j]:.4f}" for j in front.active)
        table.add_row(_found_by(point), *shares, f"{point.spend.sum():.3f}", _role(point, front))
    return table


def budget_table(
    campaigns: Sequence[str], channels: Sequence[str], spend: NDArray[np.float64], reserve: NDArray[np.float64]
) -> Table:
    """Budgets `spend` (C, D, H) of each campaign and day by channel, and what is held after each day (D,)."""
    table = _table("Budgets", ("campaign", "day"), (*channels, "all"))
    for c, name in enumerate(campaigns):
        for d, row in enumerate(spend[c]):
            amounts = (f"{amount:.3f}" for amount in row)
            table.add_row(
                name if d == 0 else "", str(d + 1), *amounts, f"{row.sum():.3f}", end_section=d == len(spend[c]) - 1
            )
    for d, held in enumerate(reserve):
        table.add_row("held back" if d == 0 else "", str(d + 1), *("" for _ in channels), f"{held:.3f}")
    return table


def _found_by(point: FrontPoint) -> str:
    if point.preference is None:
        return "floors"
    return "preference " + " ".join(f"{w:.2f}" for w in point.preference)


def _role(point: FrontPoint, front: ParetoFront) -> str:
    for j, end in zip(front.active, front.ends, strict=True):
        if np.array_equal(point.share, end.share):
            return f"most {KPI[j]}"
    return "knee" if point is front.knee else ""


def _table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in texts:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table

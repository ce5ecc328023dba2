"""Solve a problem until its plan keeps every constraint in its own unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.together import constraint_of
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.solvers.allocation.problem import PlanProblem
from bidpilot.solvers.allocation.program import AllocationProgram, Shape, Solved, solve
from bidpilot.solvers.allocation.rows import near_power
from bidpilot.solvers.kept import Side, check_kept, missed

Vector = NDArray[np.float64]

_TRIES = 3  # of solving, each with rows in units of what the last plan took of them


class Taken(NamedTuple):
    """Totals over the slots that a row counts, in the units of `bidpilot.bidding.constraints.row`."""

    spend: Vector  # (S,)
    kpi: Vector  # (3,)
    wins: Vector  # (S,)


def solve_kept(
    problem: PlanProblem, shape: Shape, rows: Sequence[Row], solver: str | None = None
) -> tuple[AllocationProgram, Solved, Vector]:
    """The program, how it was solved, and the shares (T, N) of the day's auctions that its plan buys.

    Rows are of the problem's constraints, or floors of KPIs in ideal points by any other name.

    Raises:
        PlanMissesConstraint: the plan misses a constraint, however its rows are written.
        SolverUnavailable, SolverFailed.
    """
    sizes = None
    for _ in range(_TRIES):
        program, solved = solve(shape, problem.scaled, rows, problem.preference, solver, sizes)
        if solved.status != "optimal":
            return program, solved, np.zeros_like(problem.scaled.share)
        bought = program.purchase.bought(problem.scaled)
        sides = [_side(problem, row, bought) for row in rows]
        if not missed(sides):
            return program, solved, bought
        sizes = near_power(_size(row, taken_of(problem, row, bought)) for row in rows)
    check_kept(sides, solved.solver)
    raise AssertionError("a plan that misses nothing was returned above")


def taken_of(problem: PlanProblem, row: Row, bought: Vector) -> Taken:
    """What shares (T, N) of the day's auctions take of a row."""
    scaled = problem.scaled
    counted = bought if row.slots is None else (bought.T * row.slots).T
    inside = np.eye(len(problem.terms.segments))[scaled.segment]  # (N, S)
    once = counted.sum(axis=0)
    return Taken(((scaled.curve @ counted) * scaled.price) @ inside, once @ scaled.value, once @ inside)


def totals_of(problem: PlanProblem, taken: Taken) -> DayTotals:
    """The same in their own units, one day."""
    terms = problem.terms
    return DayTotals.by_segment(
        terms.segments,
        taken.spend[None] * terms.unit,
        (taken.kpi * terms.ideal / terms.kpi_unit)[None],
        taken.wins[None] * problem.day.demand,
        np.array([terms.conversion_value]),
    )


def _side(problem: PlanProblem, row: Row, bought: Vector) -> Side:
    taken = taken_of(problem, row, bought)
    if row not in problem.rows:
        return Side(row.name, -row.bound, float(row.value @ taken.kpi))
    constraint, of = constraint_of(row.name), row.name.partition("/")[2]
    bound = np.array([constraint.bound(row.name, problem.terms)])
    less, more = constraint.sides(of, bound, totals_of(problem, taken))
    return Side(row.name, float(less[0]), float(more[0]))


def _size(row: Row, taken: Taken) -> float:
    """The largest of a row's terms."""
    return max(
        abs(row.bound),
        float(np.abs(row.money) @ taken.spend),
        float(np.abs(row.value) @ taken.kpi),
        float(np.abs(row.wins) @ taken.wins),
    )

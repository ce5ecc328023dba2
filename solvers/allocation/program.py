"""The allocation program: compiled once per shape, solved again by parameters."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.constraints.rows import Scaled
from bidpilot.bidding.errors import SolverFailed
from bidpilot.solvers.allocation.backend import CONIC, LINEAR, attempt
from bidpilot.solvers.allocation.constraints import Constraint, Terms, constraint
from bidpilot.solvers.allocation.objectives import OBJECTIVES, TANGENTS, NashByTangents, Objective
from bidpilot.solvers.allocation.totals import Purchase

_LOG = logging.getLogger(__name__)
_LEAST_KPI = 1e-6  # ideal points at which a tangent plane is put at the least
_TOUCHES = 1e-9  # of log utility between the planes and the logarithm
_FEASIBLE = 1e-7  # an excess of all constraints together below this counts as none


class Shape(NamedTuple):
    """What a program is compiled for."""

    demand: tuple[float, ...]  # (T,) auctions per slot
    curve: tuple[float, ...]  # (T,) price level by slot
    bins: int
    segments: tuple[str, ...]
    kind: int  # Scalarisation.code
    active: tuple[int, ...]  # KPIs with a positive preference
    limits: tuple[str, ...]  # names of `Limit`


@dataclass(frozen=True)
class Solved:
    """How a program was solved."""

    status: str  # optimal or infeasible
    solver: str
    fallback: str | None  # why the usual solver did not do it; None where it did
    seconds: float


class AllocationProgram:
    """Maximise an objective under constraints; DPP, so that only parameters change between solves."""

    def __init__(self, shape: Shape, objective: Objective) -> None:
        self.purchase = Purchase(shape.demand, shape.curve, shape.bins, len(shape.segments))
        self.objective = objective
        self.constraints: tuple[Constraint, ...] = tuple(constraint(n, shape.segments) for n in shape.limits)
        totals = self.purchase.totals
        goal = cp.Maximize(objective.expression(totals))
        self.limits = [c.excess(totals) <= 0 for c in self.constraints]
        self.problem = cp.Problem(goal, [*self.purchase.constraints, *objective.constraints, *self.limits])
        assert self.problem.is_dpp()

    def update(self, day: Scaled, terms: Terms) -> None:
        """Write a day and a campaign."""
        self.purchase.update(day)
        self.objective.update(terms.campaigns.preference[terms.row])
        for term in self.constraints:
            term.update(terms)


def solve(shape: Shape, day: Scaled, terms: Terms, solver: str | None = None) -> tuple[AllocationProgram, Solved]:
    """Solve a campaign by `solver`, the usual one where None, or by the fallback where that fails numerically.

    Linear programs go to HiGHS and fall back on Clarabel. The logarithm of nash goes to HiGHS by its tangent planes
    and falls back on Clarabel's exponential cones, which stop short of their tolerance on most of these days.

    Raises:
        SolverUnavailable: one that is needed is not installed.
        SolverFailed: both fail.
    """
    start = time.perf_counter()
    usual, other = (LINEAR, CONIC) if solver in (None, LINEAR) else (str(solver), LINEAR)
    try:
        program, status = _solve_by(usual, shape, day, terms)
    except SolverFailed as failure:
        _LOG.warning("%s; falling back on %s", failure, other)
        try:
            program, status = _solve_by(other, shape, day, terms)
        except SolverFailed as second:
            raise SolverFailed(
                f"{failure}, then {second}. Scale budget and floors nearer to what the market offers."
            ) from second
        return program, Solved(status, other, str(failure), time.perf_counter() - start)
    return program, Solved(status, usual, None, time.perf_counter() - start)


def _solve_by(solver: str, shape: Shape, day: Scaled, terms: Terms) -> tuple[AllocationProgram, str]:
    curved = shape.kind == Scalarisation.nash.code and solver == LINEAR
    program = compiled_tangents(shape) if curved else compiled(shape)
    program.update(day, terms)
    return program, _by_tangents(program) if curved else attempt(program.problem, solver)


def _by_tangents(program: AllocationProgram) -> str:
    """Solve again with a tangent plane more until the planes meet the logarithm (Kelley, J. SIAM 8, 1960)."""
    objective = program.objective
    assert isinstance(objective, NashByTangents)
    points = [np.ones(3)]
    for _ in range(TANGENTS):
        objective.touch(points)
        status = attempt(program.problem, LINEAR)
        if status != cp.OPTIMAL:
            break
        kpi = np.maximum(program.purchase.totals.kpi.value, _LEAST_KPI)
        if program.problem.value - objective.log_utility(kpi) <= _TOUCHES:
            break
        points.append(kpi)
    return status


class ElasticProgram:
    """How far constraints miss each other: minimise their weighted excess, each at a price."""

    def __init__(self, shape: Shape) -> None:
        self.purchase = Purchase(shape.demand, shape.curve, shape.bins, len(shape.segments))
        self.constraints: tuple[Constraint, ...] = tuple(constraint(n, shape.segments) for n in shape.limits)
        self._slack = cp.Variable(len(self.constraints), nonneg=True)
        totals = self.purchase.totals
        self.limits = [c.excess(totals) <= self._slack[k] for k, c in enumerate(self.constraints)]
        self.problem = cp.Problem(cp.Minimize(cp.sum(self._slack)), [*self.purchase.constraints, *self.limits])
        assert self.problem.is_dpp()

    def excess(self, day: Scaled, terms: Terms) -> float:
        """The least total excess; 0 where all constraints hold together."""
        self.purchase.update(day)
        for term in self.constraints:
            term.update(terms)
        attempt(self.problem, LINEAR)
        least = float(self.problem.value)
        return least if least > _FEASIBLE else 0.0

    def prices(self) -> NDArray[np.float64]:
        """(K,) multipliers of the last solve: those above 0 take part in the conflict."""
        return np.array([float(limit.dual_value) for limit in self.limits])


@lru_cache(maxsize=16)
def compiled(shape: Shape) -> AllocationProgram:
    """The program of a shape, compiled at its first use."""
    return AllocationProgram(shape, OBJECTIVES[shape.kind](shape.active))


@lru_cache(maxsize=4)
def compiled_tangents(shape: Shape) -> AllocationProgram:
    """The linear form of a shape with a logarithm."""
    return AllocationProgram(shape, NashByTangents(shape.active))


@lru_cache(maxsize=4)
def compiled_elastic(shape: Shape) -> ElasticProgram:
    """The elastic program of a shape."""
    return ElasticProgram(shape)

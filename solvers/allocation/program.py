"""The allocation program: compiled once per shape, solved again by parameters."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.constraints.row import Row, Scaled
from bidpilot.bidding.errors import SolverFailed
from bidpilot.solvers.allocation.backend import CONIC, LINEAR, attempt
from bidpilot.solvers.allocation.objectives import OBJECTIVES, TANGENTS, NashByTangents, Objective
from bidpilot.solvers.allocation.rows import ProgramRow, RowShape, sizes_of
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
    rows: tuple[RowShape, ...]


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
        self.rows = tuple(ProgramRow(row, self.purchase) for row in shape.rows)
        goal = cp.Maximize(objective.expression(self.purchase.totals))
        self.kept = [row.excess <= 0 for row in self.rows]
        self.problem = cp.Problem(goal, [*self.purchase.constraints, *objective.constraints, *self.kept])
        assert self.problem.is_dpp()

    def update(
        self, day: Scaled, rows: Sequence[Row], preference: NDArray[np.float64], sizes: NDArray[np.float64]
    ) -> None:
        """Write a day, and a campaign's rows, each in units of its size (K,), and preference (3,)."""
        self.purchase.update(day)
        self.objective.update(preference)
        for written, row, size in zip(self.rows, rows, sizes, strict=True):
            written.update(row, float(size))

    def prices(self) -> dict[str, float]:
        """Multipliers of the last solve by row name, >= 0, in units of the objective per unit of the row."""
        return {row.name: row.price(kept) for row, kept in zip(self.rows, self.kept, strict=True)}


def solve(
    shape: Shape,
    day: Scaled,
    rows: Sequence[Row],
    preference: NDArray[np.float64],
    solver: str | None = None,
    sizes: NDArray[np.float64] | None = None,
) -> tuple[AllocationProgram, Solved]:
    """Solve a campaign by `solver`, the usual one where None, or by the fallback where that fails numerically.

    Rows are written in units of `sizes` (K,); where None, of what their own numbers say.

    Linear programs go to HiGHS and fall back on Clarabel. The logarithm of nash goes to HiGHS by its tangent planes
    and falls back on Clarabel's exponential cones, which stop short of their tolerance on most of these days.

    Raises:
        SolverUnavailable: one that is needed is not installed.
        SolverFailed: both fail.
    """
    start = time.perf_counter()
    sizes = sizes_of(rows) if sizes is None else sizes
    usual, other = (LINEAR, CONIC) if solver in (None, LINEAR) else (str(solver), LINEAR)
    try:
        program, status = _solve_by(usual, shape, day, rows, preference, sizes)
    except SolverFailed as failure:
        _LOG.warning("%s; falling back on %s", failure, other)
        try:
            program, status = _solve_by(other, shape, day, rows, preference, sizes)
        except SolverFailed as second:
            raise SolverFailed(
                f"{failure}, then {second}. Scale budget and floors nearer to what the market offers."
            ) from second
        return program, Solved(status, other, str(failure), time.perf_counter() - start)
    return program, Solved(status, usual, None, time.perf_counter() - start)


def _solve_by(
    solver: str,
    shape: Shape,
    day: Scaled,
    rows: Sequence[Row],
    preference: NDArray[np.float64],
    sizes: NDArray[np.float64],
) -> tuple[AllocationProgram, str]:
    curved = shape.kind == Scalarisation.nash.code and solver == LINEAR
    program = compiled_tangents(shape) if curved else compiled(shape)
    program.update(day, rows, preference, sizes)
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
        self._rows = tuple(ProgramRow(row, self.purchase) for row in shape.rows)
        self._slack = cp.Variable(len(self._rows), nonneg=True)
        self._relaxed = [row.excess <= self._slack[k] for k, row in enumerate(self._rows)]
        self.problem = cp.Problem(cp.Minimize(cp.sum(self._slack)), [*self.purchase.constraints, *self._relaxed])
        assert self.problem.is_dpp()

    def excess(self, day: Scaled, rows: Sequence[Row], sizes: NDArray[np.float64]) -> float:
        """The least total excess, each row's in units of its size (K,); 0 where all rows hold together."""
        self.purchase.update(day)
        for written, row, size in zip(self._rows, rows, sizes, strict=True):
            written.update(row, float(size))
        attempt(self.problem, LINEAR)
        least = float(self.problem.value)
        return least if least > _FEASIBLE else 0.0

    def prices(self) -> NDArray[np.float64]:
        """(K,) multipliers of the last solve: those above 0 take part in the conflict."""
        return np.array([row.price(relaxed) for row, relaxed in zip(self._rows, self._relaxed, strict=True)])


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

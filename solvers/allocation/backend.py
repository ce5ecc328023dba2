"""Which solver solves: HiGHS for linear programs, Clarabel for conic ones, and one logged fallback."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import cvxpy as cp

from bidpilot.bidding.errors import SolverFailed, SolverUnavailable

_LOG = logging.getLogger(__name__)
LINEAR, CONIC = ("HIGHS", "CLARABEL"), ("CLARABEL", "SCS")
"""The solver of each kind of program, then its fallback."""


@dataclass(frozen=True)
class Solved:
    """How a program was solved."""

    status: str  # optimal or infeasible
    solver: str
    fallback: str | None  # why the usual solver did not do it; None where it did
    seconds: float


def solve(problem: cp.Problem, solvers: tuple[str, str]) -> Solved:
    """Solve by the first of `solvers`, or by the second where it fails numerically.

    Raises:
        SolverUnavailable: one that is needed is not installed.
        SolverFailed: both fail, or the program is unbounded.
    """
    start = time.perf_counter()
    reason: str | None = None
    for solver in solvers:
        if solver not in cp.installed_solvers():
            raise SolverUnavailable(
                f"the solver {solver} is not installed: pip install 'bidpilot[train]' brings it; installed are "
                f"{', '.join(cp.installed_solvers())}."
            )
        try:
            problem.solve(solver=solver, enforce_dpp=True)
        except cp.error.SolverError as error:
            why = f"{solver} failed ({' '.join(str(error).split())[:120]})"
        else:
            if problem.status in (cp.OPTIMAL, cp.INFEASIBLE):
                return Solved(problem.status, solver, reason, time.perf_counter() - start)
            if problem.status == cp.UNBOUNDED:
                raise SolverFailed("the program is unbounded. Give the campaign a budget.")
            why = f"{solver} ended {problem.status}"
        if reason is not None:
            raise SolverFailed(f"{reason}, then {why}. Scale budget and floors nearer to what the market offers.")
        reason = why
        _LOG.warning("%s; trying %s", why, solvers[1])
    raise AssertionError("unreachable")

"""Solvers of the programs: one attempt by one solver, its failure as an exception that says why."""

from __future__ import annotations

import warnings

import cvxpy as cp

from bidpilot.bidding.errors import SolverFailed, SolverUnavailable
from bidpilot.solvers.allocation.banner import greet_nobody

LINEAR, CONIC = "HIGHS", "CLARABEL"
"""The solver of each kind of program."""


def attempt(problem: cp.Problem, solver: str) -> str:
    """Solve `problem` by its parameters; the status, optimal or infeasible.

    Raises:
        SolverUnavailable: the solver is not installed.
        SolverFailed: it failed numerically, or the program is unbounded.
    """
    if solver not in cp.installed_solvers():
        raise SolverUnavailable(
            f"the solver {solver} is not installed: pip install 'bidpilot[train]' brings it; installed are "
            f"{', '.join(cp.installed_solvers())}."
        )
    if solver == LINEAR:
        greet_nobody()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "may be inaccurate": the status says it
            problem.solve(solver=solver, enforce_dpp=True, warm_start=False)  # warm starts are erratic
    except (cp.error.SolverError, ValueError) as error:  # ValueError: no solution to unpack
        raise SolverFailed(f"{solver} failed ({' '.join(str(error).split())[:80]})") from error
    if problem.status not in (cp.OPTIMAL, cp.INFEASIBLE):
        raise SolverFailed(f"{solver} ended {problem.status}")
    return str(problem.status)

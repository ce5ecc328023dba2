"""Why an optimal plan buys nothing, and the nearest bound at which it would."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.budget import ROW as BUDGET
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.together import constraint_of
from bidpilot.solvers.allocation.problem import PlanProblem

_HALVINGS = 60
_STRIDES = 10  # ever further from the campaign's bound; beyond them no bound is looked for
_MARGIN = 1e-3  # relative, so that what is printed buys something when typed in


def why_nothing(problem: PlanProblem, wanted: NDArray[np.float64]) -> str:
    """One line: the constraints that leave nothing to buy, each with the bound that would do.

    `wanted` (3,) weighs KPIs. A row that buying nothing keeps leaves something to buy exactly if there is a bin that
    takes nothing of it.
    """
    useful = (problem.scaled.value @ wanted > 0) & (problem.scaled.share.sum(axis=0) > 0)
    if not useful.any():
        return "nothing can be bought: no auction of the forecast brings what the preference asks for"
    alone = [row for row in problem.rows if not _buys(problem, row, useful)]
    if not alone:
        names = " and ".join(row.name for row in problem.rows[1:])
        return f"nothing can be bought under {names} together: no purchase keeps them all. Relax one of them"
    return "nothing can be bought: " + "; ".join(_line(problem, row, useful) for row in alone)


def _line(problem: PlanProblem, row: Row, useful: NDArray[np.bool_]) -> str:
    if row.name == BUDGET:  # a budget is above 0, and only a reserve of all of it leaves nothing
        return "reserve = 1 holds the whole budget back. Lower it"
    bound, needed = constraint_of(row.name).bound(row.name, problem.terms), _needed(problem, row, useful)
    said = f"{row.name} = {bound:.4g} leaves no auction of the forecast"
    return f"{said}, whatever it is changed to" if needed is None else f"{said}; it begins to buy at {needed:.4g}"


def _needed(problem: PlanProblem, row: Row, useful: NDArray[np.bool_]) -> float | None:
    """The bound nearest to the campaign's that leaves something to buy; None where none does."""
    constraint = constraint_of(row.name)
    own = constraint.bound(row.name, problem.terms)

    def buys(bound: float) -> bool:
        return _buys(problem, constraint.moved(row.name, bound, problem.terms), useful)

    near, far = own, constraint.loosened(own, 1.0)
    for _ in range(_STRIDES):
        if buys(far):
            break
        near, far = far, constraint.loosened(far, 1.0)
    else:
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if buys(constraint.loosened(near, middle)) else (middle, high)
    needed = constraint.loosened(near, high)
    return needed + _MARGIN * (needed if needed > own else -needed)


def _buys(problem: PlanProblem, row: Row, useful: NDArray[np.bool_]) -> bool:
    """Whether some useful bin in some slot takes nothing of the row, or the row leaves something of anything."""
    if row.bound > 0:
        return True
    day = problem.scaled
    plain = row.wins[day.segment] - day.value @ row.value
    takes = plain + np.multiply.outer(day.curve, row.money[day.segment] * day.price)  # (T, N)
    return bool((takes[:, useful] <= 0).any())

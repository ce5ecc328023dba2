"""Why a campaign is infeasible: the constraints that conflict, and what each would have to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.rows import Scaled
from bidpilot.bidding.errors import Conflict, InfeasibleCampaign
from bidpilot.solvers.allocation.constraints import Constraint, Terms
from bidpilot.solvers.allocation.program import ElasticProgram, Shape, compiled_elastic

_FIRST = 0.01  # first step, as a share of the way to where a bound limits nothing
_SECANTS = 12
_MARGIN = 1e-3  # of the change
_CLOSE = 1e-6  # excess that counts as mended
_TAKES_PART = 1e-6  # of the largest multiplier


def elastic_prices(shape: Shape, day: Scaled, terms: Terms) -> NDArray[np.float64]:
    """(K,) multipliers of the least excess, what each constraint adds to it; 0 where all hold together."""
    program = compiled_elastic(shape._replace(kind=0, active=()))
    if program.excess(day, terms) == 0.0:
        return np.zeros(len(shape.limits))
    return np.maximum(program.prices(), 0.0)


def explain(shape: Shape, day: Scaled, terms: Terms) -> InfeasibleCampaign:
    """The error that says what conflicts and by how much, by elastic programs."""
    program = compiled_elastic(shape._replace(kind=0, active=()))
    program.excess(day, terms)
    prices = program.prices()
    taking_part = [c for c, p in zip(program.constraints, prices, strict=True) if p > _TAKES_PART * prices.max()]
    conflicts = tuple(Conflict(c.name, c.bound(terms), _needed(program, c, day, terms)) for c in taking_part)
    names = " and ".join(c.name for c in conflicts)
    mends = "; or ".join(_mend(c) for c in conflicts)
    return InfeasibleCampaign(f"no plan keeps {names} together under the forecast: {mends}.", conflicts)


def _mend(conflict: Conflict) -> str:
    if conflict.needed is None:
        return f"{conflict.name} (now {conflict.bound:.4g}) cannot mend it alone"
    return f"change {conflict.name} from {conflict.bound:.4g} to {conflict.needed:.4g}"


def _needed(program: ElasticProgram, constraint: Constraint, day: Scaled, terms: Terms) -> float | None:
    """The bound nearest to the campaign's at which all constraints hold together; None where none does.

    The least excess falls convexly as a bound is loosened, so secants through infeasible bounds end at the bound
    sought without passing it; where the excess no longer falls, this constraint alone cannot mend it.
    """

    def excess(bound: float) -> float:
        moved = constraint.moved(terms, bound)
        return program.excess(day, replace(terms, limits={**terms.limits, constraint.name: moved}))

    before, after = constraint.bound(terms), constraint.loosened(terms, _FIRST)
    missing, left = excess(before), excess(after)
    while left == 0.0:  # the first step was too long
        after = before + 0.25 * (after - before)
        left = excess(after)
    for _ in range(_SECANTS):
        if not left < missing * (1.0 - 1e-9):
            return None
        before, missing, after = after, left, after - left * (after - before) / (left - missing)
        left = excess(after)
        if left <= _CLOSE:
            break
    return after + _MARGIN * (after - constraint.bound(terms))  # so that what is printed holds when typed in

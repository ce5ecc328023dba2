"""Why a campaign is infeasible: the constraints that conflict, and what each would have to be."""

from __future__ import annotations

from dataclasses import replace

from bidpilot.bidding.errors import Conflict, InfeasibleCampaign
from bidpilot.bidding.limits import Scaled
from bidpilot.solvers.allocation.constraints import Constraint, Terms
from bidpilot.solvers.allocation.program import ElasticProgram, Shape, compiled_elastic

_STEPS = 12  # bisections of a bound
_TAKES_PART = 1e-6  # of the largest multiplier


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
    """The bound nearest to the campaign's at which all constraints hold together; None where none does."""

    def feasible(share: float) -> bool:
        moved = constraint.moved(terms, constraint.loosened(terms, share))
        return program.excess(day, replace(terms, limits={**terms.limits, constraint.name: moved})) == 0.0

    if not feasible(1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if feasible(middle) else (middle, high)
    return constraint.loosened(terms, high)

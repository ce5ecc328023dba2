"""Why a campaign is infeasible: the constraints that conflict, and what each would have to be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.base import Terms
from bidpilot.bidding.constraints.row import Row, Scaled
from bidpilot.bidding.constraints.together import constraint_of
from bidpilot.bidding.errors import Conflict, InfeasibleCampaign
from bidpilot.solvers.allocation.program import ElasticProgram, Shape, compiled_elastic
from bidpilot.solvers.allocation.rows import near_power

_FIRST = 0.01  # first step, as a share of the way to where a bound limits nothing
_SECANTS = 12
_MARGIN = 1e-3  # of the change, and of the bound itself where the change is larger
_CLOSE = 1e-6  # excess that counts as mended
_TAKES_PART = 1e-6  # of the largest multiplier


def elastic_prices(shape: Shape, day: Scaled, rows: Sequence[Row]) -> NDArray[np.float64]:
    """(K,) multipliers of the least excess, what each row adds to it; 0 where all hold together."""
    program = compiled_elastic(shape._replace(kind=0, active=()))
    if program.excess(day, rows, _sizes(rows)) == 0.0:
        return np.zeros(len(rows))
    return np.maximum(program.prices(), 0.0)


def explain(shape: Shape, day: Scaled, rows: Sequence[Row], terms: Terms) -> InfeasibleCampaign:
    """The error that says what conflicts and by how much, by elastic programs."""
    program = compiled_elastic(shape._replace(kind=0, active=()))
    sizes = _sizes(rows)
    program.excess(day, rows, sizes)
    prices = program.prices() * sizes
    taking_part = [k for k, price in enumerate(prices) if price > _TAKES_PART * prices.max()]
    names = [rows[k].name for k in taking_part]
    conflicts = tuple(
        Conflict(name, constraint_of(name).bound(name, terms), _needed(program, k, day, rows, terms, sizes))
        for k, name in zip(taking_part, names, strict=True)
    )
    mends = "; or ".join(_mend(c) for c in conflicts)
    return InfeasibleCampaign(f"no plan keeps {' and '.join(names)} together under the forecast: {mends}.", conflicts)


def _sizes(rows: Sequence[Row]) -> NDArray[np.float64]:
    """(K,) sizes of rows by what a plan can take of them: in units of a far larger bound that would not show."""
    terms = np.array([max(np.abs(row.money).max(), np.abs(row.value).max()) for row in rows])
    bounds = np.array([abs(row.bound) for row in rows])
    return near_power(np.where((bounds > 0) & (terms > 0), np.minimum(bounds, terms), np.maximum(bounds, terms)))


def _mend(conflict: Conflict) -> str:
    if conflict.needed is None:
        return f"{conflict.name} (now {conflict.bound:.4g}) cannot mend it alone"
    return f"change {conflict.name} from {conflict.bound:.4g} to {conflict.needed:.4g}"


def _needed(
    program: ElasticProgram, k: int, day: Scaled, rows: Sequence[Row], terms: Terms, sizes: NDArray[np.float64]
) -> float | None:
    """The bound of row `k` nearest to the campaign's at which all hold together; None where none does.

    The least excess falls convexly as a bound is loosened, so secants through infeasible bounds end at the bound
    sought without passing it; where the excess no longer falls, this constraint alone cannot mend it.
    """

    name = rows[k].name
    constraint = constraint_of(name)
    own = constraint.bound(name, terms)

    def excess(bound: float) -> float:
        return program.excess(day, [*rows[:k], constraint.moved(name, bound, terms), *rows[k + 1 :]], sizes)

    before, after = own, constraint.loosened(own, _FIRST)
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
    margin = _MARGIN * min(abs(after - own), abs(after))  # so that what is printed holds when typed in
    return max(after + float(np.copysign(margin, after - own)), 0.0)

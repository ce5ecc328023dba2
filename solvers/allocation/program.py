"""The allocation program: compiled once per shape, solved again by parameters."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.limits import Scaled
from bidpilot.solvers.allocation.backend import CONIC, LINEAR, Solved, solve
from bidpilot.solvers.allocation.constraints import Constraint, Terms, constraint
from bidpilot.solvers.allocation.objectives import OBJECTIVES
from bidpilot.solvers.allocation.totals import Purchase

_FEASIBLE = 1e-7  # an excess of all constraints together below this counts as none


class Shape(NamedTuple):
    """What a program is compiled for."""

    slots: int
    bins: int
    segments: tuple[str, ...]
    kind: int  # Scalarisation.code
    active: tuple[int, ...]  # KPIs with a positive preference
    limits: tuple[str, ...]  # names of `Limit`


class AllocationProgram:
    """Maximise an objective under constraints; DPP, so that only parameters change between solves."""

    def __init__(self, shape: Shape) -> None:
        self.purchase = Purchase(shape.slots, shape.bins, len(shape.segments))
        self.objective = OBJECTIVES[shape.kind](shape.active)
        self.constraints: tuple[Constraint, ...] = tuple(constraint(n, shape.segments) for n in shape.limits)
        totals = self.purchase.totals
        goal = cp.Maximize(self.objective.expression(totals))
        self.limits = [c.excess(totals) <= 0 for c in self.constraints]
        self.problem = cp.Problem(goal, [*self.purchase.constraints, *self.objective.constraints, *self.limits])
        assert self.problem.is_dpp()
        self.solvers = LINEAR if self.objective.linear else CONIC

    def update(self, day: Scaled, terms: Terms) -> None:
        """Write a day and a campaign."""
        self.purchase.update(day)
        self.objective.update(terms.campaigns.preference[terms.row])
        for term in self.constraints:
            term.update(terms)

    def solve(self, solvers: tuple[str, str] | None = None) -> Solved:
        """Solve at the parameters last written."""
        return solve(self.problem, solvers or self.solvers)


class ElasticProgram:
    """How far constraints miss each other: minimise their weighted excess, each at a price."""

    def __init__(self, shape: Shape) -> None:
        self.purchase = Purchase(shape.slots, shape.bins, len(shape.segments))
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
        solve(self.problem, LINEAR)
        least = float(self.problem.value)
        return least if least > _FEASIBLE else 0.0

    def prices(self) -> NDArray[np.float64]:
        """(K,) multipliers of the last solve: those above 0 take part in the conflict."""
        return np.array([float(limit.dual_value) for limit in self.limits])


@lru_cache(maxsize=16)
def compiled(shape: Shape) -> AllocationProgram:
    """The program of a shape, compiled at its first use."""
    return AllocationProgram(shape)


@lru_cache(maxsize=4)
def compiled_elastic(shape: Shape) -> ElasticProgram:
    """The elastic program of a shape."""
    return ElasticProgram(shape)

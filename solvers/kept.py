"""A plan against its constraints in their own units: nothing is shown that misses one."""

from __future__ import annotations

from dataclasses import dataclass

from bidpilot.bidding.errors import PlanMissesConstraint

TOLERANCE = 1e-6
"""Relative excess that counts as kept: ten times the solvers' own tolerance on rows of order 1."""


@dataclass(frozen=True)
class Side:
    """One constraint of a plan: what was taken of it, and the most that might have been, in one unit."""

    name: str  # of its row
    taken: float
    most: float

    @property
    def excess(self) -> float:
        """Relative; infinite where nothing was allowed and something was taken."""
        if self.taken <= self.most:
            return 0.0
        return self.taken / self.most - 1.0 if self.most > 0 else float("inf")


def missed(sides: list[Side]) -> list[Side]:
    """Those that are missed by more than `TOLERANCE`."""
    return [side for side in sides if not side.excess <= TOLERANCE]


def check_kept(sides: list[Side], solver: str) -> None:
    """Refuse a plan that misses a constraint, whatever its solver said.

    Raises:
        PlanMissesConstraint: says which, and by how much.
    """
    found = missed(sides)
    if found:
        said = "; ".join(f"{s.name} takes {s.taken:.6g} where {s.most:.6g} is allowed ({s.excess:+.2%})" for s in found)
        raise PlanMissesConstraint(
            f"the plan that {solver} calls optimal misses its constraints and is not shown: {said}. Bring budget, "
            "bounds and KPI values nearer to each other, or name another solver."
        )

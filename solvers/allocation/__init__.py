"""Budget allocation: what to spend when and where, by a convex program on the binned day."""

from bidpilot.solvers.allocation.allocate import allocate, plan_problem
from bidpilot.solvers.allocation.problem import PlanProblem
from bidpilot.solvers.allocation.result import Allocation, ConstraintDual

__all__ = ["Allocation", "ConstraintDual", "PlanProblem", "allocate", "plan_problem"]

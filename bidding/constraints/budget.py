"""The budget, less the reserve that is held back for contingencies."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bidpilot.bidding.campaign.amounts import Share
from bidpilot.bidding.constraints.base import Bounds, Constraint, Terms, Vector, least, over_segments
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.totals import DayTotals

Reserve = Annotated[Share, Field(description="share of the budget held back for contingencies")]
ROW = "budget"


class Budget(Constraint):
    """Spend stays within what the reserve leaves of the budget; every campaign has this row, the first.

    Its bound is currency, the campaign's field a share. The day's last block releases the reserve, and money never
    passes the budget, so that there is nothing to miss.
    """

    field = "reserve"
    stem = "reserve"
    at_most = True
    can_be_missed = False

    def bounds(self, value: float) -> dict[str, float]:
        """The share that is held back."""
        return {self.stem: value} if value > 0 else {}

    def owns(self, row: str) -> bool:
        """The row is called after the budget."""
        return row == ROW

    def rows(self, terms: Terms) -> tuple[Row, ...]:
        """The share of the budget that may be planned."""
        budgets = terms.budget / terms.unit
        return (self._row((1.0 - terms.bounds.get(self.stem, 0.0)) * budgets, terms),)

    def row(self, of: str, bound: float, terms: Terms) -> Row:
        """`bound` is currency."""
        return self._row(bound / terms.unit, terms)

    def _row(self, most: float, terms: Terms) -> Row:
        money, value, wins = over_segments(terms)
        return Row(ROW, money + 1.0, value, wins, most)

    def bound(self, row: str, terms: Terms) -> float:
        """Currency that may be planned."""
        return terms.budget * (1.0 - terms.bounds.get(self.stem, 0.0))

    def sides(self, of: str, bound: Vector, totals: DayTotals) -> tuple[Vector, Vector]:
        """Currency spent, and that may be."""
        return totals.spend, bound

    def attained(self, of: str, totals: DayTotals) -> Vector:
        """Currency."""
        return totals.spend

    def held_back(self, bounds: Bounds) -> Vector | None:
        """The reserve."""
        bound = bounds.get(self.stem)
        return None if bound is None else least(bound)

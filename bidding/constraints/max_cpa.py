"""A target cost per conversion: the one constraint that is a part of the score."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from bidpilot.bidding.campaign.amounts import Positive
from bidpilot.bidding.constraints.base import Bounds, Columns, Constraint, Terms, Vector, most, over_segments
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.target import target_factor
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.feature import Feature
from bidpilot.bidding.kpi import CONVERSION

TargetCost = Annotated[Positive | None, Field(description="target cost per conversion, currency")]

_LEAST = 2.0**-16  # of the target cost per cost so far


class MaxCpa(Constraint):
    """Spend per conversion stays at or below the target.

    A plan keeps it; a day that misses it keeps `min(1, (max_cpa / CPA) ** 2)` of its utility, and hindsight weighs
    that, too. Training prices nothing more.
    """

    field = stem = "max_cpa"
    at_most = True
    soft = True
    features = (
        Feature("has_max_cpa", "campaign", 0, 1, "1 where the campaign has a CPA target"),
        Feature(
            "cpa_slack",
            "constraints",
            -2,
            2,
            "log2 of target CPA / predicted CPA so far, over 2 (0 without target or wins)",
        ),
    )

    def bounds(self, value: float | None) -> dict[str, float]:
        """Currency per conversion."""
        return {} if value is None else {self.stem: value}

    def row(self, of: str, bound: float, terms: Terms) -> Row:
        """Money spent, less what the conversions allow."""
        money, value, wins = over_segments(terms)
        worth = terms.ideal[CONVERSION] / terms.kpi_unit[CONVERSION]  # conversions of an ideal point
        value[CONVERSION] = worth * bound / terms.unit
        return Row(self.stem, money + 1.0, value, wins, 0.0)

    def kpis(self, of: str) -> tuple[int, ...]:
        """Conversions."""
        return (CONVERSION,)

    def sides(self, of: str, bound: Vector, totals: DayTotals) -> tuple[Vector, Vector]:
        """Currency spent, and that the conversions allow."""
        return totals.spend, bound * totals.kpi[:, CONVERSION]

    def attained(self, of: str, totals: DayTotals) -> Vector:
        """Currency per conversion, infinite without one."""
        conversions = totals.kpi[:, CONVERSION]
        some = conversions > 0
        return np.divide(totals.spend, conversions, out=np.full_like(conversions, np.inf), where=some)

    def factor(self, bounds: Bounds, spend: Vector, kpi: Vector) -> Vector | None:
        """`min(1, (max_cpa / CPA) ** 2)`."""
        bound = bounds.get(self.stem)
        if bound is None:
            return None
        target = np.where(np.isnan(bound), 0.0, bound)
        return np.where(np.isnan(bound), 1.0, target_factor(target * kpi[:, CONVERSION], spend))

    def target_cost(self, bounds: Bounds, conversion_value: Vector) -> Vector | None:
        """The target."""
        bound = bounds.get(self.stem)
        return None if bound is None else most(bound)

    def begin(self, bounds: Bounds, columns: Columns) -> None:
        """Whether there is a target."""
        bound = bounds.get(self.stem)
        if bound is not None:
            columns["has_max_cpa"][:] = ~np.isnan(bound)

    def observe(self, bounds: Bounds, told: DayTotals, columns: Columns) -> None:
        """How far the cost so far is below the target."""
        bound = bounds.get(self.stem)
        if bound is None:
            return
        known = ~np.isnan(bound) & (told.spend > 0)
        allowed = np.where(known, told.kpi[:, CONVERSION] * np.where(known, bound, 1.0), 1.0)
        slack = np.log2(np.maximum(allowed / np.where(known, told.spend, 1.0), _LEAST))
        columns["cpa_slack"][:] = np.where(known, 0.5 * slack, 0.0)

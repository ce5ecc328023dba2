"""Floors: least totals of the KPIs."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from bidpilot.bidding.constraints.base import Constraint, Terms, Vector, over_segments
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.errors import InfeasibleCampaign, InvalidCampaign
from bidpilot.bidding.kpi import KPI


def _floors(value: tuple[float, float, float], info: ValidationInfo) -> tuple[float, float, float]:
    if any(not math.isfinite(f) or f < 0 for f in value):
        raise InvalidCampaign(f"{info.field_name} are finite and >= 0; got {value}. Use 0 for no floor.")
    return value


Floors = Annotated[
    tuple[float, float, float],
    AfterValidator(_floors),
    Field(description="least total of each KPI, its own unit"),
]


class KpiFloors(Constraint):
    """Each KPI's total stays at or above its floor, whatever the preference makes of it."""

    field = "kpi_floors"
    stem = "floor"
    at_most = False
    lifts = True

    def bounds(self, value: tuple[float, float, float]) -> dict[str, float]:
        """The floors above 0, in the units of their KPIs."""
        return {self.name(kpi): floor for kpi, floor in zip(KPI, value, strict=True) if floor > 0}

    def rows(self, terms: Terms) -> tuple[Row, ...]:
        """In the order of the KPIs.

        Raises:
            InfeasibleCampaign: the forecast has none of a KPI.
        """
        floors = dict(self.own(terms.bounds))
        return tuple(self.row(kpi, floors[kpi], terms) for kpi in KPI if kpi in floors)

    def row(self, of: str, bound: float, terms: Terms) -> Row:
        """Ideal points that are missing."""
        (j,) = self.kpis(of)
        if terms.ideal[j] <= 0:
            raise InfeasibleCampaign(
                f"the floor of {of} is {bound:g} but the forecast has no {of}. Drop the floor, or use a log that has "
                "it."
            )
        money, value, wins = over_segments(terms)
        value[j] = 1.0
        return Row(self.name(of), money, value, wins, -bound * float(terms.kpi_unit[j]) / float(terms.ideal[j]))

    def kpis(self, of: str) -> tuple[int, ...]:
        """The one that it is a floor of."""
        return (KPI.index(of),)

    def sides(self, of: str, bound: Vector, totals: DayTotals) -> tuple[Vector, Vector]:
        """The floor, and what days brought."""
        return bound, self.attained(of, totals)

    def attained(self, of: str, totals: DayTotals) -> Vector:
        """The KPI's own unit."""
        (j,) = self.kpis(of)
        return totals.kpi[:, j]

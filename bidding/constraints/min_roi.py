"""A least return: conversion value per spend."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from bidpilot.bidding.campaign.amounts import Positive
from bidpilot.bidding.constraints.base import Bounds, Constraint, Terms, Vector, over_segments
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.kpi import CONVERSION

LeastReturn = Annotated[Positive | None, Field(description="least conversion value per spend, ratio")]


class MinRoi(Constraint):
    """Conversion value per spend stays at or above the least."""

    field = stem = "min_roi"
    at_most = False

    def bounds(self, value: float | None) -> dict[str, float]:
        """Conversion value per spend."""
        return {} if value is None else {self.stem: value}

    def row(self, of: str, bound: float, terms: Terms) -> Row:
        """Conversion value that is missing."""
        money, value, wins = over_segments(terms)
        own = terms.conversion_value / terms.kpi_unit[CONVERSION]  # a return is money of the campaign's own
        value[CONVERSION] = terms.ideal[CONVERSION] / terms.unit * own
        return Row(self.stem, (money + 1.0) * bound, value, wins, 0.0)

    def kpis(self, of: str) -> tuple[int, ...]:
        """Conversions."""
        return (CONVERSION,)

    def sides(self, of: str, bound: Vector, totals: DayTotals) -> tuple[Vector, Vector]:
        """Conversion value asked of the spend, and brought, currency."""
        return bound * totals.spend, totals.conversion_value * totals.kpi[:, CONVERSION]

    def attained(self, of: str, totals: DayTotals) -> Vector:
        """Conversion value per spend, 0 where nothing is spent."""
        worth = totals.conversion_value * totals.kpi[:, CONVERSION]
        return np.divide(worth, totals.spend, out=np.zeros_like(worth), where=totals.spend > 0)

    def target_cost(self, bounds: Bounds, conversion_value: Vector) -> Vector | None:
        """A return of `r` is a target cost of `conversion_value / r`."""
        bound = bounds.get(self.stem)
        if bound is None:
            return None
        cost = np.full_like(conversion_value, np.inf)
        return np.divide(conversion_value, bound, out=cost, where=~np.isnan(bound))

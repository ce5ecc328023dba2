"""A least share of long-tail content among the exposures that are won."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from bidpilot.bidding.campaign.amounts import Share
from bidpilot.bidding.campaign.segments import check_tail, is_tail
from bidpilot.bidding.constraints.base import Bounds, Columns, Constraint, Terms, Vector, least, over_segments
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.feature import Feature

TailShare = Annotated[Share | None, Field(description="least share of won exposures on long-tail content")]


class MinTailShare(Constraint):
    """The share of won exposures on long-tail content stays at or above the least."""

    field = stem = "min_tail_share"
    at_most = False
    moves_segments = True
    step, step_name = 0.01, "percentage point"
    features = (
        Feature("has_tail_share", "campaign", 0, 1, "1 where the campaign has a least tail share"),
        Feature("tail_share", "constraints", 0, 1, "share of won exposures on long-tail content so far"),
        Feature("tail_slack", "constraints", -1, 1, "tail share minus the least one (0 without one or without wins)"),
    )

    def bounds(self, value: float | None) -> dict[str, float]:
        """Share of won exposures."""
        return {self.stem: value} if value else {}

    def row(self, of: str, bound: float, terms: Terms) -> Row:
        """Wins on long-tail content that are missing, in wins that the unit of money buys at mean price.

        Raises:
            NoTailContent: no segment is of long-tail content.
        """
        check_tail(terms.segments)
        money, value, _ = over_segments(terms)
        wins = (bound - is_tail(terms.segments).astype(np.float64)) / terms.auctions_per_unit
        return Row(self.stem, money, value, wins, 0.0)

    def sides(self, of: str, bound: Vector, totals: DayTotals) -> tuple[Vector, Vector]:
        """Wins on long-tail content that are asked for, and that there are."""
        return bound * totals.wins, totals.tail_wins

    def attained(self, of: str, totals: DayTotals) -> Vector:
        """Share of won exposures, 0 without any."""
        return np.divide(totals.tail_wins, totals.wins, out=np.zeros_like(totals.spend), where=totals.wins > 0)

    def tail_share(self, bounds: Bounds) -> Vector | None:
        """The share."""
        bound = bounds.get(self.stem)
        return None if bound is None else least(bound)

    def begin(self, bounds: Bounds, columns: Columns) -> None:
        """Whether a share is asked for."""
        bound = bounds.get(self.stem)
        if bound is not None:
            columns["has_tail_share"][:] = ~np.isnan(bound)

    def observe(self, bounds: Bounds, told: DayTotals, columns: Columns) -> None:
        """The share so far, of every row, and how far it is above what is asked for."""
        share = columns["tail_share"]
        share[:] = self.attained("", told)
        bound = bounds.get(self.stem)
        if bound is not None:
            known = ~np.isnan(bound) & (told.wins > 0)
            columns["tail_slack"][:] = np.where(known, share - np.where(known, bound, 0.0), 0.0)

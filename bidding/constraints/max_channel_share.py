"""Shares of channels: the most of a day's spend that each may take."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field, ValidationInfo

from bidpilot.bidding.campaign.segments import in_channel
from bidpilot.bidding.constraints.base import Bounds, Constraint, Terms, Vector, over_segments
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.errors import InvalidCampaign


def _share(value: float, info: ValidationInfo) -> float:
    if not 0 < value <= 1:
        raise InvalidCampaign(f"{info.field_name} are shares above 0 and up to 1; got {value}. Give such a share.")
    return value


ChannelShares = Annotated[
    dict[str, Annotated[float, AfterValidator(_share)]], Field(description="most share of the day's spend per channel")
]


class MaxChannelShare(Constraint):
    """A channel takes at most a share of what the day spends in all."""

    field = "max_channel_share"
    stem = "channel_share"
    at_most = True
    moves_segments = True
    step, step_name = 0.01, "percentage point"

    def bounds(self, value: dict[str, float]) -> dict[str, float]:
        """Share of the day's spend by channel."""
        return {self.name(channel): share for channel, share in value.items()}

    def row(self, of: str, bound: float, terms: Terms) -> Row:
        """Money spent in the channel beyond its share of all that is spent.

        Raises:
            UnknownChannel: no segment belongs to it.
        """
        _, value, wins = over_segments(terms)
        return Row(self.name(of), in_channel(of, terms.segments) - bound, value, wins, 0.0)

    def loosened(self, bound: float, share: float) -> float:
        """Up to the whole spend."""
        return bound + (1.0 - bound) * share

    def sides(self, of: str, bound: Vector, totals: DayTotals) -> tuple[Vector, Vector]:
        """Currency spent in the channel, and its share of all that is spent."""
        return self._spend(of, totals), bound * totals.spend

    def attained(self, of: str, totals: DayTotals) -> Vector:
        """Share of the day's spend, 0 where nothing is spent."""
        own = self._spend(of, totals)
        return np.divide(own, totals.spend, out=np.zeros_like(own), where=totals.spend > 0)

    def _spend(self, of: str, totals: DayTotals) -> Vector:
        return totals.channel_spend[:, totals.channels.index(of)]

    def channel_most(self, bounds: Bounds, channels: tuple[str, ...], spend: Vector) -> Vector | None:
        """Its share of what the day is to spend."""
        own = self.own(bounds)
        if not own:
            return None
        caps = np.full((len(spend), len(channels)), np.inf)
        for channel, share in own:
            asked = ~np.isnan(share)
            caps[asked, channels.index(channel)] = (share * spend)[asked]
        return caps

"""Caps: the most that channels may spend."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from bidpilot.bidding.campaign.amounts import Positive
from bidpilot.bidding.campaign.segments import in_channel
from bidpilot.bidding.constraints.base import Bounds, Constraint, Terms, Vector, most, over_segments
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.totals import DayTotals

Caps = Annotated[dict[str, Positive], Field(description="most spend per channel, currency")]


class ChannelCaps(Constraint):
    """Spend in a channel stays within its cap."""

    field = "channel_caps"
    stem = "cap"
    at_most = True
    moves_segments = True

    def bounds(self, value: dict[str, float]) -> dict[str, float]:
        """Currency by channel."""
        return {self.name(channel): cap for channel, cap in value.items()}

    def row(self, of: str, bound: float, terms: Terms) -> Row:
        """Money spent in the channel.

        Raises:
            UnknownChannel: no segment belongs to it.
        """
        _, value, wins = over_segments(terms)
        return Row(self.name(of), in_channel(of, terms.segments), value, wins, bound / terms.unit)

    def sides(self, of: str, bound: Vector, totals: DayTotals) -> tuple[Vector, Vector]:
        """Currency spent in the channel, and that may be."""
        return self.attained(of, totals), bound

    def attained(self, of: str, totals: DayTotals) -> Vector:
        """Currency."""
        return totals.channel_spend[:, totals.channels.index(of)]

    def channel_most(self, bounds: Bounds, channels: tuple[str, ...], spend: Vector) -> Vector | None:
        """The caps, whatever the day spends."""
        own = self.own(bounds)
        if not own:
            return None
        caps = np.full((len(spend), len(channels)), np.inf)
        for channel, cap in own:
            caps[:, channels.index(channel)] = most(cap)
        return caps

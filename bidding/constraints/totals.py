"""What constraints are held against: a day's totals in their own units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.segments import channel_index, channels, is_tail

Vector = NDArray[np.float64]


class DayTotals(NamedTuple):
    """Totals of B days, whole or so far."""

    spend: Vector  # (B,) currency
    kpi: Vector  # (B, 3) own units
    wins: Vector  # (B,) won exposures
    tail_wins: Vector  # (B,) of them on long-tail content
    channel_spend: Vector  # (B, C) currency
    channels: tuple[str, ...]  # (C,)
    conversion_value: Vector  # (B,) currency per conversion

    @classmethod
    def by_segment(
        cls, segments: tuple[str, ...], spend: Vector, kpi: Vector, wins: Vector, conversion_value: Vector
    ) -> DayTotals:
        """From spend (B, S), kpi (B, 3) and wins (B, S)."""
        names = channels(segments)
        return cls(
            spend=spend.sum(axis=1),
            kpi=kpi,
            wins=wins.sum(axis=1),
            tail_wins=wins[:, is_tail(segments)].sum(axis=1),
            channel_spend=spend @ np.eye(len(names))[channel_index(segments)],
            channels=names,
            conversion_value=conversion_value,
        )

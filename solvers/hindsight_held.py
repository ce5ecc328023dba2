"""What limits a day's purchases, and which segments the limits speak of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """What one campaign insists on. Hard, except the CPA target, which is part of the score."""

    budget: float  # currency
    max_cpa: float = math.inf  # currency per conversion
    min_tail_share: float = 0.0  # of the auctions won
    min_roi: float = 0.0  # conversion value per spend
    conversion_value: float = 1.0  # currency per conversion
    floors: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the KPIs
    caps: Mapping[int, float] = field(default_factory=dict)  # channel index -> currency

    @property
    def only_budget(self) -> bool:
        """Whether nothing but the budget (and a CPA target) limits the day."""
        return self.min_tail_share == 0 and self.min_roi == 0 and not any(self.floors) and not self.caps

    @property
    def per_segment(self) -> bool:
        """Whether a limit tells segments apart."""
        return self.min_tail_share > 0 or bool(self.caps)


@dataclass(frozen=True)
class Layout:
    """What the segments of a market are: channel "/" tier."""

    channel: NDArray[np.int64]  # (S,) index of the segment's channel, in order of appearance
    tail: NDArray[np.bool_]  # (S,)

    @classmethod
    def of(cls, segments: tuple[str, ...]) -> Layout:
        """Read the names of the segments."""
        names = [name.split("/")[0] for name in segments]
        channels = list(dict.fromkeys(names))
        return cls(
            np.array([channels.index(name) for name in names]), np.array([name.endswith("/tail") for name in segments])
        )

    def keeps(self, limits: Limits, kpi: Floats, spend: Floats, wins: Floats) -> bool:
        """Whether KPI totals (3,), spend (S,) and wins (S,) per segment meet the hard limits (not the CPA target)."""
        return bool(
            (kpi >= limits.floors).all()
            and wins[self.tail].sum() >= limits.min_tail_share * wins.sum()
            and limits.conversion_value * kpi[2] >= limits.min_roi * spend.sum()
            and all(spend[self.channel == channel].sum() <= cap for channel, cap in limits.caps.items())
        )

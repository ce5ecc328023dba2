"""What the rows of days that are played are called: each row is one campaign's day."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.training.roi.days import dated


@dataclass(frozen=True)
class Rows:
    """B rows of D days."""

    units: tuple[str, ...]  # (B,) the day that each is of: dates, ISO 8601, where known
    labels: tuple[str, ...]  # (B,)
    campaigns: tuple[str, ...]  # (B,) whose day each is; empty where nobody says

    @classmethod
    def of_log(cls, log: AuctionLog) -> Rows:
        """The recorded days of a log."""
        units, labels, campaigns = zip(*((day.unit, day.label, day.campaign) for day in log.days), strict=True)
        return cls(units, labels, campaigns)

    @classmethod
    def numbered(cls, count: int) -> Rows:
        """So many drawn days of one campaign."""
        names = tuple(f"day {k + 1}" for k in range(count))
        return cls(names, names, ("",) * count)

    @cached_property
    def days(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Names (D,) in time order where they are dates, else as they came, and (B,) which day each row is of."""
        names = tuple(dict.fromkeys(self.units))
        names = tuple(sorted(names)) if dated(names) else names
        return names, np.array([names.index(unit) for unit in self.units], np.int64)

"""A linear row over a day's totals, in dimensionless units: what every constraint becomes.

Totals are the spend per segment (in units of money: the budget, or less where no plan can spend it), the KPIs (in
ideal points) and the wins per segment (in shares of the day's auctions). All that a campaign may insist on is linear
in them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.binned import BinnedDay

Vector = NDArray[np.float64]


class Row(NamedTuple):
    """`money . spend - value . kpi + wins . wins <= bound`, over the whole day or over parts of its slots."""

    name: str  # of the constraint, then "/" and what it speaks of, where that may be several things
    money: Vector  # (S,) per unit of money spent in a segment
    value: Vector  # (3,) per ideal point
    wins: Vector  # (S,) per share of the day's auctions won in a segment
    bound: float
    slots: Vector | None = None  # (T,) part of each slot that counts: 1 in one hour, 0 elsewhere; None: the whole day

    @property
    def by_segment(self) -> bool:
        """Whether it tells segments apart."""
        return bool(np.ptp(self.money) > 0 or self.wins.any())

    @property
    def floor_of(self) -> int | None:
        """The one KPI of which it asks for a least total, and nothing else; None where it says anything else."""
        asked = np.flatnonzero(self.value)
        plain = len(asked) == 1 and not self.money.any() and not self.wins.any() and self.slots is None
        return int(asked[0]) if plain and self.bound < 0 else None

    def excess(self, spend: Vector, kpi: Vector, wins: Vector) -> float:
        """What totals over the slots that count take beyond the bound: spend (S,), kpi (3,), wins (S,)."""
        return float(self.money @ spend - self.value @ kpi + self.wins @ wins - self.bound)


class Scaled(NamedTuple):
    """The binned day in a campaign's units: a total is the sum over bins of share bought times these."""

    share: Vector  # (T, N) of the day's auctions
    price: Vector  # (N,) units of money that a day of such auctions costs at price level 1
    value: Vector  # (N, 3) ideal points that it brings
    curve: Vector  # (T,) price level by slot
    segment: NDArray[np.int64]  # (N,)


def scaled_day(day: BinnedDay, unit: float, ideal: Vector) -> Scaled:
    """The day in units of `unit` (currency) and of `ideal` (3,), conversions at the forecast's worth."""
    demand = day.demand
    return Scaled(
        share=np.multiply.outer(day.auctions / demand, day.weight),
        price=day.price * (demand / unit),
        value=day.value * (demand / np.where(ideal > 0, ideal, 1.0)),
        curve=day.price_curve,
        segment=day.segment,
    )

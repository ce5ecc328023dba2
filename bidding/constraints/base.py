"""What a constraint is: one small class that alone knows all about it.

A bound is known by its row's name: `max_cpa`, or `cap/feed` where a constraint speaks of several things. A batch of
campaigns holds every bound as an array by that name, NaN where a row does not ask; nothing else tells constraints
apart, and what all of them ask for together is said in `bidpilot.bidding.constraints.together`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.feature import Feature

Vector = NDArray[np.float64]
Bounds = Mapping[str, Vector]
"""Bounds (B,) in their own units by row name, NaN where a row does not ask."""
Columns = Mapping[str, Vector]
"""Entries (B,) of the observation by feature name, to be written in place."""
_T = TypeVar("_T")

_FAR = 1000.0
"""Times its bound, a constraint of the most limits nothing."""


@dataclass(frozen=True)
class Terms:
    """What the rows of one campaign are made from."""

    bounds: Mapping[str, float]  # of what it asks for, by row name, own units
    budget: float  # currency
    conversion_value: float  # currency per conversion
    ideal: Vector  # (3,) its ideal point, times `kpi_unit`
    kpi_unit: Vector  # (3,) what one of each KPI is in the forecast's columns
    segments: tuple[str, ...]  # (S,)
    auctions_per_budget: float  # share of the day's auctions that the budget buys at mean price; above 1: all, and more

    @property
    def unit(self) -> float:
        """The currency that rows count money in: the budget, halved until no more than all auctions cost.

        In units of a budget that no plan can spend, what a plan does spend is lost below a solver's tolerance. Halves
        leave no rounding behind.
        """
        return self.budget * self._halves

    @property
    def auctions_per_unit(self) -> float:
        """Share of the day's auctions that the unit of money buys at mean price, at most 1."""
        return self.auctions_per_budget * self._halves

    @property
    def _halves(self) -> float:
        return float(2.0 ** -max(0.0, np.ceil(np.log2(self.auctions_per_budget))))

    def moved(self, name: str, bound: float) -> Terms:
        """The same with another bound."""
        return replace(self, bounds={**self.bounds, name: bound})


class Constraint(ABC):
    """One kind of constraint. It has no state: bounds come with every question."""

    field: ClassVar[str]  # of the campaign
    stem: ClassVar[str]  # of its rows' names
    at_most: ClassVar[bool]  # whether a larger bound leaves more freedom
    soft: ClassVar[bool] = False  # a part of the score, which may be missed at its price, and no hard row of hindsight
    can_be_missed: ClassVar[bool] = True
    lifts: ClassVar[bool] = False  # may ask for more of a KPI than the preference buys
    step: ClassVar[float] = 1.0  # change of the bound that its price is told for
    step_name: ClassVar[str] = "unit"  # what such a change is called
    moves_segments: ClassVar[bool] = False  # steering keeps it by moving segments against each other
    features: ClassVar[tuple[Feature, ...]] = ()  # of the observation

    # --- its bounds ---------------------------------------------------------------------------

    @abstractmethod
    def bounds(self, value: Any) -> dict[str, float]:
        """Bounds by row name that a campaign's `field` asks for; empty where it asks for nothing."""

    def name(self, of: str = "") -> str:
        """The name of its row that speaks `of` something."""
        return f"{self.stem}/{of}" if of else self.stem

    def own(self, bounds: Mapping[str, _T]) -> list[tuple[str, _T]]:
        """Its part of `bounds`: what each of its rows speaks of, and the bound."""
        return [(name.partition("/")[2], b) for name, b in bounds.items() if name.partition("/")[0] == self.stem]

    def asked(self, bounds: Bounds, rows: int) -> NDArray[np.bool_]:
        """(B,) true where a row asks for it."""
        asked = np.zeros(rows, np.bool_)
        for _, bound in self.own(bounds):
            asked |= ~np.isnan(bound)
        return asked

    # --- its rows, and what their multipliers mean --------------------------------------------

    @abstractmethod
    def row(self, of: str, bound: float, terms: Terms) -> Row:
        """Its row at a bound in its own unit; every entry is affine in the bound."""

    def rows(self, terms: Terms) -> tuple[Row, ...]:
        """Its rows of a campaign."""
        return tuple(self.row(of, bound, terms) for of, bound in self.own(terms.bounds))

    def kpis(self, of: str) -> tuple[int, ...]:
        """The KPIs that its row speaks of, which bins must tell apart."""
        return ()

    def owns(self, row: str) -> bool:
        """Whether a row of this name is its own."""
        return row.partition("/")[0] == self.stem

    def bound(self, row: str, terms: Terms) -> float:
        """The bound of one of its rows, own unit."""
        return float(terms.bounds[row])

    def moved(self, row: str, bound: float, terms: Terms) -> Row:
        """The row with another bound, in its own unit."""
        return self.row(row.partition("/")[2], bound, terms)

    def loosened(self, bound: float, share: float) -> float:
        """The bound moved by `share` in [0, 1] of the way to where it limits nothing."""
        return bound * _FAR**share if self.at_most else bound * (1.0 - share)

    def per_unit(self, row: str, terms: Terms, spend: Vector, kpi: Vector, wins: Vector) -> float:
        """What the row gives way at such totals, in its own unit, when the campaign's bound rises by 1.

        Times the row's multiplier this is the change of utility per unit of the bound. Exact, since rows are affine
        in their bound. Totals are in the row's units: spend (S,), kpi (3,), wins (S,).
        """
        bound = self.bound(row, terms)
        step = bound or 1.0
        here, there = (self.moved(row, b, terms).excess(spend, kpi, wins) for b in (bound, bound + step))
        return (here - there) / step

    # --- what a day makes of it ---------------------------------------------------------------

    @abstractmethod
    def sides(self, of: str, bound: Vector, totals: DayTotals) -> tuple[Vector, Vector]:
        """What days took (B,), and the most that they might have taken (B,), in one unit."""

    @abstractmethod
    def attained(self, of: str, totals: DayTotals) -> Vector:
        """What days came to (B,), in the bound's own unit."""

    def missed(self, bounds: Bounds, totals: DayTotals) -> Vector:
        """(B,) the worst relative excess over it; 0 where it is kept or not asked."""
        worst = np.zeros(len(totals.spend))
        for of, bound in self.own(bounds):
            asked = ~np.isnan(bound)
            taken, most = self.sides(of, np.where(asked, bound, 1.0), totals)
            some = most > 0
            excess = np.where(some, taken / np.where(some, most, 1.0) - 1.0, np.where(taken > 0, 1.0, 0.0))
            np.maximum(worst, np.where(asked, excess, 0.0), out=worst)
        return worst

    def factor(self, bounds: Bounds, spend: Vector, kpi: Vector) -> Vector | None:
        """(B,) what it leaves of a score, for spend (B,) and KPI (B, 3), where it is soft."""
        return None

    # --- what it asks of steering -------------------------------------------------------------

    def held_back(self, bounds: Bounds) -> Vector | None:
        """(B,) share of the budget that is kept until the day's last block, 0 where it does not say."""
        return None

    def target_cost(self, bounds: Bounds, conversion_value: Vector) -> Vector | None:
        """(B,) currency that a conversion may cost on average, infinite where it does not say."""
        return None

    def tail_share(self, bounds: Bounds) -> Vector | None:
        """(B,) least share of won exposures on long-tail content, 0 where it does not say."""
        return None

    def channel_most(self, bounds: Bounds, channels: tuple[str, ...], spend: Vector) -> Vector | None:
        """(B, C) currency that a channel may take of a day that spends `spend` (B,), infinite where it does not say."""
        return None

    # --- its features -------------------------------------------------------------------------

    def begin(self, bounds: Bounds, columns: Columns) -> None:  # noqa: B027 - most have no features
        """Write the features that stay the same all day."""

    def observe(self, bounds: Bounds, told: DayTotals, columns: Columns) -> None:  # noqa: B027
        """Write the features that follow the totals told so far."""


def most(bound: Vector) -> Vector:
    """A bound of the most (B,), infinite where a row does not ask."""
    return np.where(np.isnan(bound), np.inf, bound)


def least(bound: Vector) -> Vector:
    """A bound of the least (B,), 0 where a row does not ask."""
    return np.where(np.isnan(bound), 0.0, bound)


def over_segments(terms: Terms) -> tuple[Vector, Vector, Vector]:
    """A row's money (S,), value (3,) and wins (S,), all 0."""
    count = len(terms.segments)
    return np.zeros(count), np.zeros(3), np.zeros(count)

"""Constraints of an allocation: one small class each, written once, updated by parameters.

Every constraint is `excess(totals) <= 0` in dimensionless units, so that one slack variable relaxes it, and
knows what its multiplier is worth per unit of its own bound.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import CampaignBatch
from bidpilot.bidding.campaign.segments import channel_index, channels, is_tail
from bidpilot.bidding.constraints.rows import Limit
from bidpilot.bidding.kpi import CONVERSION, KPI
from bidpilot.solvers.allocation.totals import Totals


@dataclass(frozen=True)
class Attained:
    """An optimum's totals, as numbers."""

    spend: NDArray[np.float64]  # (S,) budgets
    kpi: NDArray[np.float64]  # (3,) ideal points
    wins: NDArray[np.float64]  # (S,) shares of the day's auctions
    auctions: float  # of the day


@dataclass(frozen=True)
class Terms:
    """What the parameters are made from: one campaign, its ideal point in money, and its limits."""

    campaigns: CampaignBatch
    row: int
    ideal: NDArray[np.float64]  # (3,)
    limits: dict[str, Limit]
    auctions_per_budget: float  # share of the day's auctions that the budget buys at mean price

    @property
    def budget(self) -> float:
        """Currency."""
        return float(self.campaigns.budget[self.row])


class Constraint(ABC):
    """One constraint of a campaign."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def excess(self, totals: Totals) -> cp.Expression:
        """At most 0 where the constraint holds, in the units of its `Limit`."""

    @abstractmethod
    def update(self, terms: Terms) -> None:
        """Write the campaign's numbers."""

    @abstractmethod
    def bound(self, terms: Terms) -> float:
        """The campaign's bound, in its own unit."""

    @abstractmethod
    def attained(self, terms: Terms, at: Attained) -> float:
        """What the optimum takes, in the bound's unit."""

    @abstractmethod
    def per_unit(self, terms: Terms, at: Attained) -> float:
        """Change of the bound in the units of `excess` when the campaign's bound rises by 1."""

    @abstractmethod
    def loosened(self, terms: Terms, share: float) -> float:
        """The bound moved by `share` in [0, 1] of the way to where it limits nothing."""

    @abstractmethod
    def moved(self, terms: Terms, bound: float) -> Limit:
        """The campaign's `Limit` with its bound at `bound`."""


class BudgetLimit(Constraint):
    """Spend stays within the budget less its reserve."""

    def __init__(self) -> None:
        super().__init__("budget")
        self._bound = cp.Parameter()

    def excess(self, totals: Totals) -> cp.Expression:
        """Budgets."""
        return cp.sum(totals.spend) - self._bound

    def update(self, terms: Terms) -> None:
        """The share of the budget that may be planned."""
        self._bound.value = terms.limits[self.name].bound

    def bound(self, terms: Terms) -> float:
        """Currency, the reserve taken off."""
        return float(terms.limits[self.name].bound * terms.budget)

    def attained(self, terms: Terms, at: Attained) -> float:
        """Currency."""
        return float(at.spend.sum()) * terms.budget

    def per_unit(self, terms: Terms, at: Attained) -> float:
        """Budgets per currency."""
        return 1.0 / terms.budget

    def loosened(self, terms: Terms, share: float) -> float:
        """Up to a thousandfold."""
        return float(self.bound(terms) * 1000.0**share)

    def moved(self, terms: Terms, bound: float) -> Limit:
        """Another right-hand side."""
        return terms.limits[self.name]._replace(bound=bound / terms.budget)


class ChannelCap(Constraint):
    """Spend in one channel stays within its cap."""

    def __init__(self, channel: str, segments: tuple[str, ...]) -> None:
        super().__init__(f"cap/{channel}")
        self._inside = channel_index(segments) == channels(segments).index(channel)
        self._bound = cp.Parameter()

    def excess(self, totals: Totals) -> cp.Expression:
        """Budgets."""
        return self._inside.astype(float) @ totals.spend - self._bound

    def update(self, terms: Terms) -> None:
        """The cap."""
        self._bound.value = terms.limits[self.name].bound

    def bound(self, terms: Terms) -> float:
        """Currency."""
        return float(terms.limits[self.name].bound * terms.budget)

    def attained(self, terms: Terms, at: Attained) -> float:
        """Currency."""
        return float(at.spend[self._inside].sum()) * terms.budget

    def per_unit(self, terms: Terms, at: Attained) -> float:
        """Budgets per currency."""
        return 1.0 / terms.budget

    def loosened(self, terms: Terms, share: float) -> float:
        """Up to a thousandfold."""
        return float(self.bound(terms) * 1000.0**share)

    def moved(self, terms: Terms, bound: float) -> Limit:
        """Another right-hand side."""
        return terms.limits[self.name]._replace(bound=bound / terms.budget)


class CpaLimit(Constraint):
    """Spend per conversion stays at or below the target."""

    def __init__(self) -> None:
        super().__init__("max_cpa")
        self._target = cp.Parameter(nonneg=True)

    def excess(self, totals: Totals) -> cp.Expression:
        """Budgets above what the conversions allow."""
        return cp.sum(totals.spend) - self._target * totals.kpi[CONVERSION]

    def update(self, terms: Terms) -> None:
        """Budgets that one ideal point of conversions may cost."""
        self._target.value = terms.limits[self.name].value[CONVERSION]

    def bound(self, terms: Terms) -> float:
        """Currency per conversion."""
        return float(terms.campaigns.max_cpa[terms.row])

    def attained(self, terms: Terms, at: Attained) -> float:
        """Currency per conversion."""
        ratio = terms.limits[self.name].value[CONVERSION] * at.kpi[CONVERSION]
        return float(at.spend.sum()) / ratio * self.bound(terms) if ratio > 0 else float("inf")

    def per_unit(self, terms: Terms, at: Attained) -> float:
        """Budgets per currency of target."""
        return float(terms.limits[self.name].value[CONVERSION] * at.kpi[CONVERSION] / self.bound(terms))

    def loosened(self, terms: Terms, share: float) -> float:
        """Up to a thousandfold."""
        return float(self.bound(terms) * 1000.0**share)

    def moved(self, terms: Terms, bound: float) -> Limit:
        """Another price of conversions."""
        limit = terms.limits[self.name]
        return limit._replace(value=limit.value * (bound / self.bound(terms)))


class RoiLimit(Constraint):
    """Conversion value per spend stays at or above the least."""

    def __init__(self) -> None:
        super().__init__("min_roi")
        self._least = cp.Parameter(nonneg=True)
        self._worth = cp.Parameter(nonneg=True)

    def excess(self, totals: Totals) -> cp.Expression:
        """Budgets of value that are missing."""
        return self._least * cp.sum(totals.spend) - self._worth * totals.kpi[CONVERSION]

    def update(self, terms: Terms) -> None:
        """The least return, and what an ideal point of conversions is worth in budgets."""
        limit = terms.limits[self.name]
        self._least.value = limit.money[0]
        self._worth.value = limit.value[CONVERSION]

    def bound(self, terms: Terms) -> float:
        """Value per spend."""
        return float(terms.campaigns.min_roi[terms.row])

    def attained(self, terms: Terms, at: Attained) -> float:
        """Value per spend."""
        spend = float(at.spend.sum())
        return float(terms.limits[self.name].value[CONVERSION] * at.kpi[CONVERSION]) / spend if spend > 0 else 0.0

    def per_unit(self, terms: Terms, at: Attained) -> float:
        """Budgets per unit of return."""
        return -float(at.spend.sum())

    def loosened(self, terms: Terms, share: float) -> float:
        """Down to a thousandth."""
        return float(self.bound(terms) * 1000.0**-share)

    def moved(self, terms: Terms, bound: float) -> Limit:
        """Another return asked of money."""
        limit = terms.limits[self.name]
        return limit._replace(money=np.full_like(limit.money, bound))


class KpiFloor(Constraint):
    """One KPI's total stays at or above its floor."""

    def __init__(self, kpi: str) -> None:
        super().__init__(f"floor/{kpi}")
        self._kpi = KPI.index(kpi)
        self._floor = cp.Parameter(nonneg=True)

    def excess(self, totals: Totals) -> cp.Expression:
        """Ideal points that are missing."""
        return self._floor - totals.kpi[self._kpi]

    def update(self, terms: Terms) -> None:
        """The floor in ideal points."""
        self._floor.value = -terms.limits[self.name].bound

    def bound(self, terms: Terms) -> float:
        """The KPI's own unit."""
        return float(terms.campaigns.kpi_floors[terms.row, self._kpi])

    def attained(self, terms: Terms, at: Attained) -> float:
        """The KPI's own unit."""
        return float(at.kpi[self._kpi]) * self.bound(terms) / -terms.limits[self.name].bound

    def per_unit(self, terms: Terms, at: Attained) -> float:
        """Ideal points per unit of floor."""
        return float(terms.limits[self.name].bound / self.bound(terms))

    def loosened(self, terms: Terms, share: float) -> float:
        """Down to 0."""
        return self.bound(terms) * (1.0 - share)

    def moved(self, terms: Terms, bound: float) -> Limit:
        """Another right-hand side."""
        limit = terms.limits[self.name]
        return limit._replace(bound=limit.bound * (bound / self.bound(terms)))


class TailShare(Constraint):
    """The share of won exposures on long-tail content stays at or above the least."""

    def __init__(self, segments: tuple[str, ...]) -> None:
        super().__init__("min_tail_share")
        self._tail = is_tail(segments).astype(float)
        self._least = cp.Parameter(nonneg=True)
        self._size = cp.Parameter(nonneg=True)

    def excess(self, totals: Totals) -> cp.Expression:
        """Wins on long-tail content that are missing, in wins that the budget buys at mean price."""
        return self._least * cp.sum(totals.wins) - self._size * (self._tail @ totals.wins)

    def update(self, terms: Terms) -> None:
        """The least share, both sides in the limit's unit."""
        self._size.value = 1.0 / terms.auctions_per_budget
        self._least.value = terms.limits[self.name].wins[0] + self._tail[0] / terms.auctions_per_budget

    def bound(self, terms: Terms) -> float:
        """Share of won exposures."""
        return float(terms.campaigns.min_tail_share[terms.row])

    def attained(self, terms: Terms, at: Attained) -> float:
        """Share of won exposures."""
        total = float(at.wins.sum())
        return float(self._tail @ at.wins) / total if total > 0 else 0.0

    def per_unit(self, terms: Terms, at: Attained) -> float:
        """Missing wins per unit of share."""
        return -float(at.wins.sum()) / terms.auctions_per_budget

    def loosened(self, terms: Terms, share: float) -> float:
        """Down to 0."""
        return self.bound(terms) * (1.0 - share)

    def moved(self, terms: Terms, bound: float) -> Limit:
        """Another share of all wins."""
        limit = terms.limits[self.name]
        return limit._replace(wins=(bound - self._tail) / terms.auctions_per_budget)


def constraint(name: str, segments: tuple[str, ...]) -> Constraint:
    """The constraint that a `Limit`'s name stands for."""
    kind, _, of = name.partition("/")
    made: dict[str, Callable[[], Constraint]] = {
        "budget": BudgetLimit,
        "max_cpa": CpaLimit,
        "min_roi": RoiLimit,
        "floor": lambda: KpiFloor(of),
        "min_tail_share": lambda: TailShare(segments),
        "cap": lambda: ChannelCap(of, segments),
    }
    return made[kind]()

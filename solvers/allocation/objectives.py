"""Objectives of an allocation: one small class for each scalarisation."""

from __future__ import annotations

from abc import ABC, abstractmethod

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.solvers.allocation.totals import Totals


class Objective(ABC):
    """A concave objective; `constraints` are what its form needs."""

    def __init__(self, active: tuple[int, ...]) -> None:
        self.active = list(active)
        self.constraints: list[cp.Constraint] = []

    @abstractmethod
    def expression(self, totals: Totals) -> cp.Expression:
        """What is maximised."""

    @abstractmethod
    def update(self, preference: NDArray[np.float64]) -> None:
        """Write the preference (3,)."""

    @abstractmethod
    def marginal(self, kpi: NDArray[np.float64], utility: float) -> NDArray[np.float64]:
        """Marginal utilities (3,) at the optimum's totals `kpi` (3,), per ideal point."""

    def scale(self, utility: float) -> float:
        """Utility per unit of the objective, for its multipliers."""
        return 1.0


class WeightedSum(Objective):
    """sum_j w_j x_j / z_j."""

    def __init__(self, active: tuple[int, ...]) -> None:
        super().__init__(active)
        self._weights = cp.Parameter(3, nonneg=True)

    def expression(self, totals: Totals) -> cp.Expression:
        """The weighted sum."""
        return self._weights @ totals.kpi

    def update(self, preference: NDArray[np.float64]) -> None:
        """The weights."""
        self._weights.value = preference

    def marginal(self, kpi: NDArray[np.float64], utility: float) -> NDArray[np.float64]:
        """The weights."""
        weights: NDArray[np.float64] = self._weights.value
        return weights


class Nash(Objective):
    """prod_j (x_j / z_j) ** w_j, by its logarithm."""

    def __init__(self, active: tuple[int, ...]) -> None:
        super().__init__(active)
        self._weights = cp.Parameter(len(active), nonneg=True)

    def expression(self, totals: Totals) -> cp.Expression:
        """The logarithm of the utility."""
        return self._weights @ cp.log(totals.kpi[self.active])

    def update(self, preference: NDArray[np.float64]) -> None:
        """The positive weights."""
        self._weights.value = preference[self.active]

    def marginal(self, kpi: NDArray[np.float64], utility: float) -> NDArray[np.float64]:
        """u w_j / x_j."""
        marginal = np.zeros(3)
        brought = kpi[self.active]
        marginal[self.active] = np.divide(
            utility * self._weights.value, brought, out=np.zeros_like(brought), where=brought > 0
        )
        return marginal

    def scale(self, utility: float) -> float:
        """du = u d log u."""
        return utility


class Chebyshev(Objective):
    """max(w) * min_j (x_j / z_j) / w_j, as the length along the preference that all reach."""

    def __init__(self, active: tuple[int, ...]) -> None:
        super().__init__(active)
        self._ray = cp.Parameter(len(active), nonneg=True)
        self._level = cp.Variable()

    def expression(self, totals: Totals) -> cp.Expression:
        """The level."""
        self.constraints = [totals.kpi[self.active] >= self._ray * self._level]
        return self._level

    def update(self, preference: NDArray[np.float64]) -> None:
        """The preference over its largest entry."""
        self._ray.value = preference[self.active] / preference.max()

    def marginal(self, kpi: NDArray[np.float64], utility: float) -> NDArray[np.float64]:
        """The multipliers of the KPIs that hold the level down."""
        marginal = np.zeros(3)
        marginal[self.active] = self.constraints[0].dual_value
        return marginal


class NashByTangents(Nash):
    """The same from above: the logarithm's tangent planes where it was looked at. A linear program."""

    def __init__(self, active: tuple[int, ...]) -> None:
        super().__init__(active)
        self._slopes = cp.Parameter((TANGENTS, len(active)), nonneg=True)
        self._heights = cp.Parameter(TANGENTS)
        self._level = cp.Variable()

    def expression(self, totals: Totals) -> cp.Expression:
        """The lowest tangent plane."""
        self.constraints = [self._level <= self._heights + self._slopes @ totals.kpi[self.active]]
        return self._level

    def touch(self, points: list[NDArray[np.float64]]) -> None:
        """Put tangent planes at KPI totals (3,) each, at most `TANGENTS` of them."""
        x = np.stack([points[min(k, len(points) - 1)] for k in range(TANGENTS)])[:, self.active]
        w = self._weights.value
        self._slopes.value = w / x
        self._heights.value = np.log(x) @ w - w.sum()

    def log_utility(self, kpi: NDArray[np.float64]) -> float:
        """The logarithm itself, which no plane is below."""
        return float(self._weights.value @ np.log(kpi[self.active]))


TANGENTS = 32

OBJECTIVES: dict[int, type[Objective]] = {
    Scalarisation.weighted_sum.code: WeightedSum,
    Scalarisation.nash.code: Nash,
    Scalarisation.chebyshev.code: Chebyshev,
}

"""What a program decides and what its terms are written on."""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.row import Scaled

AMPLE = 1000.0  # units of money that all auctions cost; beyond it a unit buys next to nothing of them
NOISE = 1e-9  # of the reach: what a solver leaves where it buys nothing


@dataclass(frozen=True)
class Totals:
    """Linear totals of a decision, in the units of `bidpilot.bidding.constraints.row`."""

    spend: cp.Expression  # (S,) budgets per segment
    kpi: cp.Expression  # (3,) ideal points
    wins: cp.Expression  # (S,) shares of the day's auctions


class Purchase:
    """The decision: the part of each bin that is bought in each slot, (T, N), in units of the `reach`.

    The reach is the whole bin, or where the money can buy next to nothing of the day the part that it can, so that
    decisions stay above a solver's tolerance.

    Demand and price level by slot are constants of the program; a campaign's bins are its parameters. Totals are
    variables of their own, so that a term's parameters never meet a bin's.
    """

    def __init__(self, demand: tuple[float, ...], curve: tuple[float, ...], bins: int, segments: int) -> None:
        self._share, self._curve = np.array(demand) / sum(demand), np.array(curve)
        self._bins, self._segments = bins, segments
        self._reach = 1.0
        self._whole = cp.Parameter(nonneg=True)  # a bin in units of the reach
        self.part = cp.Variable((len(demand), bins), bounds=[0, self._whole])
        self._weight = cp.Parameter(bins, nonneg=True)
        self._cost = cp.Parameter(bins, nonneg=True)
        self._value = cp.Parameter((bins, 3), nonneg=True)
        self.constraints: list[cp.Constraint] = []
        self._over: dict[tuple[float, ...], Totals] = {}
        self.totals = self._totals(np.ones(len(demand)))

    def over(self, slots: tuple[float, ...] | None) -> Totals:
        """Totals of the whole day, or of a part of each slot (T,); made before the program is compiled."""
        if slots is None:
            return self.totals
        if slots not in self._over:
            self._over[slots] = self._totals(np.array(slots))
        return self._over[slots]

    def _totals(self, slots: NDArray[np.float64]) -> Totals:
        count, priced = cp.Variable(self._bins), cp.Variable(self._bins)
        share = self._share * slots
        members = np.kron(np.eye(self._segments), np.ones(self._bins // self._segments))  # bins ordered by segment
        totals = Totals(spend=cp.Variable(self._segments), kpi=cp.Variable(3), wins=cp.Variable(self._segments))
        self.constraints += [
            count == share @ self.part,
            priced == (share * self._curve) @ self.part,
            totals.spend == members @ cp.multiply(self._cost, priced),
            totals.kpi == count @ self._value,
            totals.wins == members @ cp.multiply(self._weight, count),
        ]
        return totals

    def update(self, day: Scaled) -> None:
        """Write a day's bins."""
        all_costs = float((day.share * np.multiply.outer(day.curve, day.price)).sum())
        self._reach = 1.0 if all_costs <= AMPLE else float(2.0 ** -np.ceil(np.log2(all_costs)))
        self._whole.value = 1.0 / self._reach
        weight = day.share.sum(axis=0) * self._reach
        self._weight.value = weight
        self._cost.value = weight * day.price
        self._value.value = weight[:, None] * day.value

    def bought(self, day: Scaled) -> NDArray[np.float64]:
        """(T, N) shares of the day's auctions that the last solve buys."""
        part = np.where(self.part.value > NOISE, self.part.value, 0.0) * self._reach
        bought: NDArray[np.float64] = np.minimum(part, 1.0) * day.share
        return bought

"""What a program decides and what its terms are written on."""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.rows import Scaled


@dataclass(frozen=True)
class Totals:
    """Linear totals of a decision, in the units of `bidpilot.bidding.constraints.rows`."""

    spend: cp.Expression  # (S,) budgets per segment
    kpi: cp.Expression  # (3,) ideal points
    wins: cp.Expression  # (S,) shares of the day's auctions


class Purchase:
    """The decision: the part of each bin that is bought in each slot, (T, N) in [0, 1].

    Demand and price level by slot are constants of the program; a campaign's bins are its parameters. Totals are
    variables of their own, so that a term's parameters never meet a bin's.
    """

    def __init__(self, demand: tuple[float, ...], curve: tuple[float, ...], bins: int, segments: int) -> None:
        share = np.array(demand) / sum(demand)
        self.part = cp.Variable((len(demand), bins), bounds=[0, 1])
        count, priced = cp.Variable(bins), cp.Variable(bins)
        self._weight = cp.Parameter(bins, nonneg=True)
        self._cost = cp.Parameter(bins, nonneg=True)
        self._value = cp.Parameter((bins, 3), nonneg=True)
        members = np.kron(np.eye(segments), np.ones(bins // segments))  # bins are ordered by segment
        self.totals = Totals(spend=cp.Variable(segments), kpi=cp.Variable(3), wins=cp.Variable(segments))
        self.constraints = [
            count == share @ self.part,
            priced == (share * np.array(curve)) @ self.part,
            self.totals.spend == members @ cp.multiply(self._cost, priced),
            self.totals.kpi == count @ self._value,
            self.totals.wins == members @ cp.multiply(self._weight, count),
        ]

    def update(self, day: Scaled) -> None:
        """Write a day's bins."""
        weight = day.share.sum(axis=0)
        self._weight.value = weight
        self._cost.value = weight * day.price
        self._value.value = weight[:, None] * day.value

    def bought(self, day: Scaled) -> NDArray[np.float64]:
        """(T, N) shares of the day's auctions that the last solve buys."""
        bought: NDArray[np.float64] = np.clip(self.part.value, 0.0, 1.0) * day.share
        return bought

"""What a program decides and what its terms are written on."""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from bidpilot.bidding.limits import Scaled


@dataclass(frozen=True)
class Totals:
    """Linear totals of a decision, in the units of `bidpilot.bidding.limits`."""

    spend: cp.Expression  # (S,) budgets per segment
    kpi: cp.Expression  # (3,) ideal points
    wins: cp.Expression  # (S,) shares of the day's auctions


class Purchase:
    """The decision: the share of the day's auctions bought in each slot and bin, (T, N)."""

    def __init__(self, slots: int, bins: int, segments: int) -> None:
        self.amount = cp.Variable((slots, bins), nonneg=True)
        self._share = cp.Parameter((slots, bins), nonneg=True)
        self._price = cp.Parameter((slots, bins), nonneg=True)
        self._value = cp.Parameter((bins, 3), nonneg=True)
        members = np.kron(np.eye(segments), np.ones(bins // segments))  # bins are ordered by segment
        bought = cp.sum(self.amount, axis=0)
        # variables of their own, so that a term's parameters never meet the day's
        self.totals = Totals(spend=cp.Variable(segments), kpi=cp.Variable(3), wins=cp.Variable(segments))
        self.constraints = [
            self.amount <= self._share,
            self.totals.spend == members @ cp.sum(cp.multiply(self._price, self.amount), axis=0),
            self.totals.kpi == bought @ self._value,
            self.totals.wins == members @ bought,
        ]

    def update(self, day: Scaled) -> None:
        """Write a day's numbers."""
        self._share.value = day.share
        self._price.value = np.multiply.outer(day.curve, day.price)
        self._value.value = day.value

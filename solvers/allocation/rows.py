"""The rows of constraints in a program: written once per shape, updated by parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.row import Row
from bidpilot.solvers.allocation.totals import Purchase


class RowShape(NamedTuple):
    """What a row is compiled for: the totals that it speaks of, and the slots that it counts."""

    name: str
    money: bool
    value: bool
    wins: bool
    slots: tuple[float, ...] | None  # part of each slot; None: the whole day

    @classmethod
    def of(cls, row: Row) -> RowShape:
        """The shape of one row."""
        slots = None if row.slots is None else tuple(row.slots.tolist())
        return cls(row.name, bool(row.money.any()), bool(row.value.any()), bool(row.wins.any()), slots)


def shapes(rows: Iterable[Row]) -> tuple[RowShape, ...]:
    """The shapes of rows, in their order."""
    return tuple(RowShape.of(row) for row in rows)


class ProgramRow:
    """One row on the totals of a purchase; `excess` is at most 0 where it holds, so that one slack relaxes it.

    It is written in units of its own size, so that a solver's tolerance, which is one for all rows, is a share of what
    the row speaks of.
    """

    def __init__(self, shape: RowShape, purchase: Purchase) -> None:
        self.name = shape.name
        totals = purchase.over(shape.slots)
        self.size = 1.0
        self._bound = cp.Parameter()
        self._parts: list[tuple[str, float, cp.Parameter]] = []  # field of a row, its sign, and what holds it
        self.excess: cp.Expression = -self._bound
        for part, used, sign, total in (
            ("money", shape.money, 1.0, totals.spend),
            ("value", shape.value, -1.0, totals.kpi),
            ("wins", shape.wins, 1.0, totals.wins),
        ):
            if used:
                parameter = cp.Parameter(total.shape[0])
                self._parts.append((part, sign, parameter))
                self.excess = self.excess + parameter @ total

    def update(self, row: Row, size: float) -> None:
        """Write a campaign's numbers, in units of `size`."""
        self.size = size
        self._bound.value = row.bound / size
        for part, sign, parameter in self._parts:
            parameter.value = sign * np.asarray(getattr(row, part)) / size

    def price(self, kept: cp.Constraint) -> float:
        """The multiplier of `kept`, which limits the excess, per unit of the row as a campaign states it."""
        return max(float(kept.dual_value), 0.0) / self.size


def sizes_of(rows: Sequence[Row]) -> NDArray[np.float64]:
    """(K,) sizes of rows by their numbers alone: the bound, or the largest of money and KPIs where that is 0.

    Wins are brought to order 1 by the rows themselves. Powers of two leave no rounding behind.
    """
    return near_power(abs(row.bound) or max(np.abs(row.money).max(), np.abs(row.value).max()) for row in rows)


def near_power(sizes: Iterable[float]) -> NDArray[np.float64]:
    """The powers of two next below sizes (K,); 1 for a size of 0."""
    found = np.array(list(sizes))
    return np.exp2(np.floor(np.log2(np.where(found > 0, found, 1.0))))

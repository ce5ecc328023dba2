"""The rows of constraints in a program: written once per shape, updated by parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cvxpy as cp
import numpy as np

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
    """One row on the totals of a purchase; `excess` is at most 0 where it holds, so that one slack relaxes it."""

    def __init__(self, shape: RowShape, purchase: Purchase) -> None:
        self.name = shape.name
        totals = purchase.over(shape.slots)
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

    def update(self, row: Row) -> None:
        """Write a campaign's numbers."""
        self._bound.value = row.bound
        for part, sign, parameter in self._parts:
            parameter.value = sign * np.asarray(getattr(row, part))

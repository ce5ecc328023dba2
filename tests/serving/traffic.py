"""Filters of traffic that are told what to refuse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.traffic.filter import SourceTotals, TrafficFilter
from bidpilot.bidding.traffic.gate import Gate


class Told:
    """Halves source 1, refuses source 2 whole, and gives source 5 three requests a slot."""

    def __init__(self, sources: int) -> None:
        self._multiplier, self._quota = np.ones((1, sources)), np.full((1, sources), np.inf)
        self._multiplier[0, [1, 2]] = 0.5, 0.0
        self._quota[0, 5] = 3.0

    def begin(self, late: NDArray[np.int64]) -> None:
        """Nothing to forget."""

    def gate(self, t: int) -> Gate:
        return Gate(self._multiplier, self._quota)

    def update(self, t: int, totals: SourceTotals) -> None:
        """Nothing to learn."""

    def late(self, t: int, totals: SourceTotals) -> None:
        """Nothing to learn."""

    def suspicion(self) -> NDArray[np.float64]:
        return 1.0 - self._multiplier

    def estimates(self) -> NDArray[np.float64]:
        return np.zeros((3, 1))

    def filtered(self) -> NDArray[np.float64]:
        return np.zeros(1)


class Open(Told):
    """Lets everything pass."""

    def __init__(self, sources: int) -> None:
        self._multiplier, self._quota = np.ones((1, sources)), np.full((1, sources), np.inf)


class Growing(Open):
    """Gives a source as many requests as it has sent on the day, and five more; told late, it adds the wins."""

    def begin(self, late: NDArray[np.int64]) -> None:
        self._quota = np.full(self._multiplier.shape, 5.0)

    def update(self, t: int, totals: SourceTotals) -> None:
        self._quota = self._quota + totals.source_auctions

    def late(self, t: int, totals: SourceTotals) -> None:
        self._quota = self._quota + totals.source_wins


class Turns:
    """A book that makes filters of some kinds in turn, and from there on of the last; it keeps what it is shown."""

    def __init__(self, sources: int, *kinds: type[Told]) -> None:
        self._sources, self._kinds, self._last = sources, iter(kinds), kinds[-1]
        self.shown: list[list[TrafficFilter]] = []

    def filter(self) -> TrafficFilter:
        return next(self._kinds, self._last)(self._sources)

    def learn(self, day: Sequence[TrafficFilter]) -> None:
        self.shown.append(list(day))

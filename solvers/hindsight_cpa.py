"""Hindsight optimum with a CPA target: branch and bound over the spend.

The score `u * min(1, (target * x_c / s) ** 2)` is log-concave in the totals except for the spend `s`.
On an interval of spend the logarithm of `s` is replaced by its chord, which gives a concave program
that bounds the score there, with an error that shrinks with the square of the interval's log-width.
No row holds a program to its interval: outside it the chord is above the logarithm, so that a solution
there is worth at least its program's value and the interval is done.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.target import target_factor
from bidpilot.bidding.kpi import CONVERSION
from bidpilot.solvers.attainable import KPIS
from bidpilot.solvers.hindsight_master import Chord, Objective, best_mixture
from bidpilot.solvers.hindsight_program import ROUNDS, Found, Program

Floats = NDArray[np.float64]

NODES = 300
"""Splits of an interval on one day."""
_MASTERS = 600  # programs that one day may solve on its intervals
_NARROWEST = 1.0 + 1e-7  # an interval no wider than this is not split: the rest of its gap is the solver's
_SPLIT = 0.25  # where an interval is cut that starts at nothing


@dataclass(frozen=True)
class Target:
    """A CPA target in scaled units."""

    kappa: float  # the target: scaled spend per scaled conversion
    ceiling: float  # upper bound of the log-penalty on the day, <= 0

    def score(self, objective: Objective, point: Floats, spend: float) -> float:
        """The objective's value at scaled totals, with the penalty."""
        allowed = self.kappa * float(point[CONVERSION])
        return objective.value(point[:KPIS]) * float(target_factor(allowed, spend))


def best_with_target(program: Program, objective: Objective, target: Target, tolerance: float) -> Found:
    """Optimum of the penalised score to a relative gap of `tolerance`; the gap is in the answer where it stays."""
    return _Search(program, objective, target, tolerance).run()


class _Search:
    def __init__(self, program: Program, objective: Objective, target: Target, tolerance: float) -> None:
        self.program, self.objective, self.target, self.tolerance = program, objective, target, tolerance
        self.best = Found(bound=0.0)
        self._solved = 0
        self._cuts: dict[tuple[float, float], float] = {}

    def run(self) -> Found:
        top = float(min(self.program.limit[0], self.program.spend(self.program.attainable.all / self.program.scale)))
        heap = [(-self._explore(0.0, top, math.inf), 0.0, top)]
        closed = 0.0
        for _ in range(NODES):
            if not heap or -heap[0][0] <= self._enough() or self._solved > _MASTERS:
                break
            entry = heapq.heappop(heap)
            for low, high in self._split(entry):
                bound = self._explore(low, high, -entry[0])
                if bound <= self._enough() or high <= low * _NARROWEST:
                    closed = max(closed, bound)
                else:
                    heapq.heappush(heap, (-bound, low, high))
        self.best.bound = max([closed, self.best.value, *(-entry[0] for entry in heap)])
        return self.best

    def _enough(self) -> float:
        return self.best.value * (1.0 + self.tolerance)

    def _split(self, entry: tuple[float, float, float]) -> list[tuple[float, float]]:
        """Two intervals, cut where the chord's error was met: at the last solution, else by rule."""
        _, low, high = entry
        cut = self._cuts.get((low, high), 0.0)
        if low == 0.0:
            cut = _SPLIT * high
        elif not low * (high / low) ** 0.02 < cut < high * (low / high) ** 0.02:
            cut = math.sqrt(low * high)
        return [(low, cut), (cut, high)]

    def _explore(self, low: float, high: float, bound: float) -> float:
        """Certified bound of the score for spend in [low, high], at most `bound`; improves the best known point."""
        if low == 0.0:
            return min(bound, self._explore_lowest(high))
        program, chord = self.program, Chord.over(low, high, math.log(self.target.kappa))
        for _ in range(ROUNDS):
            self._solved += 1
            mixture = best_mixture(self.objective, program.columns, program.rows, program.limit, program.groups, chord)
            if mixture is None:
                break
            point = program.mix(mixture)
            spend = program.spend(point)
            score = self.target.score(self.objective, point, spend)
            if not (score > 0 and point[CONVERSION] > 0 and program.allows(point)):
                break
            log_bound, gain, slope = program.chord_bound(chord, mixture)
            bound = min(bound, math.exp(log_bound))
            self._offer(score, point, slope)
            self._cuts[low, high] = spend
            error = log_bound - gain - math.log(score)  # what is left of the gap when no column helps: the chord's
            if bound <= self._enough() or gain <= max(0.3 * error, 0.2 * self.tolerance):
                break
        return bound

    def _explore_lowest(self, high: float) -> float:
        """The interval that starts at no spend: no chord, the penalty at most its ceiling."""
        program, most = self.program, math.exp(self.target.ceiling)

        def done(found: Found) -> bool:
            bound = most * found.bound
            rest = 1.0 - self.best.value / bound if bound > 0 else 0.0
            return bound <= self._enough() or found.gap() <= max(0.3 * rest, 0.2 * self.tolerance)

        with program.spending_at_most(high) as reachable:
            if not reachable:
                return 0.0
            found = program.climb(self.objective, done)
        if found.point is not None and found.slope is not None:
            score = self.target.score(self.objective, found.point, program.spend(found.point))
            self._offer(score, found.point, found.slope)
        return most * found.bound

    def _offer(self, score: float, point: Floats, slope: Floats) -> None:
        if score > self.best.value:
            self.best.value, self.best.point, self.best.slope = score, point, slope

"""The small conic program of the hindsight optimum: the best mixture of the totals found so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import clarabel  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bidpilot.bidding.kpi import CONVERSION

Floats = NDArray[np.float64]

WEIGHTED, NASH, CHEBYSHEV = range(3)  # Scalarisation.code
_PRECISION = 1e-10
_ATTEMPTS = ((0.99, True), (0.99, False), (0.8, False))
"""Share of the way to the boundary and whether Clarabel scales the data: where one gets stuck, another may not."""
_EXPONENTIAL = 3  # rows of an exponential cone


@dataclass(frozen=True)
class Objective:
    """A utility `factor * u(coefficient * x)` of scaled KPI totals `x` (3,), homogeneous of degree 1 and concave."""

    kind: int  # Scalarisation.code
    weight: Floats  # (3,) preference, 0 where left out
    coefficient: Floats  # (3,) of order 1, 0 where left out
    factor: float

    @classmethod
    def of(cls, kind: int, preference: Floats, ideal: Floats, scale: Floats) -> Objective:
        """The utility of design section 1 of totals given in units of `scale` (3,)."""
        active = preference > 0
        share = np.where(active, scale, 0.0) / np.where(active, ideal, 1.0)
        if kind == NASH:
            return cls(
                kind, preference, active.astype(np.float64), float(np.where(active, share**preference, 1.0).prod())
            )
        if kind == CHEBYSHEV:
            share = preference.max() * share / np.where(active, preference, 1.0)
            factor = float(share[active].min())
        else:
            share = preference * share
            factor = float(share.max())
        return cls(kind, preference, share / factor, factor)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which KPIs count, (3,)."""
        return self.coefficient > 0

    def value(self, x: Floats) -> float:
        """Utility without its factor."""
        part = self.coefficient * x
        if self.kind == NASH:
            return float(np.where(self.active, part**self.weight, 1.0).prod())
        return float(part.sum() if self.kind == WEIGHTED else part[self.active].min())


@dataclass(frozen=True)
class Chord:
    """The penalty of a target cost on an interval of spend, made concave.

    `2 log(kappa x_c / s)` is convex in the spend `s`; on the interval `log s` is replaced by its chord
    `offset + slope s`, which lies below it, so that the penalty is bounded from above there.
    """

    log_kappa: float  # of the target in scaled units
    offset: float
    slope: float

    @classmethod
    def over(cls, low: float, high: float, log_kappa: float) -> Chord:
        """The chord of the logarithm over [low, high], 0 < low < high."""
        slope = np.log(high / low) / (high - low)
        return cls(log_kappa, float(np.log(low) - slope * low), float(slope))


@dataclass(frozen=True)
class Mixture:
    """Solution of the master: how much of each column, and the multipliers that certify it.

    They are taken from the solver's dual point, not from where the mixture is: there the slope and the
    multipliers of the limits agree with each other, and the bound has the precision of the dual value.
    """

    theta: Floats  # (K,) >= 0, sums to 1
    rows: Floats  # (M,) multipliers of the limits
    level: float
    slope: Floats  # (3,) >= 0; the objective's value of any totals x is at most level * slope . x
    penalty: float = 0.0  # multiplier of the CPA penalty in [0, 1]
    conversions: float = 0.0  # slope of the penalty's logarithm of the conversions


def best_mixture(
    objective: Objective, columns: Floats, rows: Floats, limit: Floats, groups: int, chord: Chord | None
) -> Mixture | None:
    """Maximise the (logarithm of the) objective over mixtures of `columns` (K, 3 + 2 G) with `rows @ x <= limit`.

    Without a chord weighted_sum and chebyshev are linear programs, and the multipliers are those of the
    utility, not of its logarithm. None where the solver found no numbers.
    """
    size = columns[:, : 3 + groups].max(axis=1)
    size = np.where(size > 0, size, 1.0)  # columns far beyond the budget come in small shares: weigh them alike
    model = _Model(objective, columns / size[:, None], rows, limit, groups, chord)
    model.matrix[0, : len(size)] /= size
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = _PRECISION
    solution: Any = None
    for settings.max_step_fraction, settings.equilibrate_enable in _ATTEMPTS:
        solution = clarabel.DefaultSolver(
            sparse.csc_matrix((model.size, model.size)),
            model.cost,
            sparse.csc_matrix(model.matrix),
            model.right,
            model.cones,
            settings,
        ).solve()
        if "Solved" in str(solution.status):
            break
    return model.read(np.asarray(solution.x), np.asarray(solution.z), size)


class _Model:
    """Rows and cones for Clarabel: minimise cost . v subject to right - matrix v in the cones."""

    def __init__(
        self, objective: Objective, columns: Floats, rows: Floats, limit: Floats, groups: int, chord: Chord | None
    ) -> None:
        count, m = len(columns), len(limit)
        worst = objective.kind == CHEBYSHEV
        self.objective, self.count, self.m, self.worst, self.chord = objective, count, m, worst, chord
        self.active = np.flatnonzero(objective.active)
        logs = self._logs(objective, columns, count)
        extra = int(worst) + len(logs) + 2 * (chord is not None)
        self.size = count + extra
        linear = count + m + len(self.active) * worst + 2 * (chord is not None)
        height = 1 + linear + _EXPONENTIAL * (len(logs) + (chord is not None))
        self.matrix, self.right, self.cost = np.zeros((height, self.size)), np.zeros(height), np.zeros(self.size)
        self.cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(linear)]
        self.matrix[0, :count], self.right[0] = 1.0, 1.0
        self.matrix[1 + np.arange(count), np.arange(count)] = -1.0
        at = 1 + count
        self.matrix[at : at + m, :count], self.right[at : at + m] = rows @ columns.T, limit
        at += m
        if worst:
            part = (objective.coefficient * columns[:, :3])[:, self.active].T
            self.matrix[at : at + len(self.active), :count] = -part
            self.matrix[at : at + len(self.active), count] = 1.0
            at += len(self.active)
        first = count + worst
        if not logs:
            self.cost[:count] = 0.0 if worst else -(columns[:, :3] @ objective.coefficient)
            self.cost[count:] = -1.0
        self.logs, self.first_log = len(logs), at + 2 * (chord is not None)
        if chord is not None:
            at = self._penalise(chord, columns, groups, at)
        for k, (weight, form) in enumerate(logs):
            self._logarithm(at + _EXPONENTIAL * k, first + k, form)
            self.cost[first + k] = -weight
        if chord is not None:
            conversions = np.zeros(self.size)
            conversions[:count] = columns[:, CONVERSION]
            self._logarithm(at + _EXPONENTIAL * len(logs), self.size - 2, conversions)

    def _logs(self, objective: Objective, columns: Floats, count: int) -> list[tuple[float, Floats]]:
        """The logarithms in the objective: weight, and the form (columns, then the worst KPI) it is taken of."""
        if objective.kind == NASH:
            return [(float(objective.weight[j]), columns[:, j]) for j in self.active]
        if self.chord is None:
            return []
        if self.worst:
            return [(1.0, np.append(np.zeros(count), 1.0))]
        return [(1.0, columns[:, :3] @ objective.coefficient)]

    def _penalise(self, chord: Chord, columns: Floats, groups: int, at: int) -> int:
        """Rows r <= 0 and r <= 2 (log kappa + q - chord(spend)), with q <= log of the conversions; next row."""
        q, r = self.size - 2, self.size - 1
        self.cost[r] = -1.0
        self.matrix[at, r] = 1.0
        self.matrix[at + 1, r], self.matrix[at + 1, q] = 1.0, -2.0
        self.matrix[at + 1, : self.count] = 2.0 * chord.slope * columns[:, 3 : 3 + groups].sum(axis=1)
        self.right[at + 1] = 2.0 * (chord.log_kappa - chord.offset)
        self.penalty_row = at + 1
        return at + 2

    def _logarithm(self, at: int, variable: int, form: Floats) -> None:
        """Three rows: the variable is at most the logarithm of the form."""
        self.matrix[at, variable] = -1.0
        self.right[at + 1] = 1.0
        self.matrix[at + 2, : len(form)] = -form
        self.cones.append(clarabel.ExponentialConeT())

    def read(self, x: Floats, z: Floats, size: Floats) -> Mixture | None:
        """The mixture from Clarabel's variables and multipliers; columns were divided by `size` (K,)."""
        if not (np.isfinite(x).all() and np.isfinite(z).all()):
            return None
        theta = np.maximum(x[: self.count], 0.0) / size
        at = 1 + self.count
        rows = np.maximum(z[at : at + self.m], 0.0)
        ends = self.first_log + _EXPONENTIAL * np.arange(self.logs + 1) + _EXPONENTIAL - 1
        of_logs = z[ends[: self.logs]]
        worst = np.maximum(z[at + self.m : at + self.m + len(self.active) * self.worst], 0.0)
        if not theta.sum() > 0 or not (of_logs > 0).all() or (self.worst and not worst.sum() > 0):
            return None
        level, slope = self._certificate(of_logs, worst)
        penalty = 0.0 if self.chord is None else float(min(z[self.penalty_row], 1.0))
        if penalty <= 0 or not z[ends[-1]] > 0:
            return Mixture(theta / theta.sum(), rows, level, slope)
        return Mixture(theta / theta.sum(), rows, level, slope, penalty, float(z[ends[-1]]))

    def _certificate(self, of_logs: Floats, worst: Floats) -> tuple[float, Floats]:
        """Level and slope from the multipliers of the logarithms and of the KPIs in the worst one.

        For nash by the inequality of weighted means: prod x ** w <= prod (w / g) ** w * (g . x).
        """
        slope = np.zeros(3)
        if self.objective.kind == NASH:
            slope[self.active] = of_logs
            weight = self.objective.weight[self.active]
            return float(((weight / of_logs) ** weight).prod()), slope
        if self.worst:
            share = worst if self.logs else worst / worst.sum()
            slope[self.active] = share * self.objective.coefficient[self.active]
            return 1.0 / float(share.sum()), slope
        gain = float(of_logs[0]) if self.logs else 1.0
        return 1.0 / gain, gain * self.objective.coefficient

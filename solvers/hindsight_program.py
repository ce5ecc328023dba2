"""Hindsight optimum of one day by column generation: totals are bought where the last multipliers point.

The master mixes the totals found so far; its multipliers give a direction, and the zonotope's best
point in it is both the next column and a certificate: a concave utility lies below its tangent, whose
maximum over all totals the support function knows. (Dantzig and Wolfe 1960; Kelley 1960.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.kpi import CONVERSION
from bidpilot.solvers.attainable import KPIS, Attainable
from bidpilot.solvers.hindsight_held import Groups, Held
from bidpilot.solvers.hindsight_master import CHEBYSHEV, NASH, Chord, Mixture, Objective, best_mixture

Floats = NDArray[np.float64]

ROUNDS = 150
"""Columns that one search may add."""
_LEAST = 1e-3  # a mixture with this share of every KPI's reach is inside enough to start a logarithm
_ROUNDING = 1e-7  # of a limit of order 1: the solver's
_FLOOR_SLACK = 1e-9  # relative; what rounding may cost a floor that is just in reach


@dataclass
class Found:
    """The best point known and what nothing exceeds."""

    value: float = 0.0  # of the objective, without its factor
    bound: float = math.inf
    point: Floats | None = None  # scaled totals
    slope: Floats | None = None  # (3,) gradient of the log-score there, scaled

    def gap(self) -> float:
        """Relative distance of the bound above the value."""
        return 0.0 if self.bound <= self.value else (self.bound - self.value) / self.bound


class Program:
    """The scaled day of one campaign: columns found, and rows.

    Scaled totals are of order 1: KPIs in units of what a balanced mixture attains with the budget, spend
    in units of the budget (or of the whole day where that is less), wins in units of the day's auctions.
    """

    def __init__(self, attainable: Attainable, held: Held, groups: Groups, kpis: NDArray[np.bool_]) -> None:
        self.attainable, self.held, self.groups = attainable, held, attainable.groups
        self.dims = KPIS + 2 * self.groups
        reach = attainable.all
        self.spend_scale = min(held.budget, float(reach[KPIS : KPIS + self.groups].sum())) or 1.0
        self.scale = np.ones(self.dims)
        self.scale[:KPIS] = np.where(reach[:KPIS] > 0, reach[:KPIS], 1.0)
        self.scale[KPIS : KPIS + self.groups] = self.spend_scale
        self.scale[KPIS + self.groups :] = max(reach[KPIS + self.groups :].sum(), 1.0)
        self.columns = np.zeros((1, self.dims))
        typical = self._edge(kpis.astype(np.float64))[:KPIS]
        self.scale[:KPIS] *= np.where(typical > 0, typical, 1.0)
        self.columns[:] = 0.0
        self.rows, self.limit = self._write(groups)
        self._floorless, self.floors = len(self.limit), np.zeros(KPIS)  # rows before the floors; the floors
        self._seed(groups, kpis)

    def _write(self, groups: Groups) -> tuple[Floats, Floats]:
        """The rows as `rows @ scaled totals <= limit`, each of order 1; the budget comes first, floors last."""
        G = self.groups
        spend, wins = slice(KPIS, KPIS + G), slice(KPIS + G, self.dims)
        rows, right = [np.zeros(self.dims)], [self.held.budget / self.spend_scale]
        rows[0][spend] = 1.0
        for asked, per_spend, per_win in groups.spread(self.held.rows):
            used = [s for s, part in ((self.spend_scale, per_spend), (self.scale[-1], per_win)) if part.any()]
            unit = asked.bound or max([*used, *self.scale[:KPIS][asked.value != 0]], default=1.0)
            row = np.zeros(self.dims)
            row[:KPIS] = -asked.value * (self.scale[:KPIS] / unit)
            row[spend] = per_spend * (self.spend_scale / unit)
            row[wins] = per_win * (self.scale[-1] / unit)
            rows.append(row if asked.bound > 0 else row / max(1.0, np.abs(row).max()))
            right.append(asked.bound / unit)
        return np.array(rows), np.array(right)

    def require(self, floors: Floats) -> bool:
        """Demand floors (3,), in units of the KPIs, and find columns that reach them; False where none can."""
        self.floors = floors
        share = self._common_share(floors, lambda f: f.value >= 1.0 or f.bound < 1.0)
        if share.bound < 1.0:
            return False
        for j in np.flatnonzero(floors > 0):
            row = np.zeros(self.dims)
            row[j] = -self.scale[j] / floors[j]
            self.rows = np.vstack([self.rows, row])
            self.limit = np.append(self.limit, -min(1.0 - _FLOOR_SLACK, share.value))
        return True

    @contextmanager
    def spending_at_most(self, spend: float) -> Iterator[bool]:
        """For a while, less scaled spend than the budget; yields False where the floors are out of its reach."""
        rows, limit = self.rows, self.limit
        self.rows, self.limit = rows[: self._floorless].copy(), limit[: self._floorless].copy()
        self.rows[0] /= spend or 1.0
        self.limit[0] = 1.0 if spend > 0 else 0.0
        try:
            yield not self.floors.any() or self.require(self.floors)
        finally:
            self.rows, self.limit = rows, limit

    def buy(self, direction: Floats) -> tuple[float, Floats, bool]:
        """Support and best scaled totals in a scaled direction, and whether they are a new column."""
        support, totals = self.attainable.best(direction / self.scale)
        column = totals / self.scale
        new = not (self.columns == column).all(axis=1).any()
        if new:
            self.columns = np.vstack([self.columns, column])
        return support, column, new

    def spend(self, point: Floats) -> float:
        """Scaled spend of scaled totals."""
        return float(point[KPIS : KPIS + self.groups].sum())

    def _seed(self, groups: Groups, kpis: NDArray[np.bool_]) -> None:
        """First columns: the budget's edge for every KPI alone and together; without groups that a row frowns upon."""
        wishes = [kpis.astype(np.float64)] + (
            [row for row in np.diag(kpis * 1.0) if row.any()] if kpis.sum() > 1 else []
        )
        bans = [np.zeros(self.groups)]
        for row, per_spend, per_win in groups.spread(self.held.rows):
            if row.bound == 0 and row.by_segment:
                bans.append(((per_spend > 0) | (per_win > 0)).astype(np.float64))
        for ban in bans:
            for wish in wishes:
                self._edge(wish, ban)
        cheap = np.zeros(self.dims)
        cheap[:KPIS] = kpis
        for thrift in (4.0, 32.0):
            cheap[KPIS : KPIS + self.groups] = -thrift
            self.buy(cheap)

    def _edge(self, wish: Floats, ban: Floats | None = None) -> Floats:
        """Scaled totals of the mixture that spends the budget on a wish for KPIs (3,).

        Keeps the two columns beside the budget. `ban` (G,) is 1 for groups that are not bought.
        """
        G, budget = self.groups, self.held.budget / self.spend_scale
        direction = np.zeros(self.dims)
        direction[:KPIS] = wish
        reach = self.attainable.all / self.scale
        if ban is not None:
            direction[KPIS + G :] = -ban * (wish @ reach[:KPIS]) * self.scale[KPIS + G]
        known = self.columns
        low, high, step = 0.0, math.inf, float(wish @ reach[:KPIS]) / (self.spend(reach) or 1.0)
        outside = self.buy(direction)[1]
        if self.spend(outside) <= budget:
            return outside
        inside = np.zeros(self.dims)
        for _ in range(80):
            direction[KPIS : KPIS + G] = -step
            column = self.buy(direction)[1]
            if self.spend(column) > budget:
                low, outside = step, column
            else:
                high, inside = step, column
            if low > 0 and high < math.inf and (high < low * 1.01 or self.spend(inside) > 0.98 * budget):
                break
            step = step * 4.0 if high == math.inf else step / 4.0 if low == 0.0 else math.sqrt(low * high)
        self.columns = np.vstack([known, inside, outside])
        share = (budget - self.spend(inside)) / (self.spend(outside) - self.spend(inside))
        return inside + share * (outside - inside)

    def mix(self, mixture: Mixture) -> Floats:
        """The mixture's totals, shrunk by the solver's rounding to keep budget and caps."""
        point = mixture.theta @ self.columns
        used = self.rows @ point
        over = (self.limit > 0) & (used > self.limit)
        return point * float(np.min(self.limit[over] / used[over])) if over.any() else point

    def allows(self, point: Floats) -> bool:
        """Whether scaled totals keep every limit, up to the solver's rounding."""
        return bool((self.rows @ point <= self.limit + _ROUNDING).all())

    def climb(self, objective: Objective, done: Callable[[Found], bool]) -> Found:
        """Add columns until `done`, or until none helps; concave objectives without a CPA penalty."""
        found = Found()
        if objective.kind == NASH:
            found.bound = float(objective.weight @ (self.attainable.all / self.scale)[:KPIS])  # of the whole day
        for _ in range(ROUNDS):
            mixture = best_mixture(objective, self.columns, self.rows, self.limit, self.groups, None)
            if mixture is None:
                break
            point = self.mix(mixture)
            value = objective.value(point[:KPIS])
            if not self.allows(point) or (objective.kind == NASH and value <= 0):
                break
            direction: Floats = -(mixture.rows @ self.rows)
            direction[:KPIS] += mixture.slope
            support, _, new = self.buy(direction)
            found.bound = min(found.bound, mixture.level * float(support + mixture.rows @ self.limit))
            if value > found.value or found.point is None:
                found.value, found.point, found.slope = value, point, mixture.slope
            if done(found) or not new:
                break
        return found

    def _common_share(self, floors: Floats, done: Callable[[Found], bool]) -> Found:
        """The largest `t` with every KPI at least `t` times its floor (3,), where the floor is positive."""
        wanted = floors > 0
        weight = wanted / wanted.sum()
        share = np.where(wanted, self.scale[:KPIS] / np.where(wanted, floors, 1.0), 0.0)
        return self.climb(Objective(CHEBYSHEV, weight, share, 1.0), done)

    def enter(self, kpis: NDArray[np.bool_]) -> bool:
        """Find columns that mix to something of every KPI within the limits; False where the limits leave nothing.

        Less than 1e-7 of what the budget alone would leave is nothing: the solver cannot tell it from rounding.
        """
        found = self._common_share(
            np.where(kpis, self.scale[:KPIS], 0.0),
            lambda f: f.value > max(_LEAST * f.bound, _ROUNDING) or f.bound <= _ROUNDING,
        )
        return found.value > 0 and found.bound > _ROUNDING

    def chord_bound(self, chord: Chord, mixture: Mixture) -> tuple[float, float, Floats]:
        """Certified bound of the log-score under a chord, how much a new column gains, and the slope (3,)."""
        slope, weight = mixture.slope.copy(), 2.0 * mixture.penalty
        slope[CONVERSION] += mixture.conversions
        direction: Floats = -(mixture.rows @ self.rows)
        direction[:KPIS] += slope
        direction[KPIS : KPIS + self.groups] -= weight * chord.slope
        known = float(direction @ (mixture.theta @ self.columns))
        support, _, new = self.buy(direction)
        constant = math.log(mixture.level) - 1.0 + weight * (chord.log_kappa - chord.offset)
        if weight > 0:  # weight log x <= c x + weight (log (weight / c) - 1), for the conversions x
            constant += weight * (math.log(weight / mixture.conversions) - 1.0)
        return constant + float(mixture.rows @ self.limit) + support, support - known if new else 0.0, slope

"""Hindsight optimum of one day by column generation: totals are bought where the last multipliers point.

The master mixes the totals found so far; its multipliers give a direction, and the zonotope's best
point in it is both the next column and a certificate: a concave utility lies below its tangent, whose
maximum over all totals the support function knows. (Dantzig and Wolfe 1960; Kelley 1960.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bidpilot.solvers.attainable import KPIS, Attainable
from bidpilot.solvers.hindsight_master import CHEBYSHEV, CONVERSIONS, NASH, Chord, Mixture, Objective, best_mixture

Floats = NDArray[np.float64]

ROUNDS = 150
"""Columns that one search may add."""
_LEAST = 1e-3  # a mixture with this share of every KPI's reach is inside enough to start a logarithm
_ROUNDING = 1e-7  # of a limit of order 1: the solver's
_STALLED = 1e-10  # a column that gains less, relatively, is one already known
_FLOOR_SLACK = 1e-9  # relative; what rounding may cost a floor that is just in reach


@dataclass(frozen=True)
class Layout:
    """What the segments of a market are: channel "/" tier."""

    channel: NDArray[np.int64]  # (S,) index of the segment's channel, in order of appearance
    tail: NDArray[np.bool_]  # (S,)

    @classmethod
    def of(cls, segments: tuple[str, ...]) -> Layout:
        """Read the names of the segments."""
        names = [name.split("/")[0] for name in segments]
        channels = list(dict.fromkeys(names))
        return cls(
            np.array([channels.index(name) for name in names]), np.array([name.endswith("/tail") for name in segments])
        )


@dataclass(frozen=True)
class Limits:
    """What one campaign insists on. Hard, except the CPA target, which is part of the score."""

    budget: float  # currency
    max_cpa: float = math.inf  # currency per conversion
    min_tail_share: float = 0.0  # of the auctions won
    min_roi: float = 0.0  # conversion value per spend
    conversion_value: float = 1.0  # currency per conversion
    floors: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the KPIs
    caps: Mapping[int, float] = field(default_factory=dict)  # channel index -> currency

    @property
    def only_budget(self) -> bool:
        """Whether nothing but the budget (and a CPA target) limits the day."""
        return self.min_tail_share == 0 and self.min_roi == 0 and not any(self.floors) and not self.caps

    @property
    def per_segment(self) -> bool:
        """Whether a limit tells segments apart."""
        return self.min_tail_share > 0 or bool(self.caps)


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
    """The scaled day of one campaign: columns found, limits as rows.

    Scaled totals are of order 1: KPIs in units of what a balanced mixture attains with the budget, spend
    in units of the budget (or of the whole day where that is less), wins in units of the day's auctions.
    """

    def __init__(self, attainable: Attainable, limits: Limits, layout: Layout, kpis: NDArray[np.bool_]) -> None:
        self.attainable, self.limits, self.groups = attainable, limits, attainable.groups
        self.dims = KPIS + 2 * self.groups
        reach = attainable.all
        self.spend_scale = min(limits.budget, float(reach[KPIS : KPIS + self.groups].sum())) or 1.0
        self.scale = np.ones(self.dims)
        self.scale[:KPIS] = np.where(reach[:KPIS] > 0, reach[:KPIS], 1.0)
        self.scale[KPIS : KPIS + self.groups] = self.spend_scale
        self.scale[KPIS + self.groups :] = max(reach[KPIS + self.groups :].sum(), 1.0)
        self.columns = np.zeros((1, self.dims))
        typical = self._edge(kpis / self.scale[:KPIS])[1][:KPIS]
        self.scale[:KPIS] *= np.where(typical > 0, typical, 1.0)
        self.columns[:] = 0.0
        self.rows, self.limit = self._limits(layout)
        self.floorless = len(self.limit)  # rows before the floors
        self._seed(layout, kpis)

    def _limits(self, layout: Layout) -> tuple[Floats, Floats]:
        """The limits as `rows @ scaled totals <= limit`; the budget comes first, floors last."""
        limits, G = self.limits, self.groups
        spend = slice(KPIS, KPIS + G)
        rows, right = [np.zeros(self.dims)], [limits.budget / self.spend_scale]
        rows[0][spend] = 1.0
        for channel, cap in limits.caps.items():
            row = np.zeros(self.dims)
            row[spend] = (layout.channel == channel) * (self.spend_scale / cap)
            rows.append(row)
            right.append(1.0)
        if limits.min_tail_share > 0:
            row = np.zeros(self.dims)
            row[KPIS + G :] = limits.min_tail_share - layout.tail
            rows.append(row)
            right.append(0.0)
        if limits.min_roi > 0:
            row = np.zeros(self.dims)
            row[spend] = 1.0
            row[CONVERSIONS] = -limits.conversion_value * self.scale[CONVERSIONS] / (limits.min_roi * self.spend_scale)
            rows.append(row / max(1.0, np.abs(row).max()))
            right.append(0.0)
        return np.array(rows), np.array(right)

    def require(self, floors: Floats) -> None:
        """Add floors (3,), in units of the KPIs."""
        for j in np.flatnonzero(floors > 0):
            row = np.zeros(self.dims)
            row[j] = -self.scale[j] / floors[j]
            self.rows, self.limit = np.vstack([self.rows, row]), np.append(self.limit, -(1.0 - _FLOOR_SLACK))

    def buy(self, direction: Floats) -> tuple[float, Floats]:
        """Support and best scaled totals in a scaled direction; the totals join the columns."""
        support, totals = self.attainable.best(direction / self.scale)
        column = totals / self.scale
        self.columns = np.vstack([self.columns, column])
        return support, column

    def spend(self, point: Floats) -> float:
        """Scaled spend of scaled totals."""
        return float(point[KPIS : KPIS + self.groups].sum())

    def _seed(self, layout: Layout, kpis: NDArray[np.bool_]) -> None:
        """First columns: the budget's edge for every KPI alone and together, tail segments alone where they count."""
        wishes = [kpis.astype(np.float64)] + ([row for row in np.diag(kpis * 1.0) if row.any()] if kpis.sum() > 1 else [])
        bans = [np.zeros(self.groups)]
        if self.limits.min_tail_share > 0:
            bans.append((~layout.tail).astype(np.float64))
        for ban in bans:
            for wish in wishes:
                self._edge(wish, ban)
        cheap = np.zeros(self.dims)
        cheap[:KPIS] = kpis
        for thrift in (4.0, 32.0):
            cheap[KPIS : KPIS + self.groups] = -thrift
            self.buy(cheap)

    def _edge(self, wish: Floats, ban: Floats | None = None) -> tuple[float, Floats]:
        """Shadow price at which a wish for KPIs (3,) spends about the budget, and the mixture that spends it.

        Keeps the two columns beside the budget. `ban` (G,) is 1 for groups that are not bought.
        """
        G, budget = self.groups, self.limits.budget / self.spend_scale
        direction = np.zeros(self.dims)
        direction[:KPIS] = wish
        reach = self.attainable.all / self.scale
        if ban is not None:
            direction[KPIS + G :] = -ban * (wish @ reach[:KPIS]) * self.scale[KPIS + G]
        known = self.columns
        low, high, step = 0.0, math.inf, (wish @ reach[:KPIS]) / (self.spend(reach) or 1.0)
        outside = self.buy(direction)[1]
        if self.spend(outside) <= budget:
            return 0.0, outside
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
        return step, inside + share * (outside - inside)

    def mix(self, mixture: Mixture) -> Floats:
        """The mixture's totals, shrunk by the solver's rounding to keep budget and caps."""
        point = mixture.theta @ self.columns
        used = self.rows @ point
        over = (self.limit > 0) & (used > self.limit)
        return point * float(np.min(self.limit[over] / used[over])) if over.any() else point

    def allows(self, point: Floats) -> bool:
        """Whether scaled totals keep every limit, up to the solver's rounding."""
        return bool((self.rows @ point <= self.limit + _ROUNDING).all())

    def climb(self, objective: Objective, done: Callable[[Found], bool], found: Found | None = None) -> Found:
        """Add columns until `done`, or until none helps; concave objectives without a CPA penalty."""
        found = found or Found()
        for _ in range(ROUNDS):
            mixture = best_mixture(objective, self.columns, self.rows, self.limit, self.groups, None)
            if mixture is None:
                break
            point = self.mix(mixture)
            value = objective.value(point[:KPIS])
            if not self.allows(point) or (objective.kind == NASH and value <= 0):
                break
            level, slope = objective.tangent(point[:KPIS], mixture.kpi) if value > 0 else (0.0, np.zeros(KPIS))
            if value <= 0:  # the linear programs may start from nothing: their slope needs no point
                level, slope = 1.0, objective.coefficient * mixture.kpi
            rows = mixture.rows / (1.0 if objective.kind == NASH else level)
            direction = -(rows @ self.rows)
            direction[:KPIS] += slope
            support, column = self.buy(direction)
            found.bound = min(found.bound, level * float(support + rows @ self.limit))
            if value > found.value or found.point is None:
                found.value, found.point, found.slope = value, point, slope
            if done(found) or support - float(direction @ (mixture.theta @ self.columns[:-1])) <= _STALLED * abs(support):
                break
        return found

    def common_share(self, floors: Floats, done: Callable[[Found], bool]) -> Found:
        """The largest `t` with every KPI at least `t` times its floor (3,), where the floor is positive."""
        wanted = floors > 0
        weight = wanted / wanted.sum()
        share = np.where(wanted, self.scale[:KPIS] / np.where(wanted, floors, 1.0), 0.0)
        return self.climb(Objective(CHEBYSHEV, weight, share, 1.0), done)

    def enter(self, kpis: NDArray[np.bool_]) -> bool:
        """Find columns that mix to something of every KPI within the limits; False where none exists."""
        found = self.common_share(
            np.where(kpis, self.scale[:KPIS], 0.0), lambda f: f.value > max(_LEAST * f.bound, 0.0) or f.bound <= 1e-12
        )
        return found.value > 0

    def tangent_bound(
        self, objective: Objective, chord: Chord, mixture: Mixture, point: Floats
    ) -> tuple[float, float, Floats]:
        """Certified bound of the log-score under a chord, how much the new column gains, and the slope (3,)."""
        level, slope = objective.tangent(point[:KPIS], mixture.kpi)
        conversions, weight = point[CONVERSIONS], 2.0 * mixture.penalty
        slope = slope.copy()
        slope[CONVERSIONS] += weight / conversions
        direction = -(mixture.rows @ self.rows)
        direction[:KPIS] += slope
        direction[KPIS : KPIS + self.groups] -= weight * chord.slope
        known = mixture.theta @ self.columns
        support, _ = self.buy(direction)
        constant = math.log(level) - 1.0 + weight * (chord.log_kappa + math.log(conversions) - 1.0 - chord.offset)
        return constant + float(mixture.rows @ self.limit) + support, support - float(direction @ known), slope

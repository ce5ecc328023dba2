"""Pareto fronts: what each KPI costs in the others, under one campaign's budget and constraints.

About two thirds of the points are optima of a weighted sum, one for each preference of a lattice; the ends are
lexicographic (the most of one KPI, and of the others no less than that leaves). The rest are optima under KPI
floors (epsilon-constraint), put where the front is emptiest. Every point is an exact optimum on the day that was
binned for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple, TypeVar

import moocore
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.errors import InvalidLandscape
from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.solvers.allocation.allocate import plan_problem
from bidpilot.solvers.allocation.held import solve_kept
from bidpilot.solvers.allocation.infeasible import explain
from bidpilot.solvers.allocation.nothing import why_nothing
from bidpilot.solvers.allocation.problem import PlanProblem
from bidpilot.solvers.allocation.program import AllocationProgram
from bidpilot.solvers.allocation.rows import shapes

Vector = NDArray[np.float64]
T = TypeVar("T")

REFERENCE_POINT = (0.0, 0.0, 0.0)
"""Where hypervolume is measured from, in ideal points: nothing of any KPI."""

_BY_PREFERENCE = 2 / 3  # of the points
_ROUNDS = 2  # of binning for a point by floors
_EVEN = 0.25  # of an even preference in the one that bins are made for: bins that leave a KPI out hide what it costs
_SLACK = 3e-7  # ideal points by which a floor at an optimum is eased; the solvers are exact to 1e-7
_FLOOR = "least "  # names a point's own rows
_FLAT = 1e-9  # ends nearer to each other than this trade nothing off


@dataclass(frozen=True)
class FrontPoint:
    """One plan on the front."""

    preference: tuple[float, float, float] | None  # that it is the optimum of; None: found by floors
    floors: tuple[float, float, float] | None  # own units; None: found by preference
    kpi: Vector  # (3,) expected totals, own units
    share: Vector  # (3,) of the ideal point; 0 for a KPI that the forecast has none of
    spend: Vector  # (S,) currency
    wins: Vector  # (S,) expected won exposures


@dataclass(frozen=True)
class ParetoFront:
    """The front of one campaign under one forecast."""

    points: tuple[FrontPoint, ...]  # mutually non-dominated
    ends: tuple[FrontPoint, ...]  # the most of each KPI in `active`, in that order
    by_preference: tuple[FrontPoint, ...]  # the optimum of each preference that was asked for, repeats included
    active: tuple[int, ...]  # KPIs that the forecast has
    ideal: Vector  # (3,) z, own units
    segments: tuple[str, ...]  # (S,)
    reference_point: tuple[float, ...]  # of the hypervolume, in ideal points, one entry for each active KPI
    hypervolume: float  # in units of the ideal point, in [0, 1]; z is known to 0.1 %, and more than it counts as 1
    knee: FrontPoint
    knee_height: float  # ideal points above the plane through the ends; 0 where they trade nothing off
    nothing: str | None = None  # where no plan of it buys anything: why, and what would do

    @property
    def shares(self) -> Vector:
        """(N, A) of the ideal point, active KPIs alone."""
        return np.array([p.share[list(self.active)] for p in self.points])


def pareto_front(
    forecast: Forecast, campaign: Campaign, points: int = 16, begun: Callable[[], None] = lambda: None
) -> ParetoFront:
    """The front of `campaign` by at most `points` plans; its own preference and scalarisation do not matter.

    `begun` is called before each of them.

    Raises:
        InfeasibleCampaign: no plan keeps its constraints; names those that conflict.
        InvalidLandscape: the forecast brings nothing of any KPI.
        PlanMissesConstraint: what the solver calls optimal does not keep them.
        UnknownChannel, NoTailContent, SolverUnavailable, SolverFailed.
    """
    active = tuple(int(j) for j in np.flatnonzero(forecast.landscape.mean_value > 0))
    if not active:
        raise InvalidLandscape("the forecast's auctions bring nothing of any KPI. Fit it on a log that has values.")
    search = _Search(forecast, campaign, active)
    ends = [search.end(j) for j in _told(active, begun)]
    if not any(point.share.any() for point in ends):
        front = _front(ends, tuple(ends), active, search.ideal, forecast.segments)
        return replace(front, nothing=search.why_nothing())
    inner = [w for w in _lattice(active, max(int(points * _BY_PREFERENCE), len(active))) if max(w) < 1]
    found = [*ends, *(search.by_preference(w) for w in _told(inner, begun))]
    directions = [np.array(point.preference) for point in found]
    tried: list[Vector] = []
    for _ in _told(range(points - len(found) if len(active) > 1 else 0), begun):
        one, other = _emptiest([p.share[list(active[1:])] for p in found], tried)
        middle = (found[one].share + found[other].share) / 2
        tried.append(middle[list(active[1:])])
        if (reached := search.by_floors(middle, (directions[one] + directions[other]) / 2)) is not None:
            found.append(reached[0])
            directions.append(reached[1])
    supported = _best_for_each(found)
    return _front(found, supported, active, search.ideal, forecast.segments)


def _told(items: Iterable[T], begun: Callable[[], None]) -> Iterator[T]:
    """The items, with a call before each."""
    for item in items:
        begun()
        yield item


class _Plan(NamedTuple):
    program: AllocationProgram
    bought: Vector  # (T, N) shares of the day's auctions


class _Search:
    """Solves for points; one program, compiled once, serves them all."""

    def __init__(self, forecast: Forecast, campaign: Campaign, active: tuple[int, ...]) -> None:
        self._forecast, self._campaign, self._active = forecast, campaign, active
        self.ideal: Vector = np.zeros(3)

    def end(self, j: int) -> FrontPoint:
        """The most of KPI `j`, and of the others the most that this leaves."""
        preference = np.eye(3)[j]
        problem = self._problem(preference)
        best = self._solve(problem)
        if best is None:
            raise explain(problem.shape, problem.scaled, problem.rows, problem.terms)
        others = np.array([k in self._active and k != j for k in range(3)], np.float64)
        if not others.any():
            return self._point(problem, best, preference, None)
        second = replace(problem, preference=others / others.sum())
        most = self._kpi(problem, best)[j]
        plan = self._solve(second, floors=most * preference - _SLACK)
        return self._point(problem, plan or self._solved_again(problem), preference, None)

    def why_nothing(self) -> str:
        """Why plans buy nothing, whatever KPI is wanted."""
        even = np.isin(np.arange(3), self._active) / len(self._active)
        return why_nothing(self._problem(even), even)

    def by_preference(self, preference: Vector) -> FrontPoint:
        """The optimum of a weighted sum."""
        problem = self._problem(preference)
        plan = self._solve(problem)
        if plan is None:
            raise explain(problem.shape, problem.scaled, problem.rows, problem.terms)
        return self._point(problem, plan, preference, None)

    def by_floors(self, share: Vector, direction: Vector) -> tuple[FrontPoint, Vector] | None:
        """The most of the first KPI with at least `share` (3,) ideal points of the others; None where none has.

        `direction` (3,) is a preference whose optimum is near; with the point comes the preference that it is the
        optimum of, by the multipliers of its floors. The day is binned for one, then for the other.
        """
        first = np.eye(3)[self._active[0]]
        least = share * (1.0 - first)
        even = np.isin(np.arange(3), self._active) / len(self._active)
        found: tuple[FrontPoint, Vector] | None = None
        for _ in range(_ROUNDS):
            direction = (1.0 - _EVEN) * direction + _EVEN * even
            day = self._problem(direction)
            problem = replace(day, preference=first)
            plan = self._solve(problem, least)
            if plan is None:
                break
            prices = plan.program.prices()
            direction = first + [prices.get(_FLOOR + name, 0.0) for name in KPI]
            direction /= direction.sum()
            point = self._point(problem, plan, None, least * self.ideal)
            if found is None or point.share @ first > found[0].share @ first:
                found = point, direction
        return found

    def _problem(self, preference: Vector) -> PlanProblem:
        """The day binned for this preference (3,)."""
        changes = {"preference": _triple(preference), "scalarisation": Scalarisation.weighted_sum}
        problem = plan_problem(self._forecast, self._campaign.model_copy(update=changes))
        self.ideal = problem.terms.ideal / problem.terms.kpi_unit
        return problem

    def _solve(self, problem: PlanProblem, floors: Vector | None = None) -> _Plan | None:
        """Solve with the campaign's rows and `floors` (3,), in ideal points; None where nothing keeps them.

        All points have the same rows, a floor of 0 where they ask for none, and so the same program. A floor takes the
        place of the campaign's own, which it is never below.
        """
        asked = np.zeros(3) if floors is None else np.maximum(floors, 0.0)
        own = {j: -row.bound / row.value[j] for row in problem.rows if (j := row.floor_of) is not None}
        rows = [row for row in problem.rows if row.floor_of not in self._active]
        none = np.zeros(len(problem.shape.segments))
        rows += [Row(_FLOOR + KPI[j], none, np.eye(3)[j], none, -max(asked[j], own.get(j, 0.0))) for j in self._active]
        shape = problem.shape._replace(active=self._active, rows=shapes(rows))
        program, solved, bought = solve_kept(problem, shape, rows)
        return _Plan(program, bought) if solved.status == "optimal" else None

    def _solved_again(self, problem: PlanProblem) -> _Plan:
        plan = self._solve(problem)
        assert plan is not None
        return plan

    def _kpi(self, problem: PlanProblem, plan: _Plan) -> Vector:
        kpi: Vector = plan.bought.sum(axis=0) @ problem.scaled.value
        return np.where(np.isin(np.arange(3), self._active), kpi, 0.0)

    def _point(self, problem: PlanProblem, plan: _Plan, preference: Vector | None, floors: Vector | None) -> FrontPoint:
        scaled, day, bought = problem.scaled, problem.day, plan.bought
        inside = np.eye(len(day.segments))[day.segment]  # (N, S)
        share = self._kpi(problem, plan)
        return FrontPoint(
            preference=None if preference is None else _triple(preference),
            floors=None if floors is None else _triple(floors),
            kpi=share * self.ideal,
            share=share,
            spend=((scaled.curve @ bought) * scaled.price) @ inside * problem.terms.unit,
            wins=bought.sum(axis=0) @ inside * day.demand,
        )


def _triple(values: Vector) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _lattice(active: tuple[int, ...], most: int) -> list[Vector]:
    """Preferences (3,) on the finest regular lattice of at most `most` points over the active KPIs."""
    best: list[Vector] = []
    for steps in range(1, most + 1):
        parts = [
            np.diff([-1, *bars, steps + len(active) - 1]) - 1
            for bars in combinations(range(steps + len(active) - 1), len(active) - 1)
        ]
        if len(parts) > most and best:
            break
        best = []
        for part in parts:
            preference = np.zeros(3)
            preference[list(active)] = part / steps
            best.append(preference)
        if len(active) == 1:
            break
    return best


def _emptiest(floors: list[Vector], tried: list[Vector]) -> tuple[int, int]:
    """The two points whose middle, in the KPIs that get floors (A - 1,), is farthest from all points and from `tried`.

    What two plans bring on average a mixture of them brings, so the middle can be reached.
    """
    known = np.array([*floors, *tried])
    pairs = list(combinations(range(len(floors)), 2))
    middles = np.array([(floors[a] + floors[b]) / 2 for a, b in pairs])
    distance = np.linalg.norm(middles[:, None] - known[None], axis=2).min(axis=1)
    return pairs[int(np.argmax(distance))]


def _best_for_each(found: list[FrontPoint]) -> tuple[FrontPoint, ...]:
    """For each preference the plan that serves it best.

    Bins differ between points by a fraction of a percent of the value, and a plan found for one preference is a
    plan for all of them: where a neighbour's serves a preference better than that of its own bins, it is taken.
    """
    shares = np.array([p.share for p in found])
    chosen = []
    for point in found:
        if point.preference is None:
            continue
        if max(point.preference) == 1.0:  # an end stays, unless another has more of its KPI
            order = np.lexsort((shares.sum(axis=1), np.round(shares @ np.array(point.preference), 7)))
            best = found[int(order[-1])]
        else:
            best = found[int(np.argmax(shares @ np.array(point.preference)))]
        chosen.append(replace(best, preference=point.preference, floors=None))
    return tuple(chosen)


def _front(
    found: list[FrontPoint],
    supported: tuple[FrontPoint, ...],
    active: tuple[int, ...],
    ideal: Vector,
    segments: tuple[str, ...],
) -> ParetoFront:
    distinct: dict[bytes, FrontPoint] = {}
    for point in (*supported, *(p for p in found if p.preference is None)):
        distinct.setdefault(point.share.tobytes(), point)
    candidates = list(distinct.values())
    shares = np.array([p.share[list(active)] for p in candidates])
    keep = moocore.is_nondominated(shares, maximise=True, keep_weakly=False)
    points = tuple(p for p, kept in zip(candidates, keep, strict=True) if kept)
    ends = supported[: len(active)]
    height = knee_heights(shares[keep], np.array([p.share[list(active)] for p in ends]))
    knee = int(np.argmax(height))
    reference = REFERENCE_POINT[: len(active)]
    return ParetoFront(
        points=points,
        ends=ends,
        by_preference=supported,
        active=active,
        ideal=ideal,
        segments=segments,
        reference_point=reference,
        hypervolume=float(moocore.hypervolume(np.minimum(shares[keep], 1.0), ref=list(reference), maximise=True)),
        knee=points[knee],
        knee_height=float(height[knee]),
        nothing=None,
    )


def knee_heights(shares: Vector, ends: Vector) -> Vector:
    """How far points (N, A) lie above the plane through the ends (A, A), in ideal points.

    The knee is the highest: beyond it, a KPI is bought with more of the others than the ends' own exchange (Das,
    Structural Optimization 18, 1999). Where the ends coincide there is no plane, and the knee is the point with
    the largest sum; its height is 0.
    """
    spread = np.linalg.norm(ends - ends.mean(axis=0), axis=1).max()
    if spread <= _FLAT or np.linalg.matrix_rank(ends, tol=_FLAT) < len(ends):
        total = shares.sum(axis=1)
        flat: Vector = total - total.max()
        return flat
    normal = np.linalg.solve(ends, np.ones(len(ends)))
    height: Vector = (shares @ normal - 1.0) / np.linalg.norm(normal)
    return height

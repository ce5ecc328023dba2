"""The portfolio as one linear program over shared bins."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bidpilot.bidding.campaign.segments import channel_index, channels, is_tail
from bidpilot.bidding.errors import SolverFailed
from bidpilot.solvers.allocation.backend import CONIC, LINEAR, attempt
from bidpilot.solvers.allocation.rows import near_power
from bidpilot.solvers.allocation.totals import AMPLE, NOISE
from bidpilot.solvers.portfolio.bins import Bins, Margin
from bidpilot.solvers.portfolio.config import Risk

_LOG = logging.getLogger(__name__)
_LEAST_COST = 1e-4  # of money against what the whole budget is worth: where money has no limit
_TAKES_PART = 1e-6  # of the largest multiplier

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """What is left to plan: C campaigns, H channels, days in K groups (today alone first where a reserve is held)."""

    names: tuple[str, ...]  # (C,)
    segments: tuple[str, ...]  # (S,)
    gain: Vector  # (C, 3) utility per unit of KPI, conversions at the forecast's worth
    least: Vector  # (C,) currency
    most: Vector  # (C,) currency, inf where none
    tail: Vector  # (C,) least tail share, 0 where none
    caps: Vector  # (H,) currency, inf where none
    budget: float  # of the horizon, currency
    left: float  # currency
    held: float  # reserve after today, currency
    traffic: Vector  # (K,) forecast days in each group
    risk: Risk | None
    unit: float  # currency that the program counts money in: the budget, or less where no plan can spend it

    @property
    def days_per_today(self) -> float:
        """Traffic of all days left for each of today's."""
        return float(self.traffic.sum() / self.traffic[0])


@dataclass
class Row:
    """One constraint, `sign * (total - bound) <= 0`, in units of money (wins of a tail share in wins per unit).

    It is solved in units of its own `size`, so that a solver's tolerance is a share of what the row speaks of.
    """

    name: str
    sign: float
    total: cp.Expression
    bound: float
    constraint: cp.Constraint | None = None
    size: float = 1.0

    @property
    def price(self) -> float:
        """Multiplier, utility per unit."""
        assert self.constraint is not None
        return max(float(np.asarray(self.constraint.dual_value).item()), 0.0) / self.size

    @property
    def excess(self) -> cp.Expression:
        """What it takes beyond its bound, in units of its size."""
        return self.sign * (self.total - self.bound) / self.size


class PortfolioProgram:
    """Decisions: budgets per group of days, campaign and channel; and in each scenario the part of each bin bought."""

    def __init__(self, bins: Bins, terms: Terms) -> None:
        self.bins, self.terms = bins, terms
        self.channel = channel_index(terms.segments)
        self.campaigns, self.channels = len(terms.names), len(channels(terms.segments))
        self._tail = is_tail(terms.segments)[bins.segment].astype(np.float64)
        self.wins_per_unit = terms.unit / float((bins.count @ bins.price) / bins.count.sum() or 1.0)
        shape = (self.campaigns, len(bins.count))
        self.worth = (terms.gain @ bins.value.T) * bins.count  # (C, N) of whole bins
        self.money = bins.count * bins.price / terms.unit  # (N,)
        all_costs = float(self.money.sum())
        reach = 1.0 if all_costs <= AMPLE * bins.scenarios else float(2.0 ** -np.ceil(np.log2(all_costs)))
        self.part = [reach * cp.Variable(shape, bounds=[0, 1 / reach]) for _ in terms.traffic]
        self.budgets = [cp.Variable((self.campaigns, self.channels), nonneg=True) for _ in terms.traffic]
        cell = bins.scenario * self.channels + self.channel[bins.segment]
        self._spent_in = sp.csr_array((self.money, (np.arange(shape[1]), cell)), (shape[1], self._cells))
        self._happens = sp.csr_array(
            (np.ones(shape[1]), (np.arange(shape[1]), bins.scenario)), (shape[1], bins.scenarios)
        )
        self.shared, self.within, self.utility = self._days()
        self.rows = self._rows()

    @property
    def _cells(self) -> int:
        return self.bins.scenarios * self.channels

    def _days(self) -> tuple[list[cp.Constraint], list[cp.Constraint], cp.Expression]:
        """A bin goes to one campaign at most; a scenario spends within the budgets; its utility (Z,)."""
        every = sp.csr_array(np.tile(np.eye(self.channels), (1, self.bins.scenarios)))
        shared, within, utility = [], [], 0
        for part, budgets, traffic in zip(self.part, self.budgets, self.terms.traffic, strict=True):
            if self.campaigns > 1:
                shared.append(cp.sum(part, axis=0) <= 1)
            within.append(traffic * (part @ self._spent_in) <= budgets @ every)
            utility = utility + traffic * (cp.sum(cp.multiply(part, self.worth), axis=0) @ self._happens)
        return shared, within, utility

    def _rows(self) -> list[Row]:
        terms, unit = self.terms, self.terms.unit
        total = sum(self.budgets[1:], self.budgets[0])
        rows = [Row("budget", 1.0, cp.sum(total), terms.left / unit)]
        if len(terms.traffic) > 1:
            level = cp.sum(self.budgets[0]) * terms.days_per_today
            rows.append(Row("reserve", 1.0, level, (terms.left - terms.held) / unit))
        for name, cap, h in zip(channels(terms.segments), terms.caps, range(self.channels), strict=True):
            if np.isfinite(cap):
                rows.append(Row(f"cap/{name}", 1.0, cp.sum(total[:, h]), cap / unit))
        chance = 1.0 / self.bins.scenarios
        for c, name in enumerate(terms.names):
            if np.isfinite(terms.most[c]):
                rows.append(Row(f"{name}/most_budget", 1.0, cp.sum(total[c]), terms.most[c] / unit))
            if terms.least[c] > 0:
                rows.append(
                    Row(f"{name}/least_budget", -1.0, chance * self._total(c, self.money), terms.least[c] / unit)
                )
            if terms.tail[c] > 0:
                over = (self._tail - terms.tail[c]) * self.bins.count * (chance / self.wins_per_unit)
                rows.append(Row(f"{name}/min_tail_share", -1.0, self._total(c, over), 0.0))
        return rows

    def _total(self, campaign: int, weight: Vector) -> cp.Expression:
        return sum(k * (part[campaign] @ weight) for k, part in zip(self.terms.traffic, self.part, strict=True))

    def solve(self) -> Solved:
        """Maximise the mean, or `(1 - w) mean + w CVaR`; by Clarabel where HiGHS fails numerically.

        Raises:
            SolverUnavailable, SolverFailed.
        """
        start = time.perf_counter()
        goal, self.extra = self._goal()
        for row in self.rows:
            row.size = float(near_power([abs(row.bound)])[0])
            row.constraint = row.excess <= 0
        limits = [row.constraint for row in self.rows]
        self.problem = cp.Problem(cp.Maximize(goal), [*self.shared, *self.within, *self.extra, *limits])
        status, solver, fallback = _solve(self.problem)
        return Solved(status, solver, fallback, time.perf_counter() - start)

    def _goal(self) -> tuple[cp.Expression, list[cp.Constraint]]:
        """The objective and its constraint: shortfalls below the value at risk."""
        risk, count = self.terms.risk, self.bins.scenarios
        mean = cp.sum(self.utility) / count
        if risk is None or risk.cvar_weight == 0:
            return mean, []
        at_risk, short = cp.Variable(), cp.Variable(count, nonneg=True)
        cvar = at_risk - cp.sum(short) / ((1.0 - risk.cvar_level) * count)
        return risk.mean_weight * mean + risk.cvar_weight * cvar, [at_risk - self.utility <= short]

    # --- what the optimum says ----------------------------------------------------------------

    def parts(self) -> Vector:
        """(K, C, N) parts of bins bought, summing to at most 1 over campaigns."""
        part = np.clip(np.stack([part.value for part in self.part]), 0.0, 1.0)
        part[part <= NOISE * part.max(initial=0.0)] = 0.0
        bought: Vector = part / np.maximum(part.sum(axis=1, keepdims=True), 1.0)
        return bought

    def price(self, name: str) -> float:
        """Multiplier of a constraint by name, utility per its scaled unit; 0 where there is none."""
        return next((row.price for row in self.rows if row.name == name), 0.0)

    def margin(self) -> Margin:
        """What money and exposures cost each campaign today, at the optimum's multipliers."""
        terms = self.terms
        money = self.price("budget") + self.price("reserve") * terms.days_per_today
        caps = np.array([self.price(f"cap/{name}") for name in channels(terms.segments)])
        own = np.array([self.price(f"{n}/most_budget") - self.price(f"{n}/least_budget") for n in terms.names])
        tail = np.array([self.price(f"{n}/min_tail_share") for n in terms.names]) / self.wins_per_unit
        least = _LEAST_COST * max(self.problem.value, 1e-12)
        cost = np.maximum(money + caps[self.channel] + own[:, None], least) / terms.unit
        share = tail[:, None] * (is_tail(terms.segments) - terms.tail[:, None])
        return Margin(terms.gain, share, cost)

    def bound(self) -> float:
        """What no plan on these bins exceeds, certified by the multipliers (weak duality)."""
        terms, bins = self.terms, self.bins
        chance = self._scenario_weights()
        tail = np.array([self.price(f"{n}/min_tail_share") for n in terms.names])
        least = np.array([self.price(f"{n}/least_budget") for n in terms.names])
        mean = 1.0 / bins.scenarios
        plain = self.worth * chance[bins.scenario]
        plain += mean * tail[:, None] * (self._tail - terms.tail[:, None]) * bins.count / self.wins_per_unit
        plain += mean * least[:, None] * self.money
        first = self.price("budget") + np.array([self.price(f"cap/{n}") for n in channels(terms.segments)])
        first = first + np.array([self.price(f"{n}/most_budget") for n in terms.names])[:, None]  # (C, H)
        cell = bins.scenario * self.channels + self.channel[bins.segment]
        total = sum(row.sign * row.price * row.bound for row in self.rows)
        ample = float(self.money.sum() * terms.traffic.sum()) * terms.unit  # budgets beyond it buy nothing
        for k, (traffic, within) in enumerate(zip(terms.traffic, self.within, strict=True)):
            spend = np.maximum(within.dual_value, 0.0)  # (C, Z H)
            best = (plain - spend[:, cell] * self.money).max(axis=0)
            total += traffic * float(np.maximum(best, 0.0).sum())
            charged = first + (self.price("reserve") * terms.days_per_today if k == 0 else 0.0)
            free = spend.reshape(self.campaigns, bins.scenarios, self.channels).sum(axis=1) - charged
            total += max(float(free.max()), 0.0) * min(terms.left, ample) / terms.unit
        return float(total)

    def _scenario_weights(self) -> Vector:
        """(Z,) what a unit of utility counts in each scenario."""
        risk, count = self.terms.risk, self.bins.scenarios
        if not self.extra or risk is None:
            return np.full(count, 1.0 / count)
        cap = risk.cvar_weight / ((1.0 - risk.cvar_level) * count)
        tail = np.clip(self.extra[0].dual_value, 0.0, cap)
        weights: Vector = risk.mean_weight / count + tail * (risk.cvar_weight / tail.sum())
        return weights

    # --- why there is no optimum --------------------------------------------------------------

    def conflicts(self) -> list[tuple[Row, float | None]]:
        """The constraints that conflict, and the nearest bound of each that mends it alone; None where none does."""
        slack = cp.Variable(len(self.rows), nonneg=True)
        eased = [row.excess <= slack[i] for i, row in enumerate(self.rows)]
        fixed = [*self.shared, *self.within]
        _solve(cp.Problem(cp.Minimize(cp.sum(slack)), [*fixed, *eased]))
        prices = np.array([max(float(limit.dual_value), 0.0) for limit in eased])
        found: list[tuple[Row, float | None]] = []
        for i in np.flatnonzero(prices > _TAKES_PART * prices.max()):
            others = [slack[j] == 0 for j in range(len(self.rows)) if j != i]
            status = _solve(cp.Problem(cp.Minimize(slack[i]), [*fixed, *eased, *others]))[0]
            row = self.rows[i]
            found.append((row, self.attained(row) if status == cp.OPTIMAL else None))
        return found

    def attained(self, row: Row) -> float:
        """What the last solve takes of a constraint: currency, or the tail share of won exposures."""
        campaign, _, kind = row.name.rpartition("/")
        if kind != "min_tail_share":
            return float(row.total.value) * self.terms.unit
        parts = self.parts()[:, self.terms.names.index(campaign)]
        wins = self.terms.traffic @ parts * self.bins.count
        return float(wins @ self._tail / wins.sum()) if wins.sum() > 0 else 0.0


@dataclass(frozen=True)
class Solved:
    """How the program was solved."""

    status: str  # optimal or infeasible
    solver: str
    fallback: str | None  # why HiGHS did not do it
    seconds: float


def _solve(problem: cp.Problem) -> tuple[str, str, str | None]:
    """Status, solver, and why the usual one failed."""
    try:
        return attempt(problem, LINEAR), LINEAR, None
    except SolverFailed as failure:
        _LOG.warning("%s; falling back", failure)
        try:
            return attempt(problem, CONIC), CONIC, str(failure)
        except SolverFailed as second:
            raise SolverFailed(f"{failure}, then {second}. Scale budgets nearer to what the market offers.") from second

"""Allocate a campaign's budget under a forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign, CampaignBatch
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.constraints.rows import Scaled, limits, scaled_day
from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.landscape.binned import BinnedDay, bin_auctions, forecast_auctions
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.directions import relevant_kpis, solve_campaign
from bidpilot.bidding.plan.dual import DualRule, Multipliers, dual_bound, rule_of
from bidpilot.bidding.plan.planner import Planner
from bidpilot.solvers.allocation.constraints import Attained, Constraint, Terms
from bidpilot.solvers.allocation.infeasible import elastic_prices, explain
from bidpilot.solvers.allocation.program import AllocationProgram, Shape, Solved, solve
from bidpilot.solvers.allocation.result import Allocation, ConstraintDual

Vector = NDArray[np.float64]

_CONFLICT_ROUNDS = 2


@dataclass(frozen=True)
class PlanProblem:
    """One campaign on the day that was binned for it."""

    day: BinnedDay
    scaled: Scaled
    terms: Terms
    shape: Shape
    conflict: bool  # the dual has certified that nothing is feasible


def allocate(forecast: Forecast, campaign: Campaign, solver: str | None = None) -> Allocation:
    """The best expected plan of `campaign` under `forecast`.

    `solver` names another solver than the usual one.

    Raises:
        InfeasibleCampaign: no plan keeps all constraints; names those that conflict, and what would mend it.
        ZeroIdealPoint, UnknownChannel, SolverUnavailable, SolverFailed.
    """
    problem = plan_problem(forecast, campaign)
    if problem.conflict:
        problem = _looked_at_closely(forecast, problem)
    program, solved = solve(problem.shape, problem.scaled, problem.terms, solver)
    if solved.status != "optimal":
        raise explain(problem.shape, problem.scaled, problem.terms)
    return _result(problem, program, solved)


def plan_problem(forecast: Forecast, campaign: Campaign) -> PlanProblem:
    """Bin the forecast's day where this campaign's margin lies, and state its constraints."""
    campaigns = CampaignBatch.repeat(campaign, 1)
    free = Campaign(
        budget=campaign.budget,
        conversion_value=campaign.conversion_value,
        preference=campaign.preference,
        auction=campaign.auction,
    )
    plan, _ = Planner(forecast).plan(CampaignBatch.repeat(free, 1))
    money = np.array([1.0, 1.0, campaign.conversion_value])
    ideal, alpha = plan.ideal[0] * money, plan.alpha[0] / money
    auctions = forecast_auctions(forecast)
    conflict = False
    try:
        day = solve_campaign(forecast, auctions, campaigns, 0, ideal, alpha).day
    except InfeasibleCampaign:  # an elastic program will say by how much; any bins near the free plan do
        conflict = True
        count = len(forecast.segments)
        day = bin_auctions(forecast, auctions, alpha, np.ones(count), np.zeros(count), relevant_kpis(campaigns, 0))
    size = campaign.budget / day.market
    rows = limits(campaigns, 0, forecast.segments, ideal, size)
    terms = Terms(campaigns, 0, ideal, {limit.name: limit for limit in rows}, size)
    shape = Shape(
        demand=tuple(forecast.auctions.tolist()),
        curve=tuple(forecast.price_curve.tolist()),
        bins=len(day.price),
        segments=forecast.segments,
        kind=campaign.scalarisation.code,
        active=tuple(int(j) for j in np.flatnonzero(campaigns.preference[0] > 0)),
        limits=tuple(terms.limits),
    )
    return PlanProblem(day, scaled_day(day, campaign.budget, ideal), terms, shape, conflict)


def _looked_at_closely(forecast: Forecast, problem: PlanProblem) -> PlanProblem:
    """The same campaign on bins that are finest where its conflict is decided, if there is one.

    Raises:
        InfeasibleCampaign: there is.
    """
    for _ in range(_CONFLICT_ROUNDS):
        terms = problem.terms
        prices = elastic_prices(problem.shape, problem.scaled, terms)
        if not (prices > 0).any():
            return replace(problem, conflict=False)
        rule = rule_of(Multipliers(np.zeros(3), prices, 0.0), tuple(terms.limits.values()))
        alpha, multiplier, beta = _in_currency(rule, terms, problem.day.demand)
        relevant = relevant_kpis(terms.campaigns, terms.row)
        day = bin_auctions(forecast, forecast_auctions(forecast), alpha, multiplier, beta, relevant)
        problem = replace(problem, day=day, scaled=scaled_day(day, terms.budget, terms.ideal))
    raise explain(problem.shape, problem.scaled, problem.terms)


def _in_currency(rule: DualRule, terms: Terms, demand: float) -> tuple[Vector, Vector, Vector]:
    """Alpha (3,) for conversions in money, multipliers (S,), and beta (S,) of a rule in `Limit`'s units."""
    alpha = rule.scale * rule.gain * terms.budget / np.where(terms.ideal > 0, terms.ideal, 1.0)
    return alpha, rule.multiplier, rule.scale * rule.multiplier * rule.share * (terms.budget / demand)


def _result(problem: PlanProblem, program: AllocationProgram, solved: Solved) -> Allocation:
    terms, scaled, day = problem.terms, problem.scaled, problem.day
    budget, worth = terms.budget, float(terms.campaigns.conversion_value[terms.row])
    money = np.array([1.0, 1.0, worth])
    bought = program.purchase.bought(scaled)  # (T, N)
    segments = np.eye(len(day.segments))[day.segment]  # (N, S)
    spend = (bought * np.multiply.outer(scaled.curve, scaled.price)) @ segments
    wins = bought @ segments
    at = Attained(spend.sum(axis=0), bought.sum(axis=0) @ scaled.value, wins.sum(axis=0), day.demand)
    preference, kind = terms.campaigns.preference[terms.row], problem.shape.kind
    attained = float(utility(at.kpi[None], np.ones((1, 3)), preference[None], np.array([kind]))[0])
    per = program.objective.scale(attained)
    multipliers = Multipliers(
        kpi=program.objective.marginal(at.kpi, attained),
        limit=per * np.array([max(float(limit.dual_value), 0.0) for limit in program.limits]),
        utility=attained,
    )
    rows = tuple(terms.limits.values())
    rule = rule_of(multipliers, rows)
    bound = dual_bound(scaled, rows, preference, kind, multipliers)
    shadow = float(multipliers.limit[0]) / budget
    alpha, multiplier, beta = _in_currency(rule, terms, day.demand)
    return Allocation(
        status=solved.status,
        utility=attained,
        kpi=at.kpi * terms.ideal / money,
        ideal=terms.ideal / money,
        spend=spend * budget,
        wins=wins * day.demand,
        segments=day.segments,
        alpha=alpha * money,
        multiplier=multiplier,
        beta=beta,
        shadow_price=shadow,
        duals=tuple(
            _dual(c, float(p), terms, at, shadow) for c, p in zip(program.constraints, multipliers.limit, strict=True)
        ),
        limit_duals={limit.name: float(p) for limit, p in zip(rows, multipliers.limit, strict=True)},
        gap=max(bound - attained, 0.0) / attained if attained > 0 else 0.0,
        solver=solved.solver,
        fallback=solved.fallback,
        seconds=solved.seconds,
    )


def _dual(constraint: Constraint, price: float, terms: Terms, at: Attained, shadow: float) -> ConstraintDual:
    rate = price * constraint.per_unit(terms, at)
    money = rate / shadow if shadow > 1e-12 else None
    return ConstraintDual(
        name=constraint.name,
        bound=constraint.bound(terms),
        attained=constraint.attained(terms, at),
        utility_per_unit=rate,
        money_per_unit=money,
        meaning=_meaning(constraint.name, price, rate, money),
    )


def _meaning(name: str, price: float, rate: float, money: float | None) -> str:
    if price <= 1e-9:
        return "does not bind: a change is worth nothing"
    if name == "budget":
        return f"one more unit of budget is worth {rate:.4g} utility"
    verb = "gains" if rate > 0 else "costs"
    amount = f"{abs(rate):.4g} utility" if money is None else f"as much as {abs(money):.4g} of budget"
    return f"one unit more of it {verb} {amount}"

"""Allocate a campaign's budget under a forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.constraints.base import Terms
from bidpilot.bidding.constraints.row import Row, Scaled, scaled_day
from bidpilot.bidding.constraints.together import constraint_of, demanded_kpis, rows_of
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.landscape.binned import BinnedDay, bin_auctions, forecast_auctions
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.directions import relevant_kpis, solve_campaign
from bidpilot.bidding.plan.dual import DualRule, Multipliers, dual_bound, rule_of
from bidpilot.bidding.plan.planner import Planner
from bidpilot.solvers.allocation.infeasible import elastic_prices, explain
from bidpilot.solvers.allocation.program import AllocationProgram, Shape, Solved, solve
from bidpilot.solvers.allocation.result import Allocation, ConstraintDual
from bidpilot.solvers.allocation.rows import shapes

Vector = NDArray[np.float64]

_CONFLICT_ROUNDS = 2


@dataclass(frozen=True)
class PlanProblem:
    """One campaign on the day that was binned for it."""

    day: BinnedDay
    scaled: Scaled
    terms: Terms
    rows: tuple[Row, ...]
    preference: Vector  # (3,)
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
    program, solved = solve(problem.shape, problem.scaled, problem.rows, problem.preference, solver)
    if solved.status != "optimal":
        raise explain(problem.shape, problem.scaled, problem.rows, problem.terms)
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
    unit = forecast.kpi_unit(campaign.conversion_value)
    ideal, alpha = plan.ideal[0] * unit, plan.alpha[0] / unit
    auctions = forecast_auctions(forecast)
    conflict = False
    try:
        day = solve_campaign(forecast, auctions, campaigns, 0, ideal, alpha).day
    except InfeasibleCampaign:  # an elastic program will say by how much; any bins near the free plan do
        conflict = True
        count = len(forecast.segments)
        day = bin_auctions(forecast, auctions, alpha, np.ones(count), np.zeros(count), relevant_kpis(campaigns, 0))
    terms = campaigns.terms(0, forecast.segments, ideal, unit, campaign.budget / day.market)
    rows = rows_of(terms)
    shape = Shape(
        demand=tuple(forecast.auctions.tolist()),
        curve=tuple(forecast.price_curve.tolist()),
        bins=len(day.price),
        segments=forecast.segments,
        kind=campaign.scalarisation.code,
        active=tuple(int(j) for j in np.flatnonzero(campaigns.preference[0] > 0)),
        rows=shapes(rows),
    )
    scaled = scaled_day(day, campaign.budget, ideal)
    return PlanProblem(day, scaled, terms, rows, campaigns.preference[0], shape, conflict)


def _looked_at_closely(forecast: Forecast, problem: PlanProblem) -> PlanProblem:
    """The same campaign on bins that are finest where its conflict is decided, if there is one.

    Raises:
        InfeasibleCampaign: there is.
    """
    for _ in range(_CONFLICT_ROUNDS):
        terms = problem.terms
        prices = elastic_prices(problem.shape, problem.scaled, problem.rows)
        if not (prices > 0).any():
            return replace(problem, conflict=False)
        rule = rule_of(Multipliers(np.zeros(3), prices, 0.0), problem.rows)
        alpha, multiplier, beta = _in_currency(rule, terms, problem.day.demand)
        relevant = (problem.preference > 0) | demanded_kpis(terms.bounds)
        day = bin_auctions(forecast, forecast_auctions(forecast), alpha, multiplier, beta, relevant)
        problem = replace(problem, day=day, scaled=scaled_day(day, terms.budget, terms.ideal))
    raise explain(problem.shape, problem.scaled, problem.rows, problem.terms)


def _in_currency(rule: DualRule, terms: Terms, demand: float) -> tuple[Vector, Vector, Vector]:
    """Alpha (3,) for the forecast's columns, multipliers (S,), and beta (S,) of a rule in the rows' units."""
    alpha = rule.scale * rule.gain * terms.budget / np.where(terms.ideal > 0, terms.ideal, 1.0)
    return alpha, rule.multiplier, rule.scale * rule.multiplier * rule.share * (terms.budget / demand)


def _result(problem: PlanProblem, program: AllocationProgram, solved: Solved) -> Allocation:
    terms, scaled, day = problem.terms, problem.scaled, problem.day
    bought = program.purchase.bought(scaled)  # (T, N)
    segments = np.eye(len(day.segments))[day.segment]  # (N, S)
    spend = (bought * np.multiply.outer(scaled.curve, scaled.price)) @ segments
    wins = bought @ segments
    kpi = bought.sum(axis=0) @ scaled.value
    kind = problem.shape.kind
    attained = float(utility(kpi[None], np.ones((1, 3)), problem.preference[None], np.array([kind]))[0])
    per = program.objective.scale(attained)
    multipliers = Multipliers(
        kpi=program.objective.marginal(kpi, attained),
        rows=per * np.array(list(program.prices().values())),
        utility=attained,
    )
    rule = rule_of(multipliers, problem.rows)
    bound = dual_bound(scaled, problem.rows, problem.preference, kind, multipliers)
    alpha, multiplier, beta = _in_currency(rule, terms, day.demand)
    return Allocation(
        status=solved.status,
        utility=attained,
        kpi=kpi * terms.ideal / terms.unit,
        ideal=terms.ideal / terms.unit,
        spend=spend * terms.budget,
        wins=wins * day.demand,
        segments=day.segments,
        alpha=alpha * terms.unit,
        multiplier=multiplier,
        beta=beta,
        shadow_price=float(multipliers.rows[0]) / terms.budget,
        duals=_duals(problem, multipliers.rows, bought, spend, kpi, wins),
        row_duals={row.name: float(p) for row, p in zip(problem.rows, multipliers.rows, strict=True)},
        gap=max(bound - attained, 0.0) / attained if attained > 0 else 0.0,
        solver=solved.solver,
        fallback=solved.fallback,
        seconds=solved.seconds,
    )


def _duals(
    problem: PlanProblem, prices: Vector, bought: Vector, spend: Vector, kpi: Vector, wins: Vector
) -> tuple[ConstraintDual, ...]:
    """What each row costs, per unit of its constraint's own bound, at spend and wins (T, S) and KPIs (3,)."""
    terms, scaled = problem.terms, problem.scaled
    shadow = float(prices[0]) / terms.budget
    found = []
    for row, price in zip(problem.rows, prices, strict=True):
        counts = np.ones(len(spend)) if row.slots is None else row.slots
        paid, won = counts @ spend, counts @ wins
        reached = kpi if row.slots is None else (counts @ bought) @ scaled.value
        totals = DayTotals.by_segment(
            terms.segments,
            paid[None] * terms.budget,
            (reached * terms.ideal / terms.unit)[None],
            won[None] * problem.day.demand,
            np.array([terms.conversion_value]),
        )
        constraint, of = constraint_of(row.name), row.name.partition("/")[2]
        rate = float(price) * constraint.per_unit(row.name, terms, paid, reached, won)
        worth = rate / shadow if shadow > 1e-12 else None
        found.append(
            ConstraintDual(
                name=row.name,
                bound=constraint.bound(row.name, terms),
                attained=float(constraint.attained(of, totals)[0]),
                utility_per_unit=rate,
                money_per_unit=worth,
                meaning=_meaning(row.name, float(price), rate, worth),
            )
        )
    return tuple(found)


def _meaning(name: str, price: float, rate: float, money: float | None) -> str:
    if price <= 1e-9:
        return "does not bind: a change is worth nothing"
    if name == "budget":
        return f"one more unit of budget is worth {rate:.4g} utility"
    verb = "gains" if rate > 0 else "costs"
    amount = f"{abs(rate):.4g} utility" if money is None else f"as much as {abs(money):.4g} of budget"
    return f"one unit more of it {verb} {amount}"

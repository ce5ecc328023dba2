"""Allocate a campaign's budget under a forecast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.constraints.base import Constraint, Terms
from bidpilot.bidding.constraints.row import scaled_day
from bidpilot.bidding.constraints.together import constraint_of, demanded_kpis, rows_of
from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.landscape.binned import bin_auctions
from bidpilot.bidding.landscape.first_price import auctions_of
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.directions import relevant_kpis, solve_campaign
from bidpilot.bidding.plan.dual import DualRule, Multipliers, dual_bound, rule_of
from bidpilot.bidding.plan.planner import Planner
from bidpilot.solvers.allocation.held import solve_kept, taken_of, totals_of
from bidpilot.solvers.allocation.infeasible import elastic_prices, explain
from bidpilot.solvers.allocation.nothing import why_nothing
from bidpilot.solvers.allocation.problem import PlanProblem
from bidpilot.solvers.allocation.program import AllocationProgram, Shape, Solved
from bidpilot.solvers.allocation.result import DOES_NOT_BIND, WORTHLESS, Allocation, ConstraintDual, in_words
from bidpilot.solvers.allocation.rows import shapes

Vector = NDArray[np.float64]

_CONFLICT_ROUNDS = 2


def allocate(forecast: Forecast, campaign: Campaign, solver: str | None = None) -> Allocation:
    """The best expected plan of `campaign` under `forecast`, held against its constraints in their own units.

    `solver` names another solver than the usual one. Under first price what is bought pays the rule's shaded bids.

    Raises:
        InfeasibleCampaign: no plan keeps all constraints; names those that conflict, and what would mend it.
        PlanMissesConstraint: what the solver calls optimal does not keep them.
        ZeroIdealPoint, UnknownChannel, NoTailContent, SolverUnavailable, SolverFailed.
    """
    problem = plan_problem(forecast, campaign)
    if problem.conflict:
        problem = _looked_at_closely(forecast, problem)
    program, solved, bought = solve_kept(problem, problem.shape, problem.rows, solver)
    if solved.status != "optimal":
        raise explain(problem.shape, problem.scaled, problem.rows, problem.terms)
    return _result(problem, program, solved, bought)


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
    kpi_unit = forecast.kpi_unit(campaign.conversion_value)
    ideal, alpha = plan.ideal[0] * kpi_unit, plan.alpha[0] / kpi_unit
    auctions = auctions_of(forecast, bool(campaigns.first_price[0]))
    conflict = False
    try:
        day = solve_campaign(forecast, auctions, campaigns, 0, ideal, alpha).day
    except InfeasibleCampaign:  # an elastic program will say by how much; any bins near the free plan do
        conflict = True
        count = len(forecast.segments)
        day = bin_auctions(forecast, auctions, alpha, np.ones(count), np.zeros(count), relevant_kpis(campaigns, 0))
    terms = campaigns.terms(0, forecast.segments, ideal, kpi_unit, campaign.budget / day.market)
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
    scaled = scaled_day(day, terms.unit, ideal)
    return PlanProblem(auctions, day, scaled, terms, rows, campaigns.preference[0], shape, conflict)


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
        rule = rule_of(Multipliers(np.zeros(3), prices, 0.0), problem.rows, problem.day.charge)
        alpha, multiplier, beta = _in_currency(rule, terms, problem.day.demand)
        relevant = (problem.preference > 0) | demanded_kpis(terms.bounds)
        day = bin_auctions(forecast, problem.auctions, alpha, multiplier, beta, relevant)
        problem = replace(problem, day=day, scaled=scaled_day(day, terms.unit, terms.ideal))
    raise explain(problem.shape, problem.scaled, problem.rows, problem.terms)


def _in_currency(rule: DualRule, terms: Terms, demand: float) -> tuple[Vector, Vector, Vector]:
    """Alpha (3,) for the forecast's columns, multipliers (S,), and beta (S,) of a rule in the rows' units."""
    alpha = rule.scale * rule.gain * terms.unit / np.where(terms.ideal > 0, terms.ideal, 1.0)
    return alpha, rule.multiplier, rule.scale * rule.multiplier * rule.share * (terms.unit / demand)


def _bids(problem: PlanProblem, found: Multipliers) -> tuple[Vector, Vector, Vector]:
    """Alpha (3,) for the forecast's columns, multipliers (S,), beta (S,); a plan that buys nothing bids nothing."""
    if found.utility <= 0:
        count = len(problem.day.segments)
        return np.zeros(3), np.ones(count), np.zeros(count)
    return _in_currency(rule_of(found, problem.rows, problem.day.charge), problem.terms, problem.day.demand)


def _result(problem: PlanProblem, program: AllocationProgram, solved: Solved, bought: Vector) -> Allocation:
    terms, scaled, day = problem.terms, problem.scaled, problem.day
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
    bound = dual_bound(scaled, problem.rows, problem.preference, kind, multipliers) if attained > 0 else 0.0
    alpha, multiplier, beta = _bids(problem, multipliers)
    return Allocation(
        status=solved.status,
        utility=attained,
        kpi=kpi * terms.ideal / terms.kpi_unit,
        ideal=terms.ideal / terms.kpi_unit,
        spend=spend * terms.unit,
        wins=wins * day.demand,
        segments=day.segments,
        alpha=alpha * terms.kpi_unit,
        multiplier=multiplier,
        beta=beta,
        shadow_price=float(multipliers.rows[0]) / terms.unit,
        duals=_duals(problem, multipliers.rows, bought),
        row_duals={row.name: float(p) for row, p in zip(problem.rows, multipliers.rows, strict=True)},
        gap=max(bound - attained, 0.0) / attained if attained > 0 else 0.0,
        solver=solved.solver,
        fallback=solved.fallback,
        nothing=None if attained > 0 else why_nothing(problem, problem.preference),
        seconds=solved.seconds,
    )


def _duals(problem: PlanProblem, prices: Vector, bought: Vector) -> tuple[ConstraintDual, ...]:
    """What each row costs, per unit of its constraint's own bound, where shares (T, N) of the auctions are bought."""
    terms = problem.terms
    shadow = float(prices[0]) / terms.unit
    found = []
    for row, price in zip(problem.rows, prices, strict=True):
        constraint, of = constraint_of(row.name), row.name.partition("/")[2]
        taken = taken_of(problem, row, bought)
        rate = float(price) * constraint.per_unit(row.name, terms, *taken)
        worth = rate / shadow if prices[0] > WORTHLESS else None
        found.append(
            ConstraintDual(
                name=row.name,
                bound=constraint.bound(row.name, terms),
                attained=float(constraint.attained(of, totals_of(problem, taken))[0]),
                utility_per_unit=rate,
                money_per_unit=worth,
                meaning=_meaning(constraint, row.name, rate, worth) if price > WORTHLESS else DOES_NOT_BIND,
                step=constraint.step,
                step_name=constraint.step_name,
            )
        )
    return tuple(found)


def _meaning(constraint: Constraint, name: str, rate: float, worth: float | None) -> str:
    if name == "budget":
        return f"one more unit of budget is worth {rate:.4g} utility"
    money = None if worth is None else worth * constraint.step
    return in_words(rate * constraint.step, money, f"one {constraint.step_name} more of it")

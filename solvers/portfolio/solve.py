"""Solve a portfolio, and solve it again each day with the money left."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.segments import channels, check_channels, check_tail, is_tail
from bidpilot.bidding.constraints.min_tail_share import MinTailShare
from bidpilot.bidding.errors import Conflict, InfeasiblePortfolio, InvalidPortfolio
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.solvers.allocation.result import DOES_NOT_BIND, WORTHLESS, ConstraintDual, in_words
from bidpilot.solvers.kept import Side, check_kept
from bidpilot.solvers.portfolio.assign import bid_rule, met
from bidpilot.solvers.portfolio.bins import Margin, bin_days, expected_day, scenario_days
from bidpilot.solvers.portfolio.config import Portfolio
from bidpilot.solvers.portfolio.plan import PortfolioPlan
from bidpilot.solvers.portfolio.program import PortfolioProgram, Row, Solved, Terms
from bidpilot.solvers.portfolio.reserve import reserve_left

Vector = NDArray[np.float64]

_ROUNDS = 3  # bins are finest at the margin, and the margin found is where they are made next
_SPENT_SLACK = 1e-9  # relative; rounding of a day's spend


class _Start(NamedTuple):
    unit: Vector  # (3,) what one of each KPI is in the forecast's columns
    ideal: Vector  # (3,) of the horizon, own units
    margin: Margin


def solve_portfolio(forecast: Forecast, portfolio: Portfolio) -> PortfolioPlan:
    """The best plan of the whole horizon under `forecast`.

    Raises:
        InfeasiblePortfolio: no plan keeps all constraints; names those that conflict, and what would mend it.
        PlanMissesConstraint: what the solver calls optimal does not keep them.
        UnknownChannel, NoTailContent, ZeroIdealPoint, SolverUnavailable, SolverFailed.
    """
    none = np.zeros((len(portfolio.campaigns), len(channels(forecast.segments))))
    return roll(forecast, portfolio, none, 0)


def roll(
    forecast: Forecast, portfolio: Portfolio, spent: NDArray[np.float64], day: int, release: bool = False
) -> PortfolioPlan:
    """The best plan of the days left, `day` days being over.

    Args:
        forecast: of a day at traffic 1.
        portfolio: as at the start of the horizon.
        spent: currency per campaign and channel so far, (C, H).
        day: days that are over, 0 .. days - 1.
        release: hold no reserve any more.

    Raises:
        InvalidPortfolio: `spent` or `day` does not fit the portfolio.
        InfeasiblePortfolio, PlanMissesConstraint, UnknownChannel, NoTailContent, ZeroIdealPoint, SolverUnavailable,
        SolverFailed.
    """
    begin = time.perf_counter()
    check_channels(portfolio.channel_caps, forecast.segments)
    if any(portfolio.amounts("min_tail_share", 0.0)):
        check_tail(forecast.segments)
    _check_spent(forecast, portfolio, spent, day)
    start = _start(forecast, portfolio)
    reserve = reserve_left(portfolio, float(spent.sum()), day, release)
    terms = _terms(forecast, portfolio, spent, day, start, float(reserve[0]))
    expected, margin = (expected_day(forecast),), start.margin
    free = replace(terms, risk=None)
    for _ in range(_ROUNDS):
        program, solved = _solve(PortfolioProgram(bin_days(expected, margin), free))
        margin = program.margin()
    if terms.risk is not None:
        program, solved = _solve(PortfolioProgram(bin_days(scenario_days(forecast), margin), terms))
    plan = _plan(forecast, portfolio, day, start, reserve, program, solved)
    return replace(plan, seconds=time.perf_counter() - begin)


def horizon_ideal(forecast: Forecast, portfolio: Portfolio) -> Vector:
    """The most of each KPI (3,), own units, that the whole budget could buy over the horizon, alone.

    Raises:
        InvalidPortfolio, ZeroIdealPoint: the forecast does not serve these campaigns.
    """
    return _start(forecast, portfolio).ideal


def _solve(program: PortfolioProgram) -> tuple[PortfolioProgram, Solved]:
    solved = program.solve()
    if solved.status == "optimal":
        return program, solved
    found = program.conflicts()
    conflicts = tuple(Conflict(row.name, _bound(program.terms, row), needed) for row, needed in found)
    mends = "; or ".join(
        f"change {c.name} from {c.bound:.4g} to {c.needed:.4g}"
        if c.needed is not None
        else f"{c.name} (now {c.bound:.4g}) cannot mend it alone"
        for c in conflicts
    )
    names = " and ".join(c.name for c in conflicts)
    raise InfeasiblePortfolio(f"no plan keeps {names} together under the forecast: {mends}.", conflicts)


def _bound(terms: Terms, row: Row) -> float:
    """A constraint's bound for the days left: currency, or a share."""
    campaign, _, kind = row.name.rpartition("/")
    if kind == "min_tail_share":
        return float(terms.tail[terms.names.index(campaign)])
    return float(row.bound) * terms.unit


def _check_spent(forecast: Forecast, portfolio: Portfolio, spent: Vector, day: int) -> None:
    shape = (len(portfolio.campaigns), len(channels(forecast.segments)))
    if not 0 <= day < portfolio.days:
        raise InvalidPortfolio(f"day is {day}; the horizon has days 0 .. {portfolio.days - 1}.")
    if spent.shape != shape or not np.isfinite(spent).all() or (spent < 0).any():
        raise InvalidPortfolio(f"spent must be finite and >= 0 of shape {shape} (campaigns, channels); got {spent}.")
    if spent.sum() > portfolio.budget * (1.0 + _SPENT_SLACK):
        raise InvalidPortfolio(f"{spent.sum():g} is spent of a budget of {portfolio.budget:g}. Raise the budget.")


def _start(forecast: Forecast, portfolio: Portfolio) -> _Start:
    """Ideal point of the horizon, and the margin of the campaign to which the whole budget is worth most."""
    days = float(portfolio.traffic.sum())
    own = portfolio.campaigns[0].conversion_value
    one = Campaign(budget=portfolio.budget / days, conversion_value=own)
    campaigns = CampaignBatch.repeat(one, len(portfolio.campaigns))
    preference = np.array([campaign.preference for campaign in portfolio.campaigns])
    plan, index = Planner(forecast).plan(replace(campaigns, preference=preference))
    unit, ideal = _unit(forecast, portfolio), plan.ideal[0] * days
    weight = np.array([campaign.weight for campaign in portfolio.campaigns])
    gain = weight[:, None] * preference / np.where(ideal > 0, ideal * unit, 1.0)
    main = preference.argmax(axis=1)
    row = np.arange(len(main))
    cost = float((gain[row, main] / (plan.alpha[index] / unit)[row, main]).max())
    shape = (len(main), len(forecast.segments))
    return _Start(unit, ideal, Margin(gain, np.zeros(shape), np.full(shape, cost)))


def _unit(forecast: Forecast, portfolio: Portfolio) -> Vector:
    """What one of each KPI is in the forecast's columns, (3,).

    Raises:
        InvalidPortfolio: the forecast is in money, and campaigns of different worth do not share its bins.
    """
    own = np.array([campaign.conversion_value for campaign in portfolio.campaigns])
    unit: Vector = np.unique(forecast.kpi_unit(own), axis=0)
    if len(unit) > 1:
        prices = ", ".join(f"{value:g}" for value in np.unique(own))
        raise InvalidPortfolio(
            f"the forecast holds conversions in money, and the campaigns price them at {prices}. Fit it with one "
            "value to hold conversions at, or give all campaigns one conversion_value."
        )
    return unit[0]  # type: ignore[no-any-return]


def _terms(forecast: Forecast, portfolio: Portfolio, spent: Vector, day: int, start: _Start, held: float) -> Terms:
    traffic = portfolio.traffic[day:]
    groups = [traffic.sum()] if held <= 0 else [traffic[0], traffic[1:].sum()]
    one = expected_day(forecast)
    market = float(one.count @ one.price) * float(portfolio.traffic.sum()) or portfolio.budget  # what all days cost
    caps = np.array([portfolio.cap(name) for name in channels(forecast.segments)])
    return Terms(
        names=portfolio.names,
        segments=forecast.segments,
        gain=start.margin.gain,
        least=np.maximum(portfolio.amounts("least_budget", 0.0) - spent.sum(axis=1), 0.0),
        most=np.maximum(portfolio.amounts("most_budget", np.inf) - spent.sum(axis=1), 0.0),
        tail=np.array(portfolio.amounts("min_tail_share", 0.0)),
        caps=np.maximum(caps - spent.sum(axis=0), 0.0),
        budget=portfolio.budget,
        left=max(portfolio.budget - float(spent.sum()), 0.0),
        held=held,
        traffic=np.array(groups),
        risk=portfolio.risk,
        unit=portfolio.budget * float(2.0 ** -max(0.0, np.ceil(np.log2(portfolio.budget / market)))),
    )


def _plan(
    forecast: Forecast,
    portfolio: Portfolio,
    day: int,
    start: _Start,
    reserve: Vector,
    program: PortfolioProgram,
    solved: Solved,
) -> PortfolioPlan:
    terms, bins = program.terms, program.bins
    parts = program.parts()
    bought = np.tensordot(terms.traffic, parts, 1) * bins.count  # (C, N) auctions of the days left
    worth = (terms.gain @ bins.value.T * bought).sum(axis=0)
    scenario: Vector = np.bincount(bins.scenario, worth, bins.scenarios).astype(np.float64)
    mean = float(scenario.mean())
    utility, cvar = mean, None
    if terms.risk is not None:
        cvar = worst_mean(scenario, terms.risk.cvar_level)
        utility = terms.risk.mean_weight * mean + terms.risk.cvar_weight * cvar
    today = parts[0] @ (bins.count * bins.price) / bins.scenarios  # (C,) currency at traffic 1
    margin = met(forecast, program.margin(), start.unit, today)
    shadow = program.price("budget") / terms.unit
    spend = _by_day(program, portfolio.traffic[day:])
    check_kept(_sides(program, spend, bought), solved.solver)
    return PortfolioPlan(
        campaigns=terms.names,
        channels=channels(terms.segments),
        segments=terms.segments,
        day=day,
        spend=spend,
        reserve=reserve,
        rule=bid_rule(forecast, margin, start.unit),
        kpi=bought @ bins.value / bins.scenarios / start.unit,
        wins=bought.sum(axis=1) / bins.scenarios,
        ideal=start.ideal,
        utility=utility,
        mean=mean,
        cvar=cvar,
        scenario_utility=scenario,
        shadow_price=shadow,
        duals=tuple(_dual(program, row, shadow, bought) for row in program.rows),
        gap=max(program.bound() - utility, 0.0) / utility if utility > 0 else 0.0,
        solver=solved.solver,
        fallback=solved.fallback,
        nothing=None if utility > 0 else _why_nothing(program),
        seconds=solved.seconds,
    )


def _by_day(program: PortfolioProgram, traffic: Vector) -> Vector:
    """(C, L, H) budgets, currency: groups of days shared out by traffic."""
    groups = [np.maximum(budgets.value, 0.0) * program.terms.unit for budgets in program.budgets]
    share = traffic / program.terms.traffic[-1]
    days = [groups[-1] * s for s in share]
    if len(groups) > 1:
        days[0] = groups[0]
    spend = np.stack(days, axis=1)
    excess = spend.sum() / program.terms.left if program.terms.left > 0 else np.inf
    return spend / max(excess, 1.0) if np.isfinite(excess) else np.zeros_like(spend)


def _sides(program: PortfolioProgram, spend: Vector, bought: Vector) -> list[Side]:
    """Every constraint in its own unit, at budgets (C, L, H), currency, and auctions bought (C, N)."""
    terms, bins = program.terms, program.bins
    paid, tail = bought * bins.price, is_tail(terms.segments)[bins.segment]
    a_day = np.bincount(bins.scenario, paid.sum(axis=0), bins.scenarios)
    sides = [Side("budget", max(float(spend.sum()), float(a_day.max())), terms.left)]
    if len(terms.traffic) > 1:
        level = float(spend[:, 0].sum()) * terms.days_per_today
        sides.append(Side("reserve", level, terms.left - terms.held))
    for h, name in enumerate(channels(terms.segments)):
        sides.append(Side(f"cap/{name}", float(spend[:, :, h].sum()), float(terms.caps[h])))
    for c, name in enumerate(terms.names):
        wins = float(bought[c].sum())
        sides.append(Side(f"{name}/most_budget", float(spend[c].sum()), float(terms.most[c])))
        sides.append(Side(f"{name}/least_budget", float(terms.least[c]), float(paid[c].sum()) / bins.scenarios))
        sides.append(Side(f"{name}/min_tail_share", float(terms.tail[c]) * wins, float(bought[c, tail].sum())))
    return sides


def _why_nothing(program: PortfolioProgram) -> str:
    if program.terms.left <= 0:
        return "nothing can be bought: the whole budget is spent"
    names = [row.name for row in program.rows if row.name != "budget"]
    return f"nothing can be bought under {' and '.join(names) or 'this forecast'}. Relax it"


def worst_mean(utility: Vector, level: float) -> float:
    """CVaR: the mean of the worst `1 - level` of equally probable utilities (Z,)."""
    mass = (1.0 - level) * len(utility)
    ordered = np.sort(utility)
    weight = np.clip(mass - np.arange(len(utility)), 0.0, 1.0)
    return float(ordered @ weight / mass)


def _dual(program: PortfolioProgram, row: Row, shadow: float, bought: Vector) -> ConstraintDual:
    campaign, _, kind = row.name.rpartition("/")
    terms = program.terms
    rate = row.sign * row.price / terms.unit
    bound = _bound(terms, row)
    if kind == "min_tail_share":
        wins = bought[terms.names.index(campaign)].sum() / program.bins.scenarios
        rate = -row.price * float(wins) / program.wins_per_unit
    share = kind == "min_tail_share"
    step, step_name = (MinTailShare.step, MinTailShare.step_name) if share else (1.0, "unit")
    money = rate / shadow if program.price("budget") > WORTHLESS else None
    return ConstraintDual(
        name=row.name,
        bound=bound,
        attained=program.attained(row),
        utility_per_unit=rate,
        money_per_unit=money,
        meaning=_meaning(row.name, kind, rate * step, None if money is None else money * step)
        if row.price > WORTHLESS
        else DOES_NOT_BIND,
        step=step,
        step_name=step_name,
    )


def _meaning(name: str, kind: str, rate: float, money: float | None) -> str:
    if name == "budget":
        return f"one more unit of the owner's budget is worth {rate:.4g} utility"
    what = {"reserve": "one unit less held back", "min_tail_share": f"one {MinTailShare.step_name} more"}
    return in_words(rate, money, what.get(kind, "one unit more"))

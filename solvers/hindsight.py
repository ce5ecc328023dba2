"""Hindsight optimum: the most utility that a campaign could have had, every auction known in advance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.scalarisation import check_ideal_point
from bidpilot.bidding.constraints.target import EXPONENT, target_factor
from bidpilot.bidding.kpi import CONVERSION
from bidpilot.envs.clearing.day import DayAuctions, materialise
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.solvers.attainable import KPIS, Attainable
from bidpilot.solvers.hindsight_cpa import Target, best_with_target
from bidpilot.solvers.hindsight_frontier import best_spend_with_target, fractional_knapsack, knapsack_shares
from bidpilot.solvers.hindsight_held import Groups, Held
from bidpilot.solvers.hindsight_master import NASH, WEIGHTED, Objective
from bidpilot.solvers.hindsight_program import Found, Program

__all__ = ["Hindsight", "fractional_knapsack", "hindsight_optimum", "hindsight_utility"]

Floats = NDArray[np.float64]

TOLERANCE = 5e-7
"""Relative gap that the search stops at."""
TOLERANCE_CPA = 1e-5
"""The same with a CPA target, where the gap closes interval by interval."""
NOTHING = 1e-9
"""Constraints that leave less than this share of what the budget alone would buy leave nothing: it is rounding."""


@dataclass(frozen=True)
class Hindsight:
    """The hindsight optimum of B days and what it was bought with: true values at market prices."""

    utility: Floats  # (B,) score that a mixture of purchases attains
    bound: Floats  # (B,) certified: no purchase within the constraints scores more
    gap: Floats  # (B,) (bound - utility) / bound, 0 where both are 0
    spend: Floats  # (B,) currency, of the attained point
    kpi: Floats  # (B, 3) totals of the attained point
    slope: Floats  # (B, 3) gradient of the score with respect to the KPIs there, up to a factor: bid coefficients
    feasible: NDArray[np.bool_]  # (B,) False where no purchase meets the constraints; utility and bound are 0 there


@dataclass(frozen=True)
class _Day:
    """One day's answer."""

    utility: float = 0.0
    bound: float = 0.0
    spend: float = 0.0
    kpi: Floats | None = None
    slope: Floats | None = None
    feasible: bool = True


def hindsight_optimum(
    market: Market,
    days: DayBatch,
    campaigns: CampaignBatch,
    ideal: Floats,
    tolerance: float | None = None,
) -> Hindsight:
    """Optimum over fractional wins of every scoring function, within the campaign's constraints.

    A target cost per conversion is a part of the score (`bidding.constraints.target`), all else is hard. Market
    prices are paid, under first price too, which no bidder reaches there. Constraints are kept to 1e-7.

    Args:
        market: where the days' auctions are.
        days: B days.
        campaigns: B campaigns.
        ideal: ideal point, (B, 3), > 0 where the preference is.
        tolerance: relative gap to stop at, > 0; None: 5e-7, and 1e-5 with a CPA target.

    Raises:
        ZeroIdealPoint: the ideal point is zero for a KPI with a positive preference.
        UnknownChannel, InvalidCampaign: as `Held.of`.
    """
    check_ideal_point(ideal, campaigns.preference)
    segments = market.log.segments
    found = []
    for row in range(len(days)):
        found.append(
            optimum_of_day(
                materialise(market, days, row),
                len(segments),
                Held.of(campaigns, row, segments),
                int(campaigns.kind[row]),
                campaigns.preference[row],
                ideal[row],
                tolerance,
            )
        )
    zero = np.zeros(KPIS)
    utility, bound = np.array([d.utility for d in found]), np.array([d.bound for d in found])
    return Hindsight(
        utility=utility,
        bound=bound,
        gap=np.where(bound > 0, (bound - utility) / np.where(bound > 0, bound, 1.0), 0.0),
        spend=np.array([d.spend for d in found]),
        kpi=np.array([zero if d.kpi is None else d.kpi for d in found]).reshape(-1, KPIS),
        slope=np.array([zero if d.slope is None else d.slope for d in found]).reshape(-1, KPIS),
        feasible=np.array([d.feasible for d in found], bool),
    )


def hindsight_utility(market: Market, days: DayBatch, campaigns: CampaignBatch, ideal: Floats) -> Floats:
    """R* (B,): the certified upper bound, so that no bidder within the constraints passes it. `ideal` is (B, 3).

    Raises:
        ZeroIdealPoint: the ideal point is zero for a KPI with a positive preference.
    """
    return hindsight_optimum(market, days, campaigns, ideal).bound


def optimum_of_day(
    day: DayAuctions,
    segments: int,
    held: Held,
    kind: int,
    preference: Floats,
    ideal: Floats,
    tolerance: float | None = None,
) -> _Day:
    """The optimum of one day of so many `segments`.

    `kind` is `Scalarisation.code`, `preference` and `ideal` are (3,).
    """
    value, price = day.true.astype(np.float64), day.price.astype(np.float64)
    groups = Groups.of(held.rows, segments)
    group = groups.group(day.segment, day.slot)
    active = preference > 0
    targeted = math.isfinite(held.target)
    if targeted and not (value[:, CONVERSION].any() and price.any()):  # spend scores 0: what is free remains
        free = price == 0
        value, price, group, targeted = value[free], price[free], group[free], False
    if held.only_budget and not targeted and (kind == WEIGHTED or active.sum() == 1):
        weight = np.where(active, preference / np.where(active, ideal, 1.0), 0.0)
        if kind != WEIGHTED:
            weight = np.where(active, 1.0 / np.where(active, ideal, 1.0), 0.0)
        return _bought(knapsack_shares(value @ weight, price, held.budget), value, price, weight)
    if held.only_budget and targeted and active[CONVERSION] and active.sum() == 1:
        shares = best_spend_with_target(value[:, CONVERSION], price, held.budget, held.target)
        weight = np.where(active, 1.0 / np.where(active, ideal, 1.0), 0.0)
        return _bought(shares, value, price, weight, held.target)
    if tolerance is None:
        tolerance = TOLERANCE_CPA if targeted else TOLERANCE
    attainable = Attainable(value, price, group, groups.count)
    return _general(attainable, groups, held, (kind, preference, ideal), targeted, tolerance)


def _bought(shares: Floats, value: Floats, price: Floats, weight: Floats, target: float = math.inf) -> _Day:
    """The day on which these shares (N,) of the auctions are bought, for an exact linear utility `weight` (3,)."""
    kpi, spend = shares @ value, float(shares @ price)
    utility = float(kpi @ weight)
    if math.isfinite(target):
        utility *= float(target_factor(target * kpi[CONVERSION], spend))
    return _Day(utility, utility, spend, kpi, weight)


def _general(
    attainable: Attainable,
    groups: Groups,
    held: Held,
    score: tuple[int, Floats, Floats],
    targeted: bool,
    tolerance: float,
) -> _Day:
    """Column generation, and branch and bound over the spend where there is a CPA target."""
    kind, preference, ideal = score
    active, reach, floors = preference > 0, attainable.all[:KPIS], held.floors
    if (floors > reach).any():
        return _Day(feasible=False)
    there = reach > 0
    kpis = (active | ((np.arange(KPIS) == CONVERSION) & targeted)) & there
    program = Program(attainable, held, groups, kpis | (floors > 0))
    if floors.any() and not program.require(floors):
        return _Day(feasible=False)
    if not (there[active].any() if kind == WEIGHTED else there[active].all()):
        return _Day()
    objective = Objective.of(kind, preference, ideal, program.scale[:KPIS] * there)
    if (kind == NASH or targeted) and not program.enter(kpis):
        return _Day()
    if targeted:
        kappa = held.target * program.scale[CONVERSION] / program.spend_scale
        target = Target(kappa, _ceiling(attainable, held.target))
        found = best_with_target(program, objective, target, tolerance)
    else:
        found = program.climb(objective, lambda f: f.gap() <= tolerance or f.bound <= NOTHING)
        if found.bound <= NOTHING:
            return _Day()
    return _read(found, objective, program)


def _ceiling(attainable: Attainable, target: float) -> float:
    """Upper bound of the log-penalty: the cheapest conversion of the day sets it."""
    ratio = attainable.best_ratio(CONVERSION)
    return min(0.0, EXPONENT * math.log(target * ratio)) if math.isfinite(ratio) else 0.0


def _read(found: Found, objective: Objective, program: Program) -> _Day:
    """The program's answer in the day's own units."""
    if found.point is None:
        return _Day(bound=found.bound * objective.factor)
    slope = np.zeros(KPIS) if found.slope is None else found.slope / program.scale[:KPIS]
    return _Day(
        utility=found.value * objective.factor,
        bound=max(found.bound, found.value) * objective.factor,
        spend=program.spend(found.point) * program.spend_scale,
        kpi=found.point[:KPIS] * program.scale[:KPIS],
        slope=slope,
    )

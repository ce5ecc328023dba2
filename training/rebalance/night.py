"""One night: the portfolio solved again from what was spent and brought, and what that changes for each campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.solvers.portfolio import Portfolio, PortfolioCampaign, PortfolioPlan, horizon_ideal, roll
from bidpilot.training.rebalance.brought import LOOK_BACK, Ratio, brought
from bidpilot.training.rebalance.plan_file import Horizon, PlanFile
from bidpilot.training.rebalance.server import Served, Spend
from bidpilot.training.rebalance.spent import Spent, spent_so_far
from bidpilot.training.rebalance.why import reasons

_FLOOR = 1e6  # budgets are whole millionths: rounded down, they never add up to more than is left
_SAME = 1e-6  # currency: what is no change
_NOTHING = 1e-6  # of the owner's budget: a bound that stands for none


@dataclass(frozen=True)
class Change:
    """What a night means for one campaign, currency per day."""

    name: str
    today: float
    before: float  # of tomorrow, as it stood
    tomorrow: float
    why: tuple[str, ...]

    @property
    def needed(self) -> bool:
        """Whether the server is to be told."""
        return abs(self.tomorrow - self.before) > _SAME


@dataclass(frozen=True)
class Outcome:
    """What a night has found."""

    day: date  # tomorrow
    horizon: Horizon
    spent: Spent
    plan: PortfolioPlan
    ratios: tuple[Ratio, ...]  # (C,)
    changes: tuple[Change, ...]  # (C,)
    held_before: float | None  # reserve after today as the last night left it; None where that is not known

    @property
    def held(self) -> float:
        """Reserve after tomorrow, currency."""
        return float(self.plan.reserve[0])

    @property
    def budgets(self) -> dict[str, float]:
        """Of tomorrow by campaign, currency."""
        return {change.name: change.tomorrow for change in self.changes}


def solve_night(
    forecast: Forecast,
    portfolio: Portfolio,
    kept: PlanFile,
    served: Mapping[str, Served],
    spends: Sequence[Spend],
    *,
    release: bool,
    results: bool,
) -> Outcome:
    """Solve for the day after the server's today; `spends` (C,) are of the portfolio's campaigns, in its order.

    Raises:
        InfeasiblePortfolio, PlanMissesConstraint, UnknownChannel, NoTailContent, ZeroIdealPoint, SolverUnavailable,
        SolverFailed: as the solver does.
        InvalidConfig: the first horizon begins later than tomorrow.
    """
    today = spends[0].today
    day = today + timedelta(1)
    horizon = kept.horizon(day, portfolio.days)
    spent = spent_so_far(forecast, spends, horizon.first)
    ratios = tuple(Ratio(1.0) for _ in spends)
    if results:
        ideal = horizon_ideal(forecast, portfolio)
        since = today - timedelta(LOOK_BACK)
        ratios = tuple(
            brought([one for d, one in spend.days.items() if since <= d < today], campaign.preference, ideal)
            for campaign, spend in zip(portfolio.campaigns, spends, strict=True)
        )
    money = spent.money
    if money.sum() > portfolio.budget:  # late debt may take more than there was: what is left is nothing, and not less
        money = money * (portfolio.budget / money.sum() * (1.0 - 1e-12))
    terms = [
        _terms(campaign, served[campaign.name], ratio, horizon, day, float(row.sum()), float(coming), portfolio.budget)
        for campaign, ratio, row, coming in zip(portfolio.campaigns, ratios, money, spent.to_come, strict=True)
    ]
    plan = roll(
        forecast, portfolio.model_copy(update={"campaigns": tuple(terms)}), money, horizon.over, release=release
    )
    budgets = np.floor(plan.budgets[:, 0] * _FLOOR) / _FLOOR
    last = kept.night(today)
    outcome = [
        Change(
            name=name,
            today=spend.days[today].budget if today in spend.days else served[name].budget_on(today),
            before=served[name].budget_on(day),
            tomorrow=float(budget),
            why=reasons(
                name,
                served[name],
                horizon,
                day,
                _planned(kept, name, spend, horizon),
                spent.by_day[c],
                ratios[c],
                plan,
                portfolio,
            ),
        )
        for c, (name, budget, spend) in enumerate(zip(portfolio.names, budgets, spends, strict=True))
    ]
    in_horizon = last is not None and today >= horizon.first
    return Outcome(day, horizon, spent, plan, ratios, tuple(outcome), last.held if last and in_horizon else None)


def _planned(kept: PlanFile, name: str, spend: Spend, horizon: Horizon) -> dict[date, float]:
    """What a campaign was to spend on each day of the horizon so far: as planned, or its account's budget."""
    days = {day: one.budget for day, one in spend.days.items() if day >= horizon.first}
    return days | kept.planned(name, horizon.first, spend.today + timedelta(1))


def _terms(
    campaign: PortfolioCampaign,
    served: Served,
    ratio: Ratio,
    horizon: Horizon,
    day: date,
    spent: float,
    to_come: float,
    budget: float,
) -> PortfolioCampaign:
    """A campaign with the weight of what it brought, and within what its flight lets it spend of the horizon.

    `spent` is currency so far, what is `to_come` of the running day included; `budget` is the owner's.
    """
    most = campaign.most_budget
    if served.money.flight_left is not None:
        total = max(spent - to_come, 0.0) + served.money.flight_left
        most = total if most is None else min(most, total)
    left = (day + timedelta(k) for k in range((horizon.last - day).days + 1))
    if not any(served.bids_on(one) for one in left):
        most = spent
    if most is not None:
        most = max(most, _NOTHING * budget)
    least = campaign.least_budget
    if least is not None and most is not None:
        least = min(least, most)
    return campaign.model_copy(
        update={"weight": campaign.weight * ratio.weight, "most_budget": most, "least_budget": least}
    )

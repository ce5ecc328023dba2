"""Why a campaign's budget is what it is, in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from bidpilot.solvers.allocation.result import DOES_NOT_BIND
from bidpilot.solvers.portfolio import Portfolio, PortfolioPlan
from bidpilot.training.rebalance.brought import Ratio
from bidpilot.training.rebalance.plan_file import Horizon
from bidpilot.training.rebalance.server import Served

_NOTABLE = 0.01  # share of a plan


def reasons(
    name: str,
    served: Served,
    horizon: Horizon,
    day: date,
    planned: Mapping[date, float],
    by_day: Mapping[date, float],
    ratio: Ratio,
    plan: PortfolioPlan,
    portfolio: Portfolio,
) -> tuple[str, ...]:
    """What moves the budget of `day`: spend against plan, results, its flight, the day's traffic, what binds."""
    found = [
        *_spend(planned, by_day),
        *_results(ratio),
        *_flight(served, horizon, day),
        *_traffic(portfolio, horizon.over),
        *_binding(name, plan),
    ]
    if served.paused:
        found.append("it is paused, and spends nothing until it is resumed")
    return tuple(found)


def _spend(planned: Mapping[date, float], by_day: Mapping[date, float]) -> list[str]:
    """Spend against the plan, of days that were planned."""
    wanted = sum(planned.values())
    spent = sum(by_day.get(day, 0.0) for day in planned)
    if wanted <= 0 or abs(spent - wanted) <= _NOTABLE * wanted:
        return []
    side = "behind" if spent < wanted else "ahead of"
    return [f"spent {spent:.2f}, {abs(spent - wanted):.2f} {side} plan"]


def _results(ratio: Ratio) -> list[str]:
    if ratio.measured is None or ratio.weight == 1.0:
        return []
    assert ratio.low is not None
    assert ratio.high is not None
    return [
        f"brings {ratio.measured:.0%} of what is predicted ({ratio.low:.0%} to {ratio.high:.0%} over {ratio.days} "
        f"days): its weight counts {ratio.weight:.2f} times"
    ]


def _flight(served: Served, horizon: Horizon, day: date) -> list[str]:
    found = []
    if not any(served.bids_on(day + timedelta(k)) for k in range((horizon.last - day).days + 1)):
        found.append("its flight has no day left in this horizon")
    elif not served.bids_on(day):
        found.append("its flight has this day off")
    if served.money.flight_left is not None:
        found.append(f"its flight has {served.money.flight_left:.2f} left")
    return found


def _traffic(portfolio: Portfolio, over: int) -> list[str]:
    if portfolio.day_weights is None:
        return []
    weight = portfolio.day_weights[over]
    if over > 0 and weight == portfolio.day_weights[over - 1]:
        return []
    return [f"traffic {weight:g} of the forecast's day"]


def _binding(name: str, plan: PortfolioPlan) -> list[str]:
    """The campaign's own constraints that cost something."""
    own = (dual for dual in plan.duals if dual.name.rpartition("/")[0] == name)
    return [f"{dual.name.rpartition('/')[2]}: {dual.meaning}" for dual in own if dual.meaning != DOES_NOT_BIND]

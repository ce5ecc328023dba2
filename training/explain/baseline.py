"""The baseline of explanations: the same slot and campaign on a day that went exactly as forecast, on plan.

Clock, campaign and the age of the day's most marked change are as observed: chance alone gives a change of nearly no
size any age. Every level, percentile and change is 0 (as forecast); the previous action and
the re-plan are 0 (the plan); no traffic is invalid; what was spent, won and reached is what the plan expects of
the slots reported by now; CPA and tail share are the plan's own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.segments import channels, is_tail
from bidpilot.bidding.constraints.catalogue import CATALOGUE
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.day.features import GROUPS, POSITION, bounds
from bidpilot.bidding.day.history import CHANGE_AGE
from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.rule import Rule, price
from bidpilot.envs.bidding_env.episode import Episode

Array = NDArray[np.float64]

CONTEXT = frozenset((*GROUPS["clock"], *GROUPS["campaign"], *GROUPS["preference"], CHANGE_AGE.name))
"""Features that say where we are rather than how the day goes: the same in the baseline, and so without a share."""


def baseline_observation(episode: Episode, observation: NDArray[np.float32], row: int) -> Array:
    """The baseline (F,) of row `row` for the slot that `observation` (B, F) comes before."""
    seen = observation[row].astype(np.float64)
    planned = np.zeros_like(seen)
    for name in CONTEXT:
        planned[POSITION[name]] = seen[POSITION[name]]
    for name, value in _on_plan(episode, row).items():
        planned[POSITION[name]] = value
    low, high = bounds(episode.segments)
    clipped: Array = np.clip(planned, low.astype(np.float64), high.astype(np.float64))
    return clipped


def _on_plan(episode: Episode, row: int) -> dict[str, float]:
    """Money, wins and KPI by the plan, by feature; what is not named is 0."""
    plan, u, budget = episode.today.plan, episode.today.index[row], float(episode.today.campaigns.budget[row])
    spend = plan.spend[u]
    delay = int(np.broadcast_to(episode.today.campaigns.win_delay, episode.rows)[row])
    told = max(episode.t - delay, 0)
    found = {
        "budget_left": 1.0 - spend[told] / budget,
        "budget_free": 1.0 - spend[episode.t] / budget,
        "pace_gap": (spend[episode.t] - spend[told]) / budget,  # money out for wins not reported yet
    }
    if told == 0:
        return found
    auctions = episode.planner.forecast.auctions[:told]
    wins = plan.wins[u, :told]
    found |= {"win_rate": _ratio(wins[-1], auctions[-1]), "win_rate_day": _ratio(wins.sum(), auctions.sum())}
    found |= {"cost_slot": float(spend[told] > spend[told - 1]), "cost_day": float(spend[told] > 0)}
    kpi = plan.kpi[u] * _ratio(spend[told], spend[-1])
    for j, name in enumerate(KPI):
        found[f"{name}_to_plan"] = float(kpi[j] > 0)
        found[f"{name}_to_ideal"] = _ratio(kpi[j], plan.ideal[u, j])
    return found | _constraints(episode, row, kpi, spend[told])


def _constraints(episode: Episode, row: int, kpi: Array, spend: float) -> dict[str, float]:
    """The features of constraints, held against the plan's totals so far."""
    tail, wins = _planned_wins(episode, row)
    names = channels(episode.planner.forecast.segments)
    own = episode.today.campaigns.take(np.array([row]))
    totals = DayTotals(
        spend=np.array([spend]),
        kpi=kpi[None],
        wins=np.array([wins]),
        tail_wins=np.array([tail]),
        channel_spend=np.zeros((1, len(names))),
        channels=names,
        conversion_value=own.conversion_value,
    )
    found: dict[str, float] = {}
    for constraint in CATALOGUE:
        columns = {feature.name: np.zeros(1) for feature in constraint.features}
        constraint.observe(own.bounds, totals, columns)
        found |= {name: float(column[0]) for name, column in columns.items() if name not in CONTEXT}
    return found


def _planned_wins(episode: Episode, row: int) -> tuple[float, float]:
    """Shares of auctions that the plan wins, on long-tail content and in all.

    On the landscape at the forecast's levels, bids not shaded.
    """
    forecast, u = episode.planner.forecast, episode.today.index[row]
    land = forecast.landscape
    unit = forecast.kpi_unit(episode.today.campaigns.conversion_value[row])
    plan = episode.today.plan
    bids = price(Rule(plan.alpha / unit, plan.multiplier, plan.beta), u, land.value, land.segment)
    won = land.weight * (bids >= land.price)
    return float(won @ is_tail(forecast.segments)[land.segment]), float(won.sum())


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 0 else 0.0

"""Campaigns to train on: preferences, scalarisations, budgets, formats, feedback, delays and constraints at random.

Planning a campaign with constraints takes tens of milliseconds, so that a pool of them is planned once and each day
draws from it. What a campaign is told, and when, moves no plan: each stands in the pool with many such reports.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.campaign.segments import is_tail
from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs.bidding_env.pool_config import PoolConfig

_TRIES = 20


@dataclass(frozen=True)
class CampaignPool:
    """Planned campaigns."""

    campaigns: CampaignBatch  # (N,)
    plan: BudgetPlan
    index: NDArray[np.int64]  # (N,) row of the plan

    def __len__(self) -> int:
        return len(self.campaigns)


def draw_pool(config: PoolConfig, own: Campaign, forecast: Forecast, rng: np.random.Generator) -> CampaignPool:
    """A pool around one's own campaign; those that the forecast cannot satisfy are drawn again."""
    planner = Planner(forecast)
    count = round(config.size * config.own)
    drawn = [own] * count
    while len(drawn) < config.size:
        drawn.append(_feasible(config, own, planner, rng))
    campaigns = CampaignBatch.of([_told(config, campaign, rng) for campaign in drawn for _ in range(config.reports)])
    plan, index = planner.plan(campaigns)
    return CampaignPool(campaigns, plan, index)


def _feasible(config: PoolConfig, own: Campaign, planner: Planner, rng: np.random.Generator) -> Campaign:
    for _ in range(_TRIES):
        try:
            campaign = _draw(config, own, planner, rng)
            planner.plan(CampaignBatch.repeat(campaign, 1))
        except InfeasibleCampaign:
            continue
        return campaign
    return own


def _told(config: PoolConfig, campaign: Campaign, rng: np.random.Generator) -> Campaign:
    """The campaign with its own feedback and delays, or with others."""
    changes: dict[str, object] = {}
    if rng.random() < config.won_only:
        changes["feedback"] = "won_only"
    if rng.random() < config.delayed:
        wins, interactions, conversions = np.cumsum(rng.integers(0, 5, 3))
        changes["delays"] = Delays(wins=int(wins), interactions=int(interactions), conversions=int(conversions))
    return campaign.model_copy(update=changes)


def _draw(config: PoolConfig, own: Campaign, planner: Planner, rng: np.random.Generator) -> Campaign:
    has = planner.forecast.landscape.mean_value > 0
    preference = np.where(has, rng.dirichlet(np.full(3, 0.7)), 0.0)
    preference = np.where(preference < 0.02, 0.0, preference)
    preference = preference / preference.sum() if preference.sum() > 0 else np.asarray(own.preference)
    changes: dict[str, object] = {
        "preference": tuple(preference / preference.sum()),
        "scalarisation": rng.choice(list(Scalarisation), p=[0.5, 0.25, 0.25]),
        "budget": own.budget * float(np.exp(config.budget_spread * rng.standard_normal())),
        "auction": "first" if rng.random() < config.first_price else "second",
    }
    free = Campaign(**{**own.model_dump(), **changes})
    kind = rng.random()
    if kind >= config.max_cpa + config.tail:
        return free
    plan, _ = planner.plan(CampaignBatch.repeat(free, 1))
    if kind < config.max_cpa and plan.kpi[0, 2] > 0:
        own_cost = plan.spend[0, -1] / plan.kpi[0, 2]
        return free.model_copy(update={"max_cpa": float(own_cost * rng.uniform(0.7, 1.1))})
    if kind >= config.max_cpa and is_tail(planner.forecast.segments).any():
        return free.model_copy(update={"min_tail_share": float(rng.uniform(0.3, 0.55))})
    return free

"""The pool of campaigns: as many of one's own as asked, every drawn one planned, infeasible ones drawn again."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs.bidding_env.campaign_pool import CampaignPool, draw_pool
from bidpilot.envs.bidding_env.pool_config import PoolConfig
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast

MIXED = PoolConfig(size=20, own=0.25, max_cpa=0.3, tail=0.3, first_price=0.3, won_only=0.5, delayed=0.5)


def drawn(config: PoolConfig, own: Campaign, forecast: Forecast, seed: int = 0) -> CampaignPool:
    return draw_pool(config, own, forecast, np.random.default_rng(seed))


def own_share(pool: CampaignPool, own: Campaign) -> float:
    """Share with one's own budget to the last digit, which no drawn campaign has."""
    return float(np.mean(pool.campaigns.budget == own.budget))


def refusing_others(own: Campaign) -> Callable[..., Any]:
    """`Planner.plan`, to which every campaign of another budget is infeasible."""
    plan = Planner.plan

    def refusing(planner: Planner, campaigns: CampaignBatch) -> Any:
        if (campaigns.budget != own.budget).any():
            raise InfeasibleCampaign("another budget.")
        return plan(planner, campaigns)

    return refusing


@pytest.fixture(scope="module")
def pool() -> CampaignPool:
    return drawn(MIXED, preset_campaign("steady"), preset_forecast("steady"))


def test_the_pool_has_its_size_and_the_share_of_own_campaigns_asked_for(pool: CampaignPool) -> None:
    assert len(pool) == MIXED.size * MIXED.reports
    assert own_share(pool, preset_campaign("steady")) == MIXED.own


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_pool_may_be_all_ones_own_or_none(share: float, even: Forecast) -> None:
    own = Campaign(budget=20.0)
    pool = drawn(PoolConfig(size=8, own=share, max_cpa=0.0, tail=0.0, first_price=0.0), own, even)
    assert own_share(pool, own) == share


def test_drawn_campaigns_are_valid_and_of_every_kind(pool: CampaignPool) -> None:
    c = pool.campaigns
    np.testing.assert_allclose(c.preference.sum(axis=1), 1.0)
    assert ((c.preference == 0.0) | (c.preference >= 0.02)).all()
    assert (c.budget > 0).all()
    assert len(np.unique(c.kind)) == 3
    assert c.win_delay.max() > 0
    assert (c.win_delay <= c.interaction_delay).all()
    assert (c.interaction_delay <= c.conversion_delay).all()
    target, tail = (~np.isnan(c.bounds[name]) for name in ("max_cpa", "min_tail_share"))
    for some in (c.first_price, ~c.full_feedback, target, tail):
        assert 0 < some.sum() < len(pool)
    assert not (target & tail).any()


def test_campaigns_that_differ_in_their_reports_alone_share_a_plan(even: Forecast) -> None:
    config = PoolConfig(size=4, own=0.5, max_cpa=0.0, tail=0.0, first_price=0.0, won_only=0.5, delayed=0.5, reports=12)
    pool = drawn(config, Campaign(budget=20.0), even)
    assert len(pool.plan.scale) == 3
    assert len(pool) == 48
    for plan in range(3):
        rows = pool.index == plan
        assert len(np.unique(pool.campaigns.win_delay[rows])) > 2
        assert len(np.unique(pool.campaigns.full_feedback[rows])) == 2
        assert len(np.unique(pool.campaigns.budget[rows])) == 1


def test_every_campaign_has_the_plan_that_it_would_have_alone(pool: CampaignPool) -> None:
    planner = Planner(preset_forecast("steady"))
    for row in range(0, len(pool), 5):
        plan, index = planner.plan(pool.campaigns.take(np.array([row])))
        np.testing.assert_allclose(pool.plan.alpha[pool.index[row]], plan.alpha[index[0]], rtol=1e-6)
        np.testing.assert_allclose(pool.plan.utility[pool.index[row]], plan.utility[index[0]], rtol=1e-6)


def test_every_plan_keeps_its_budget_and_at_second_price_nearly_its_cost_target(
    pool: CampaignPool,
) -> None:
    spend, conversions = pool.plan.spend[pool.index, -1], pool.plan.kpi[pool.index, 2]
    assert (pool.plan.utility[pool.index] > 0).all()
    assert (spend <= pool.campaigns.budget * (1 + 1e-6)).all()
    bound = pool.campaigns.bounds["max_cpa"]
    target = ~np.isnan(bound) & ~pool.campaigns.first_price
    assert target.any()
    assert (spend[target] <= 1.03 * bound[target] * conversions[target]).all()


def test_infeasible_campaigns_are_drawn_again_and_not_replaced_by_ones_own(even: Forecast) -> None:
    """20 buys at most 124 conversions: of drawn budgets, the larger half alone reach a floor of 120."""
    own = Campaign(budget=20.0, kpi_floors=(0.0, 0.0, 120.0))
    config = PoolConfig(size=12, own=0.25, max_cpa=0.3, tail=0.0, first_price=0.0)
    pool = drawn(config, own, even)
    assert own_share(pool, own) == config.own
    assert pool.campaigns.budget.min() > 18.0
    assert (pool.plan.kpi[pool.index, 2] > 118.0).all()


def test_where_nothing_drawn_is_feasible_the_pool_is_ones_own(even: Forecast, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Campaign(budget=20.0)
    monkeypatch.setattr(Planner, "plan", refusing_others(own))
    pool = drawn(PoolConfig(size=3, own=0.0), own, even)
    assert own_share(pool, own) == 1.0


def test_the_same_seed_gives_the_same_pool_and_another_does_not(even: Forecast) -> None:
    own, config = Campaign(budget=20.0), PoolConfig(size=6, max_cpa=0.0, tail=0.0, first_price=0.0)
    first, second, other = (drawn(config, own, even, seed) for seed in (1, 1, 2))
    for field in fields(CampaignBatch):
        np.testing.assert_array_equal(getattr(first.campaigns, field.name), getattr(second.campaigns, field.name))
    np.testing.assert_array_equal(first.plan.alpha, second.plan.alpha)
    assert (first.campaigns.preference != other.campaigns.preference).any()

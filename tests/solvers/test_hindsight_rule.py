"""Facts about the best constant rule: it is played, and lies between any one rule of its kind and R*."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.landscape import shading
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.solvers.hindsight import hindsight_optimum
from bidpilot.solvers.hindsight_rule import best_constant_rule
from bidpilot.solvers.rule_search import Played, RulePlayer

ROWS = 3


def some_days() -> DayBatch:
    market = preset_market()
    days = market.days(np.random.default_rng(2).random((ROWS, market.draws)))
    days.count[:] = 40
    return replace(days, invalid_share=np.full(days.invalid_share.shape, 0.1, np.float32))


def rule(campaign: Campaign) -> Played:
    """The best constant rule of the days above, for an ideal point of about what a budget of 8 buys."""
    market, days, ideal = preset_market(), some_days(), np.tile([300.0, 40.0, 1.5], (ROWS, 1))
    campaigns = CampaignBatch.repeat(campaign, ROWS)
    optimum = hindsight_optimum(market, days, campaigns, ideal)
    return best_constant_rule(RulePlayer(market, days, campaigns, ideal), optimum)


@pytest.mark.parametrize("auction", ["second", "first"])
@pytest.mark.parametrize("changes", [{}, {"scalarisation": Scalarisation.nash}, {"max_cpa": 4.0}])
def test_it_lies_between_any_scale_and_the_hindsight_optimum(auction: str, changes: dict[str, Any]) -> None:
    market, days = preset_market(), some_days()
    campaign = preset_campaign().model_copy(update={"budget": 8.0, "auction": auction, **changes})
    campaigns = CampaignBatch.repeat(campaign, ROWS)
    episode = Episode(market, preset_forecast(), ROWS)
    episode.planner.shading = np.ones(shading.POINTS)  # bids as they are
    episode.begin(days, campaigns)
    optimum = hindsight_optimum(market, days, campaigns, episode.today.ideal)
    best = best_constant_rule(RulePlayer(market, days, campaigns, episode.today.ideal), optimum).score
    assert (best <= optimum.bound).all()
    centre = optimum.spend / np.einsum("bj,bj->b", optimum.slope, optimum.kpi)
    closest = np.zeros(ROWS)
    for scale in 2.0 ** (np.arange(-12, 25) / 12):
        episode.begin(days, campaigns)
        alpha = optimum.slope * (centre * scale)[:, None]
        for _ in range(48):
            episode.play_rule(Rule(alpha, np.ones((ROWS, 8)), np.zeros((ROWS, 8))))
        closest = np.maximum(closest, episode.score())
    np.testing.assert_allclose(best, closest, rtol=0.03)  # a scan at other points, in steps of 6 %
    if auction == "second" and not changes:
        assert (best > 0.9 * optimum.bound).all()  # the optimal form for one budget


def test_paying_the_bid_costs_utility() -> None:
    score = {}
    for auction in ("second", "first"):
        campaign = preset_campaign().model_copy(update={"budget": 8.0, "auction": auction})
        score[auction] = rule(campaign).score
    assert (score["first"] < 0.9 * score["second"]).all()
    assert (score["first"] > 0).all()


def test_a_rule_that_breaks_a_hard_limit_does_not_count() -> None:
    campaign = preset_campaign().model_copy(update={"budget": 8.0})
    free, tail = rule(campaign), rule(campaign.model_copy(update={"min_tail_share": 0.4}))
    kept = tail.excess == 0
    assert kept.any()
    assert (tail.score <= free.score + 1e-12).all()
    impossible = rule(campaign.model_copy(update={"min_tail_share": 0.999}))
    assert (impossible.excess > 0).all()

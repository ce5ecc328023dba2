"""The reference under first price: what it is never below, and that it is played."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.bidding_env.oracle import InformedReplanner
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.solvers.first_price import best_known_rule
from bidpilot.solvers.hindsight import Hindsight, hindsight_optimum
from bidpilot.solvers.hindsight_rule import best_constant_rule
from bidpilot.solvers.rule_search import Played, RulePlayer

ROWS = 4


class Stage:
    """Four days at first price, thinned out, and their reference."""

    def __init__(self, price_scale: float = 1.0, **changes: Any) -> None:
        market = preset_market()
        days = market.days(np.random.default_rng(2).random((ROWS, market.draws)))
        days.count[:] = 60
        self.days: DayBatch = replace(days, price_scale=days.price_scale * np.float32(price_scale))
        campaign = preset_campaign().model_copy(update={"budget": 12.0 * price_scale, "auction": "first", **changes})
        self.campaigns = CampaignBatch.repeat(campaign, ROWS)
        self.episode = Episode(market, preset_forecast(), ROWS)
        self.episode.begin(self.days, self.campaigns)
        self.ideal = self.episode.today.ideal
        self.optimum: Hindsight = hindsight_optimum(market, self.days, self.campaigns, self.ideal)
        self.best: Played = best_known_rule(self.episode, self.days, self.campaigns, self.optimum)


@pytest.mark.parametrize("changes", [{}, {"scalarisation": Scalarisation.nash}, {"max_cpa": 4.0}])
def test_it_is_no_worse_than_the_told_re_plan_and_the_constant_rule_and_below_the_bound(
    changes: dict[str, Any],
) -> None:
    stage = Stage(**changes)
    episode = stage.episode
    episode.begin(stage.days, stage.campaigns, InformedReplanner)
    for _ in range(episode.slots):
        episode.play(episode.observer.replanned_action())
    assert (stage.best.score >= episode.score() * (1 - 1e-12)).all()
    player = RulePlayer(episode.market, stage.days, stage.campaigns, stage.ideal)
    assert (stage.best.score >= best_constant_rule(player, stage.optimum).score).all()
    assert (stage.best.score < 0.9 * stage.optimum.bound).all()


def test_it_is_no_worse_than_the_plan_at_any_scale() -> None:
    stage = Stage()
    episode = stage.episode
    for scale in 2.0 ** (np.arange(-8, 9) / 4):
        episode.begin(stage.days, stage.campaigns)
        today = episode.today
        for _ in range(episode.slots):
            episode.play_rule(Rule(scale * today.alpha, today.multiplier, scale * today.beta))
        assert (stage.best.score > episode.score()).all()  # which is shaded for prices that the day does not have


def test_prices_and_budget_in_another_currency_change_nothing() -> None:
    """Shading at the true level makes a day of prices eight times the forecast's the same day, in other money."""
    usual, dear = Stage(), Stage(8.0)
    np.testing.assert_allclose(dear.best.score / dear.optimum.bound, usual.best.score / usual.optimum.bound, rtol=0.02)


def test_it_is_the_same_each_time() -> None:
    np.testing.assert_array_equal(Stage().best.score, Stage().best.score)


def test_a_hard_limit_is_kept_where_a_rule_of_those_tried_keeps_it() -> None:
    stage = Stage(min_tail_share=0.3)
    assert (stage.best.excess == 0).all()
    assert (stage.best.score <= stage.optimum.bound).all()

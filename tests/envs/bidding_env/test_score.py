"""The headline score and the excess over constraints, in numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.features import feature
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_forecast, preset_market


def ended(spend: list[float], conversions: list[float], utility: float = 0.8, **changes: Any) -> Episode:
    """Days on which so much was spent of a budget of 100, for so many conversions."""
    campaign = Campaign.model_validate({"budget": 100.0, "conversion_value": 12.0} | changes)
    rows, market = len(spend), preset_market()
    episode = Episode(market, preset_forecast(), rows)
    days = market.days(np.random.default_rng(0).random((rows, market.draws)))
    episode.begin(days, CampaignBatch.repeat(campaign, rows))
    episode.left[:] = 100.0 - np.array(spend)
    episode.kpi[:, 2] = conversions
    episode.utility[:] = utility
    return episode


@pytest.mark.parametrize(
    ("spend", "conversions", "score"),
    [
        (40.0, 20.0, 0.8),  # 2 a conversion, as the target says
        (20.0, 20.0, 0.8),  # half of the target earns nothing more
        (80.0, 20.0, 0.2),  # twice the target leaves a quarter
        (60.0, 10.0, 0.8 / 9),  # three times: a ninth
        (50.0, 20.0, 0.512),  # 2.5 a conversion: 0.8 ** 2 of 0.8
        (40.0, 0.0, 0.0),  # money for nothing
        (0.0, 0.0, 0.8),  # nothing spent: no cost to hold against the target
    ],
)
def test_the_score_falls_with_the_square_of_cost_over_target(spend: float, conversions: float, score: float) -> None:
    np.testing.assert_allclose(ended([spend], [conversions], max_cpa=2.0).score(), [score], rtol=1e-12, atol=1e-15)


def test_without_a_target_the_score_is_the_utility() -> None:
    np.testing.assert_array_equal(ended([80.0], [20.0]).score(), [0.8])


def test_each_day_is_scored_by_its_own_target() -> None:
    episode = ended([80.0, 80.0, 80.0], [20.0, 20.0, 20.0], max_cpa=2.0)
    episode.today.campaigns.bounds["max_cpa"][:] = [2.0, 4.0, math.nan]
    np.testing.assert_allclose(episode.score(), [0.2, 0.8, 0.8], rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "changes", "excess"),
    [
        ("max_cpa", {"max_cpa": 2.0}, 1.0),  # 80 spent, 40 allowed for 20 conversions
        ("max_cpa", {"max_cpa": 5.0}, 0.0),  # 100 allowed
        ("min_roi", {"min_roi": 6.0}, 1.0),  # 6 * 80 asked, 12 * 20 brought
        ("min_roi", {"min_roi": 2.0}, 0.0),  # 160 asked, 240 brought
        ("kpi_floors", {"kpi_floors": (0.0, 0.0, 30.0)}, 0.5),  # 30 asked, 20 brought
        ("kpi_floors", {"kpi_floors": (0.0, 0.0, 10.0)}, 0.0),
    ],
)
def test_the_excess_over_a_constraint_is_relative(kind: str, changes: dict[str, Any], excess: float) -> None:
    plain = ended([80.0], [20.0])
    campaign = Campaign.model_validate({"budget": 100.0, "conversion_value": 12.0} | changes)
    plain.judge_by(CampaignBatch.repeat(campaign, 1))
    np.testing.assert_allclose(plain.violations()[kind], [excess], atol=1e-12)
    np.testing.assert_allclose(plain.violation(), [excess], atol=1e-12)


def test_money_spent_where_nothing_is_allowed_is_an_excess_of_one() -> None:
    np.testing.assert_array_equal(ended([80.0], [0.0], max_cpa=2.0).violations()["max_cpa"], [1.0])
    np.testing.assert_array_equal(ended([0.0], [0.0], max_cpa=2.0).violations()["max_cpa"], [0.0])


def test_a_tail_share_is_missed_by_what_the_wins_lack() -> None:
    """Four of ten wins should be of the tail and two are: 4 / 2 - 1."""
    episode = ended([0.0], [0.0], min_tail_share=0.4)
    episode.statistics.wins[0], episode.statistics.tail_wins[0] = 10, 2
    np.testing.assert_allclose(episode.violations()["min_tail_share"], [1.0])
    episode.statistics.tail_wins[0] = 4
    np.testing.assert_allclose(episode.violations()["min_tail_share"], [0.0], atol=1e-12)


def test_rows_of_both_prices_in_one_batch_play_as_each_alone() -> None:
    market = preset_market()
    days = market.days(np.random.default_rng(0).random((2, market.draws)))
    campaign = Campaign(budget=4.0, conversion_value=12.0)
    batch = CampaignBatch.repeat(campaign, 2)
    played = []
    for first_price in ([True, False], [True, True], [False, False]):
        batch.first_price[:] = first_price
        episode = Episode(market, preset_forecast(), 2)
        episode.begin(days, batch)
        for _ in range(3):
            episode.play(np.zeros((2, 11)))
        played.append(episode.left.copy())
    mixed, first, second = played
    assert (mixed < 4.0).all()
    np.testing.assert_array_equal(mixed, [first[0], second[1]])


def test_an_action_beyond_its_range_is_observed_at_its_end() -> None:
    market = preset_market()
    days = market.days(np.random.default_rng(0).random((2, market.draws)))
    episode = Episode(market, preset_forecast(), 2)
    episode.begin(days, CampaignBatch.repeat(Campaign(budget=4.0, conversion_value=12.0), 2))
    action = np.zeros((2, 11))
    action[:, 0] = [-2.0, -1.0]
    np.testing.assert_array_equal(feature(episode.play(action), "last_scale"), [-1.0, -1.0])

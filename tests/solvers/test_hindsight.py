"""Facts about the hindsight optimum: it is the linear program's, and nothing passes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.scalarisation import Scalarisation, utility
from bidpilot.bidding.errors import ZeroIdealPoint
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.solvers.hindsight import fractional_knapsack, hindsight_optimum, hindsight_utility

ROWS = 4


def small_days() -> DayBatch:
    """Days of 48 slots with 12 auctions each, some of them invalid."""
    market = preset_market()
    days = market.days(np.random.default_rng(0).random((ROWS, market.draws)))
    days.count[:] = 12
    return replace(days, invalid_share=np.full(days.invalid_share.shape, 0.2, np.float32))


@pytest.mark.parametrize("budget", [0.05, 1.0, 5.0, 1e4])
def test_it_equals_a_linear_program_over_the_days_auctions(budget: float) -> None:
    market, days = preset_market(), small_days()
    campaigns = CampaignBatch.repeat(preset_campaign().model_copy(update={"budget": budget}), ROWS)
    ideal = np.tile([300.0, 40.0, 1.5], (ROWS, 1))
    got = hindsight_utility(market, days, campaigns, ideal)
    for b in range(ROWS):
        day = materialise(market, days, b)
        assert (day.true.sum(axis=1) == 0).any()  # invalid traffic is worth nothing
        value = day.true.astype(np.float64) @ (campaigns.preference[b] / ideal[b])
        price = day.price.astype(np.float64)
        best = linprog(-value, A_ub=price[None], b_ub=[budget], bounds=(0, 1), method="highs")
        assert got[b] == pytest.approx(-best.fun, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.integers(0, 12),
    budget=st.floats(0, 20),
)
def test_the_knapsack_is_exact_with_free_and_worthless_auctions(seed: int, size: int, budget: float) -> None:
    rng = np.random.default_rng(seed)
    value, price = rng.integers(0, 5, size).astype(float), rng.integers(0, 5, size).astype(float)
    got = fractional_knapsack(value, price, budget)
    if size == 0:
        assert got == 0.0
        return
    best = linprog(-value, A_ub=price[None], b_ub=[budget], bounds=(0, 1), method="highs")
    assert got == pytest.approx(-best.fun, rel=1e-9, abs=1e-9)


def test_a_known_optimum() -> None:
    """Values per price 3, 2, 1 at prices 1, 2, 4: with 5 to spend, the first two and half of the last."""
    assert fractional_knapsack(np.array([4.0, 3.0, 4.0]), np.array([4.0, 1.0, 2.0]), 5.0) == 3.0 + 4.0 + 2.0


SCORES: dict[str, dict[str, Any]] = {
    "weighted_sum": {},
    "nash": {"scalarisation": Scalarisation.nash},
    "chebyshev": {"scalarisation": Scalarisation.chebyshev},
    "weighted_sum_cpa": {"max_cpa": 2.0},
    "nash_cpa": {"scalarisation": Scalarisation.nash, "max_cpa": 1.0},
    "chebyshev_cpa": {"scalarisation": Scalarisation.chebyshev, "max_cpa": 0.5},
    "conversions_cpa": {"preference": (0.0, 0.0, 1.0), "max_cpa": 1.0},
}


@pytest.mark.parametrize("auction", ["second", "first"])
@pytest.mark.parametrize("score", SCORES)
def test_no_bidder_passes_it(auction: str, score: str) -> None:
    """Random actions, random rules, flat bids, and every auction bid for: R never above R*."""
    market, days, rng = preset_market(), small_days(), np.random.default_rng(1)
    campaign = preset_campaign().model_copy(update={"budget": 2.0, "auction": auction, **SCORES[score]})
    campaigns = CampaignBatch.repeat(campaign, ROWS)
    episode = Episode(market, preset_forecast(), ROWS)
    episode.begin(days, campaigns)
    best = hindsight_optimum(market, days, campaigns, episode.today.ideal)
    assert (best.gap <= (1e-5 if campaign.max_cpa else 1e-6)).all()
    reached = 0.0
    for attempt in range(8):
        episode.begin(days, campaigns)
        for _ in range(48):
            if attempt < 2:
                episode.play(rng.uniform(-1, 1, (ROWS, 11)))
            else:
                scale = 4.0 ** (attempt - 5)
                beta = rng.uniform(0, 0.05, (ROWS, 8)) * (attempt % 2)
                alpha = episode.today.alpha if attempt < 6 else best.slope / np.abs(best.slope).max() * 0.2
                episode.play_rule(Rule(alpha * scale, rng.uniform(0.5, 2, (ROWS, 8)), beta))
        assert (episode.score() <= best.bound).all()
        reached = max(reached, float((episode.score() / best.bound).max()))
    assert reached > 0.1  # the bound is no bound by being far away


def test_the_attained_point_is_within_the_budget_and_scores_what_it_says() -> None:
    market, days = preset_market(), small_days()
    ideal = np.tile([300.0, 40.0, 1.5], (ROWS, 1))
    for changes in SCORES.values():
        campaigns = CampaignBatch.repeat(preset_campaign().model_copy(update={"budget": 2.0, **changes}), ROWS)
        best = hindsight_optimum(market, days, campaigns, ideal)
        u = utility(best.kpi, ideal, campaigns.preference, campaigns.kind)
        allowed = campaigns.bounds.get("max_cpa", np.inf) * best.kpi[:, 2]
        score = np.where(best.spend > allowed, u * np.minimum(1.0, allowed / best.spend) ** 2, u)
        np.testing.assert_allclose(best.utility, score, rtol=1e-9)
        assert (best.spend <= 2.0 * (1 + 1e-12)).all()
        assert (best.utility <= best.bound).all()
        np.testing.assert_array_equal(hindsight_utility(market, days, campaigns, ideal), best.bound)


@pytest.mark.parametrize("score", SCORES)
def test_money_and_each_kpi_have_no_unit(score: str) -> None:
    """Prices, budget and target times 8, and each KPI with its ideal point times its own power of two."""
    market, days = preset_market(), small_days()
    campaign = preset_campaign().model_copy(update={"budget": 2.0, **SCORES[score]})
    campaigns = CampaignBatch.repeat(campaign, ROWS)
    ideal, kpi = np.tile([300.0, 40.0, 1.5], (ROWS, 1)), np.array([1.0, 8.0, 8.0])
    best = hindsight_optimum(market, days, campaigns, ideal)
    scaled_days = replace(days, price_scale=days.price_scale * 8, value_scale=days.value_scale * 8)
    scaled = replace(campaigns, budget=campaigns.budget * 8)
    same = hindsight_optimum(market, scaled_days, scaled, ideal * kpi)
    np.testing.assert_allclose(same.bound, best.bound, rtol=1e-9)
    np.testing.assert_allclose(same.utility, best.utility, rtol=1e-9)
    np.testing.assert_allclose(same.spend, best.spend * 8, rtol=1e-9)


def test_a_tail_share_can_only_lower_it_and_binds_every_rule_that_keeps_it() -> None:
    market, days = preset_market(), small_days()
    campaign = preset_campaign().model_copy(update={"budget": 2.0, "scalarisation": Scalarisation.nash})
    episode = Episode(market, preset_forecast(), ROWS)
    free = CampaignBatch.repeat(campaign, ROWS)
    bound = CampaignBatch.repeat(campaign.model_copy(update={"min_tail_share": 0.7}), ROWS)
    episode.begin(days, free)
    best = hindsight_optimum(market, days, free, episode.today.ideal)
    kept = hindsight_optimum(market, days, bound, episode.today.ideal)
    assert (kept.utility < 0.999 * best.bound).all()
    tail = np.array([name.endswith("/tail") for name in market.log.segments])
    for lift in (1.0, 2.0, 4.0):
        episode.begin(days, free)
        wins = np.zeros((ROWS, len(tail)))
        for _ in range(48):
            episode.play_rule(Rule(episode.today.alpha, np.tile(np.where(tail, lift, 1.0 / lift), (ROWS, 1)), wins * 0))
            wins += episode.totals.segment_wins
        keeps = wins[:, tail].sum(axis=1) >= 0.7 * wins.sum(axis=1)
        assert (episode.score()[keeps] <= kept.bound[keeps]).all()
    assert keeps.any()


def test_a_day_without_auctions_is_worth_nothing() -> None:
    market, days = preset_market(), small_days()
    days.count[:] = 0
    for changes in SCORES.values():
        campaigns = CampaignBatch.repeat(preset_campaign().model_copy(update=changes), ROWS)
        best = hindsight_optimum(market, days, campaigns, np.ones((ROWS, 3)))
        assert (best.bound == 0).all()
        assert (best.utility == 0).all()
        assert (best.gap == 0).all()
        assert best.feasible.all()


def test_a_zero_ideal_point_is_refused() -> None:
    campaigns = CampaignBatch.repeat(preset_campaign(), ROWS)
    with pytest.raises(ZeroIdealPoint, match="conversion"):
        hindsight_utility(preset_market(), small_days(), campaigns, np.tile([1.0, 1.0, 0.0], (ROWS, 1)))

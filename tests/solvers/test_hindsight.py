"""Facts about the hindsight optimum: it is the linear program's, and nothing passes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from bidpilot.bidding.action import Rule
from bidpilot.bidding.campaign import CampaignBatch
from bidpilot.bidding.errors import InvalidCampaign
from bidpilot.bidding.scalarisation import Scalarisation
from bidpilot.envs.days import DayBatch
from bidpilot.envs.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.envs.episode import Episode
from bidpilot.envs.materialise import materialise
from bidpilot.solvers.hindsight import fractional_knapsack, hindsight_utility

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


@pytest.mark.parametrize("auction", ["second", "first"])
@pytest.mark.parametrize("feedback", ["full", "won_only"])
def test_no_bidder_passes_it(auction: str, feedback: str) -> None:
    """Random actions, random rules, flat bids, and every auction bid for: R never above R*."""
    market, days, rng = preset_market(), small_days(), np.random.default_rng(1)
    campaign = preset_campaign().model_copy(update={"budget": 2.0, "auction": auction, "feedback": feedback})
    campaigns = CampaignBatch.repeat(campaign, ROWS)
    episode = Episode(market, preset_forecast(), ROWS)
    for attempt in range(6):
        episode.begin(days, campaigns)
        best = hindsight_utility(market, days, campaigns, episode.ideal)
        for _ in range(48):
            if attempt < 2:
                episode.play(rng.uniform(-1, 1, (ROWS, 11)))
            else:
                scale = 4.0 ** (attempt - 3)
                beta = rng.uniform(0, 0.05, (ROWS, 8))
                episode.play_rule(Rule(episode.alpha * scale, rng.uniform(0.5, 2, (ROWS, 8)), beta))
        assert (episode.score() > 0).all()
        assert (episode.score() <= best * (1 + 1e-9)).all()


@pytest.mark.parametrize(
    "changes", [{"scalarisation": Scalarisation.nash}, {"scalarisation": Scalarisation.chebyshev}, {"max_cpa": 3.0}]
)
def test_what_it_does_not_cover_is_refused(changes: dict[str, Any]) -> None:
    campaigns = CampaignBatch.repeat(preset_campaign().model_copy(update=changes), ROWS)
    with pytest.raises(InvalidCampaign, match="weighted_sum"):
        hindsight_utility(preset_market(), small_days(), campaigns, np.ones((ROWS, 3)))

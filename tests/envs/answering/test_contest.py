"""Facts about the contest: it equals a plain loop, money is kept, and those who are played clear at its prices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.answering.market import rival_campaign
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.forecasting import fit_forecast
from tests.envs.answering.small import bids_paid, plain_slot, small_market, some_days, some_rule


@given(
    budget=st.sampled_from([0.0, 0.3, 2.0, 50.0]),
    rivals_left=st.sampled_from([0.0, 0.2, 1.0]),
    scale=st.sampled_from([0.3, 1.0, 3.0]),
    first_price=st.booleans(),
    played=st.sampled_from([1, 2, 7]),
)
@settings(max_examples=25, deadline=None)
def test_a_slot_equals_a_plain_loop_over_auctions_and_bidders(
    budget: float, rivals_left: float, scale: float, first_price: bool, played: int
) -> None:
    market = small_market(played, auctions_per_slot=40.0)
    days, rivals = some_days(market, markets=2)
    rivals.field.left[:] *= rivals_left
    rows = len(days)
    left, rule = np.full(rows, budget), some_rule(market, rows, scale)
    want = plain_slot(days, rivals, 0, rule, left, first_price)
    before = rivals.field.left.copy()
    rivals.answer(0, rule, left, None, bids_paid(rows, first_price))
    np.testing.assert_array_equal(rivals.slot.wins, want["wins"])
    np.testing.assert_allclose(rivals.slot.spent, want["spent"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(rivals.columns.market_price, want["prices"], rtol=1e-4, atol=1e-7)
    spent = before[:, played:] - rivals.field.left[:, played:]
    np.testing.assert_allclose(spent, want["spent"][:, played:], rtol=1e-6, atol=1e-6)
    assert (rivals.field.left >= 0).all()


@pytest.mark.parametrize("auction", ["second", "first"])
@pytest.mark.parametrize("played", [1, 3])
@pytest.mark.parametrize("late", [0, 1])
def test_what_the_episode_clears_is_what_the_contest_says(auction: str, played: int, late: int) -> None:
    market = small_market(played)
    days, rivals = some_days(market)
    forecast = fit_forecast(market, days)
    campaign = rival_campaign(market.config).model_validate(
        rival_campaign(market.config).model_dump() | {"auction": auction, "budget": 1.5, "delays": {"wins": late}}
    )
    episode = Episode(market, forecast, len(days))
    episode.begin(days, CampaignBatch.repeat(campaign, len(days)))
    for t in range(market.slots):
        episode.play_rule(some_rule(market, len(days), 1.5))
        own = rivals.slot.spent[:, :played].ravel()
        np.testing.assert_array_equal(rivals.slot.wins[:, :played].ravel(), episode.totals.wins, err_msg=str(t))
        np.testing.assert_allclose(own, episode.totals.spend, rtol=1e-12)
    assert (episode.left < 0.2).any()  # some ran out of money on the way, at the very same auction


def test_days_that_begin_anew_are_the_same() -> None:
    market = small_market()
    days, rivals = some_days(market)
    alone = rivals.columns.market_price.copy()
    rule, left = some_rule(market, len(days), 2.0), np.full(len(days), 9.0)
    played = []
    for _ in range(2):
        rivals.begin()
        np.testing.assert_array_equal(rivals.columns.market_price, alone)
        for t in range(market.slots):
            rivals.answer(t, rule, left, None, bids_paid(len(days), False))
        played.append(rivals.columns.market_price.copy())
    np.testing.assert_array_equal(played[0], played[1])
    assert (played[0] != alone).mean() > 0.5  # they answer


def test_fixed_prices_stay_what_rivals_make_alone() -> None:
    market = small_market(played=1, answering=False)
    days, rivals = some_days(market)
    alone = rivals.columns.market_price.copy()
    rivals.answer(0, some_rule(market, len(days), 2.0), np.full(len(days), 9.0), None, bids_paid(len(days), False))
    np.testing.assert_array_equal(rivals.columns.market_price, alone)


def test_a_gate_by_source_is_refused() -> None:
    market = small_market()
    days, rivals = some_days(market)
    rule = some_rule(market, len(days), 1.0)
    gated = type(rule)(rule.alpha, rule.multiplier, rule.beta, Gate.open(len(days), 1))
    with pytest.raises(InvalidMarket, match="filter"):
        rivals.answer(0, gated, np.ones(len(days)), None, bids_paid(len(days), False))

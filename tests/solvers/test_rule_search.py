"""The best scale of a rule, on days whose best scale is known, and which of two days is the better."""

from __future__ import annotations

import numpy as np

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.solvers.rule_search import Bids, Played, RulePlayer

AUCTIONS, ROWS = 1000, 2


def market() -> RecordedMarket:
    """Two days of one slot with a thousand auctions alike, of exposure 1 for prices of 1 and of 3."""
    n = AUCTIONS * ROWS
    price, one, nothing = (
        np.repeat([1.0, 3.0], AUCTIONS).astype(np.float32),
        np.ones(n, np.float32),
        np.zeros(n, np.float32),
    )
    log = AuctionLog(
        name="alike",
        market_price=price,
        exposure=one,
        true_exposure=one,
        interaction=nothing,
        conversion=nothing,
        true_interaction=nothing,
        true_conversion=nothing,
        segment=np.zeros(n, np.int16),
        source=np.zeros(n, np.int16),
        invalid=np.zeros(n, np.bool_),
        interacted=None,
        converted=None,
        offsets=np.array([[0, AUCTIONS], [AUCTIONS, n]]),
        days=(DayRecord("a", "a", 100.5, 1.0), DayRecord("b", "b", 301.5, 1.0)),
        segments=("feed/head",),
        sources=1,
    )
    return RecordedMarket(log, level_slots=1)


def test_at_first_price_the_best_bid_is_the_price_itself() -> None:
    alike = market()
    days = alike.recorded(np.arange(ROWS))
    campaign = Campaign(budget=1.0, preference=(1.0, 0.0, 0.0), auction="first")
    campaigns = CampaignBatch.repeat(campaign, ROWS, days.budget)
    player = RulePlayer(alike, days, campaigns, np.ones((ROWS, 3)))
    rule = Rule(np.tile([1.0, 0.0, 0.0], (ROWS, 1)), np.ones((ROWS, 1)), np.zeros((ROWS, 1)))
    bids = Bids.unshaded(rule, campaigns.first_price, player.slots)
    played = player.best_scale(bids, np.full(ROWS, 1.37), reach=2.0)
    np.testing.assert_array_equal(played.kpi[:, 0], 100)  # as many as the budget has prices
    np.testing.assert_array_equal(played.score, played.kpi[:, 0])
    np.testing.assert_array_equal(player.play(bids, np.full(ROWS, 0.9)).score, 0.0)
    np.testing.assert_array_equal(player.play(bids, np.full(ROWS, 4.0)).score, [25, 75])


def test_a_rule_is_played_through_its_gate_at_every_scale() -> None:
    """One source, and prices of 1 and 3 on the two days: at half of the bid twice their scale is needed to win."""
    alike = market()
    days = alike.recorded(np.arange(ROWS))
    campaigns = CampaignBatch.repeat(Campaign(budget=1.0, preference=(1.0, 0.0, 0.0)), ROWS, days.budget)
    player = RulePlayer(alike, days, campaigns, np.ones((ROWS, 3)))
    gate = Gate(np.full((ROWS, 1), 0.5), np.full((ROWS, 1), np.inf))
    rule = Rule(np.tile([1.0, 0.0, 0.0], (ROWS, 1)), np.ones((ROWS, 1)), np.zeros((ROWS, 1)), gate)
    bids = Bids.unshaded(rule, campaigns.first_price, player.slots)
    assert not player.play(bids, np.array([1.9, 5.9])).score.any()
    assert player.play(bids, np.array([2.0, 6.0])).score.all()


def test_a_day_that_keeps_its_limits_is_better_than_one_that_does_not() -> None:
    one = Played(np.array([0.5, 0.9, 0.9, 0.4]), np.zeros((4, 3)), np.array([0.0, 0.2, 0.3, 0.0]))
    other = Played(np.array([0.6, 0.1, 0.5, 0.9]), np.ones((4, 3)), np.array([0.0, 0.0, 0.1, 0.1]))
    best, takes = one.best(other)
    np.testing.assert_array_equal(takes, [True, True, True, False])
    np.testing.assert_array_equal(best.score, [0.6, 0.1, 0.5, 0.4])
    np.testing.assert_array_equal(best.kpi[:, 0], [1, 1, 1, 0])
    np.testing.assert_array_equal(best.excess, [0.0, 0.0, 0.1, 0.0])

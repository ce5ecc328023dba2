"""Facts about the references that know the future: the label is what hindsight would do, and money told is spent."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.agents.acting.residual import RESIDUAL, compose
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import BidLandscape, Forecast
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.bidding_env.oracle import Oracle
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.envs.markets.recorded.replay import RecordedMarket

ROWS = 32


def two_auctions() -> RecordedMarket:
    """A day of two slots: an auction worth 1 at price 1, then one worth 1 at price 2."""
    ones, price = np.ones(2, np.float32), np.array([1.0, 2.0], np.float32)
    return RecordedMarket(
        AuctionLog(
            name="two",
            market_price=price,
            exposure=ones,
            interaction=ones,
            conversion=ones,
            true_exposure=ones,
            true_interaction=ones,
            true_conversion=ones,
            segment=np.zeros(2, np.int16),
            source=np.zeros(2, np.int16),
            invalid=np.zeros(2, np.bool_),
            interacted=None,
            converted=None,
            offsets=np.array([[0, 1, 2]]),
            days=(DayRecord("day", "day", 3.0, 1.0),),
            segments=("feed/head",),
            sources=1,
        ),
        level_slots=1,
    )


def its_forecast() -> Forecast:
    return Forecast(
        landscape=BidLandscape(np.array([1.0, 2.0]), np.ones((2, 3)), np.zeros(2, np.int16), np.full(2, 0.5)),
        auctions=np.ones(2),
        price_curve=np.ones(2),
        history=np.ones((3, 2, 5)),
        observed=np.ones((3, 2), np.bool_),
        level_slots=1,
        segments=("feed/head",),
    )


@pytest.mark.parametrize(("budget", "bid"), [(1.0, 1.0), (3.0, 2.0)])
def test_the_label_on_a_day_of_two_auctions_is_the_bid_that_hindsight_would_make(budget: float, bid: float) -> None:
    """With 1 to spend only the auction at price 1 should be won, with 3 both: the label bids just that."""
    market, forecast = two_auctions(), its_forecast()
    campaign = Campaign(budget=budget, conversion_value=1.0, preference=(0.0, 0.0, 1.0))
    episode = Episode(market, forecast, 1)
    days = market.recorded([0])
    days.budget[:] = budget
    episode.begin(days, CampaignBatch.repeat(campaign, 1))
    label = Oracle(episode).action()
    made = episode.decoded(label).alpha[0, 2]
    assert np.log2(made / bid) == pytest.approx(0.0, abs=1.0 / curves.PER_OCTAVE)
    assert (label[0, 1:] == 0).all()


def test_labels_played_out_spend_the_budget_and_beat_the_controller() -> None:
    market = preset_market()
    days = market.days(np.random.default_rng(0).random((ROWS, market.draws)))
    campaigns = CampaignBatch.repeat(preset_campaign(), ROWS)
    episode = Episode(market, preset_forecast(), ROWS)
    agent = controller_agent("mpc")
    observation = episode.begin(days, campaigns)
    day = AgentDay(agent, ROWS, episode.segments)
    for _ in range(episode.slots):
        observation = episode.play(day.act(observation))
    controlled = episode.utility.copy()
    episode.begin(days, campaigns)
    oracle = Oracle(episode)
    for _ in range(episode.slots):
        episode.play(oracle.action())
    assert (episode.left / campaigns.budget).max() < 0.01
    assert (episode.utility > controlled * 0.999).all()
    assert episode.utility.mean() > controlled.mean() * 1.005


def test_rows_with_a_target_cost_are_labelled_with_their_own_replan() -> None:
    market, forecast, own = preset_market("daily"), preset_forecast("daily"), preset_campaign("daily")
    campaigns = CampaignBatch.of(
        [own, own.model_copy(update={"max_cpa": 3.0}), own.model_copy(update={"min_roi": 3.5})]
    )
    episode = Episode(market, forecast, 3)
    observation = episode.begin(market.days(np.random.default_rng(2).random((3, market.draws))), campaigns)
    for _ in range(6):
        observation = episode.play(compose(observation, np.zeros((3, 11), np.float32), RESIDUAL))
    replan = compose(observation, np.zeros((3, 11), np.float32), RESIDUAL)
    label = Oracle(episode).action()
    np.testing.assert_allclose(label[1:], replan[1:], atol=1e-6)
    assert abs(label[0, 0] - replan[0, 0]) > 1e-3


def test_a_target_far_above_what_the_plan_costs_leaves_the_label_to_hindsight() -> None:
    """Of one campaign: without a target, with one near its plan's cost, and with one far above it."""
    market = preset_market()
    days = market.days(np.tile(np.random.default_rng(0).random((1, market.draws)), (3, 1)))
    free = preset_campaign()
    alone = Episode(market, preset_forecast(), 3)
    alone.begin(days, CampaignBatch.repeat(free, 3))
    plan = alone.today.plan
    cost = float(plan.spend[0, -1] / plan.kpi[0, 2])
    targets = (None, cost / 0.95, cost / 0.85)
    episode = Episode(market, preset_forecast(), 3)
    episode.begin(days, CampaignBatch.of([free.model_copy(update={"max_cpa": target}) for target in targets]))
    label, own = Oracle(episode).action(), episode.observer.replanned_action()
    np.testing.assert_array_equal(label[1], own[1])
    # On this day hindsight bids more than the re-plan, with a far target as without one.
    assert (label[[0, 2], 0] > own[[0, 2], 0] + 0.1).all()

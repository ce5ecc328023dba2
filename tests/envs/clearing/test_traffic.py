"""The truth of traffic by slot and source, counted by hand and against the ground truth of the kernel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.bidding_env.oracle import InformedFilter
from bidpilot.envs.clearing.traffic import TrueTraffic
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.markets.defaults import preset_campaign, synthetic_forecast, synthetic_market
from bidpilot.envs.markets.presets import INVALID
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.envs.synthetic.config import SyntheticConfig

SMALL = SyntheticConfig(**INVALID.model_dump() | {"auctions_per_slot": 20.0, "budget": 4.0, "log_auctions": 40_000})


def recorded() -> RecordedMarket:
    """One day of two slots: source 0 sends valid, valid, invalid; then source 1 valid, and source 2 both."""
    ones = np.ones(6, np.float32)
    good = np.array([1, 1, 0, 1, 0, 1], np.float32)
    return RecordedMarket(
        AuctionLog(
            name="six",
            market_price=ones,
            exposure=ones,
            interaction=ones,
            conversion=ones,
            true_exposure=good,
            true_interaction=good,
            true_conversion=good,
            segment=np.zeros(6, np.int16),
            source=np.array([0, 0, 0, 1, 2, 2], np.int16),
            invalid=good == 0,
            interacted=None,
            converted=None,
            offsets=np.array([[0, 3, 6]]),
            days=(DayRecord("day", "day", 3.0, 1.0),),
            segments=("feed/head",),
            sources=3,
        ),
        level_slots=1,
    )


def test_requests_and_the_invalid_among_them_are_counted_by_slot_and_source() -> None:
    market = recorded()
    traffic = TrueTraffic.of(market, market.recorded([0, 0]))
    assert traffic.requests[1].tolist() == [[3, 0, 0], [0, 1, 2]]
    assert traffic.invalid[1].tolist() == [[1, 0, 0], [0, 0, 1]]
    assert not traffic.mostly_invalid.any()  # half is not more than half
    np.testing.assert_allclose(traffic.rate[0], [[1 / 3, 0, 0], [0, 0, 0.5]])


def test_the_filter_that_is_told_refuses_what_is_mostly_invalid_and_nothing_else() -> None:
    traffic = TrueTraffic(np.array([[[4, 4], [0, 2]]]), np.array([[[3, 2], [0, 2]]]))
    told = InformedFilter(traffic)
    told.begin(np.zeros(1, np.int64))
    assert told.gate(0).multiplier.tolist() == [[0.0, 1.0]]
    assert told.suspicion().tolist() == [[0.75, 0.5]]
    assert told.gate(1).multiplier.tolist() == [[1.0, 0.0]]
    assert np.isinf(told.gate(1).quota).all()


def test_the_filter_that_is_told_says_what_of_the_wins_was_invalid() -> None:
    told = InformedFilter(TrueTraffic(np.array([[[4, 4], [4, 2]]]), np.array([[[0, 2], [1, 0]]])))
    told.begin(np.zeros(1, np.int64))
    for t, (wins, events) in enumerate((([2, 2], [1, 1]), ([4, 0], [0, 0]))):
        totals = replace(SlotTotals.zeros(1, 1, 2), source_wins=np.array([wins]), source_events=np.array([events]))
        told.update(t, totals)
    np.testing.assert_allclose(told.estimates()[:, 0], [(0.5 * 2 + 0.25 * 4) / 8, 0.25, 0.5 / 2])


def test_the_counts_are_those_of_the_kernel_and_what_is_told_wins_less_that_is_invalid() -> None:
    market = synthetic_market(SMALL, seeding.LOG_HELD_OUT, 0)
    days = market.days(np.random.default_rng(3).random((4, market.draws)))
    campaigns = CampaignBatch.repeat(preset_campaign("daily"), 4, days.budget, days.conversion_value, days.bounds)
    episode, traffic = Episode(market, synthetic_forecast(SMALL, 0), 4), TrueTraffic.of(market, days)
    invalid_wins = []
    for gate in (None, InformedFilter(traffic)):
        episode.begin(days, campaigns, traffic=gate)
        won = 0
        for t in range(episode.slots):
            gate_of_slot = Gate.open(4, market.log.sources) if gate is None else None
            episode.play(np.zeros((4, 3 + episode.segments)), gate_of_slot)
            np.testing.assert_array_equal(episode.totals.source_auctions, traffic.requests[:, t])
            if gate is not None:
                refused = np.where(traffic.mostly_invalid[:, t], traffic.requests[:, t], 0)
                np.testing.assert_array_equal(episode.totals.source_refused, refused)
            won += int(episode.totals.invalid_wins.sum())
        invalid_wins.append(won)
    assert invalid_wins[1] < 0.5 * invalid_wins[0]

"""Learned rivals: the state that they see, the scaling of their data, and the bids that their weights give."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.baselines.learned.bidder import LearnedBidder, Scaling
from bidpilot.agents.baselines.learned.state import FEATURES, DayState, Usual
from bidpilot.agents.baselines.published.auctionnet import conversion_rule
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import PolicyMismatch
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from tests.training.small_logs import small_log

Floats = NDArray[np.float64]
TARGET = 1.5


def recorded(seed: int, price: float = 1.0) -> AuctionLog:
    """Days with a target each; a conversion costs about 1."""
    log = small_log("small", "conversion", units=2, price=price, seed=seed)
    return replace(log, days=tuple(replace(day, max_cpa=TARGET * price) for day in log.days))


def begun(log: AuctionLog) -> Episode:
    market = RecordedMarket(log)
    days = market.recorded(np.arange(log.n_days))
    episode = Episode(market, fit_forecast(market, days, log.days[0].conversion_value), log.n_days)
    campaign = Campaign(budget=1.0, preference=(0.0, 0.0, 1.0))
    episode.begin(days, CampaignBatch.repeat(campaign, log.n_days, days.budget, days.conversion_value, days.bounds))
    return episode


def states_of(log: AuctionLog, slots: int, alpha: float = 1.0) -> tuple[Floats, Episode]:
    """The states (slots, D, F) before the first slots of a log's days, on which everything is bid alpha for."""
    target = np.array([day.max_cpa for day in log.days], np.float64)
    state, episode = DayState(Usual.of(log), target, np.ones(log.n_days, np.bool_)), begun(log)
    found = []
    for _ in range(slots):
        found.append(state.before_slot(episode))
        episode.play_rule(conversion_rule(np.full(log.n_days, alpha), episode.segments))
    return np.array(found), episode


def test_the_state_tells_what_has_passed_by_the_auctions_themselves() -> None:
    log, alpha, slots = recorded(3), 0.9, 6
    states, _ = states_of(log, slots, alpha)
    usual = Usual.of(log)
    for d, day in enumerate(log.days):
        seen = {name: states[slots - 1, d, i] for i, name in enumerate(FEATURES)}
        passed = slice(log.offsets[d, 0], log.offsets[d, slots - 1])
        price, value = log.market_price[passed].astype(float), log.conversion[passed].astype(float)
        won = np.float32(alpha) * log.conversion[passed] >= log.market_price[passed]
        assert price[won].sum() < day.budget  # so that every bid stood in full
        assert seen["time_left"] == pytest.approx(1 - (slots - 1) / log.slots)
        assert seen["budget_left"] == pytest.approx(1 - price[won].sum() / day.budget, rel=1e-6)
        assert seen["bid_day"] == pytest.approx(np.log(alpha / TARGET))
        assert seen["price_day"] == pytest.approx(np.log(price.mean() / usual.price), abs=1e-5)
        assert seen["value_day"] == pytest.approx(np.log(value.mean() / usual.value), abs=1e-5)
        assert seen["win_rate_day"] == pytest.approx(won.mean())
        assert seen["conversions_day"] == pytest.approx(value[won].sum() * TARGET / day.budget, rel=1e-5)
        assert seen["budget_in_targets"] == pytest.approx(np.log(day.budget / TARGET))
        assert seen["cpa_over_target"] == pytest.approx(np.log(price[won].sum() / value[won].sum() / TARGET), abs=1e-5)
        last = slice(log.offsets[d, slots - 4], log.offsets[d, slots - 1])
        assert seen["price_last_three"] == pytest.approx(np.log(log.market_price[last].mean() / usual.price), abs=1e-5)


def test_before_the_first_slot_nothing_has_been_seen() -> None:
    states, _ = states_of(recorded(3), 1)
    known = {"time_left", "budget_left", "budget_in_targets", "cost_in_targets", "target_counts"}
    unseen = [i for i, name in enumerate(FEATURES) if name not in known]
    np.testing.assert_array_equal(states[0][:, unseen], 0.0)


def test_later_slots_change_no_state_before_them() -> None:
    log, later = recorded(5), 7
    order = np.arange(log.n)
    for d in range(log.n_days):
        order[log.offsets[d, later] : log.offsets[d, -1]] = order[log.offsets[d, later] : log.offsets[d, -1]][::-1]
    value = log.conversion[order]
    other = replace(log, market_price=log.market_price[order], conversion=value, true_conversion=value)
    one, two = states_of(log, later + 4)[0], states_of(other, later + 4)[0]
    np.testing.assert_array_equal(one[: later + 1], two[: later + 1])
    assert not np.array_equal(one, two)


def bidder(log: AuctionLog, scale: float = 0.3, price: float = 1.0) -> LearnedBidder:
    """A random network on the states of a log, whose money is `price` times that of others."""
    rng = np.random.default_rng(1)
    sizes = (len(FEATURES), 8, 1)
    weights = tuple((scale * rng.standard_normal(shape)).astype(np.float32) for shape in pairwise(sizes))
    network = Mlp(weights, tuple(np.zeros(n, np.float32) for n in sizes[1:]))
    bids = np.log(rng.uniform(0.3, 1.5, (2, log.slots)))
    return LearnedBidder(network, Scaling.of(states_of(log, 12, price)[0], bids), Usual.of(log))


def test_no_unit_of_money_matters() -> None:
    played = []
    for price in (1.0, 8.0):
        log, episode = recorded(4, price), begun(recorded(4, price))
        rule = bidder(log, price=price).rule_of(np.full(2, TARGET * price), np.ones(2, np.bool_))
        for _ in range(episode.slots):
            episode.play_rule(rule(episode))
        played.append((episode.kpi.copy(), episode.left / price))
    np.testing.assert_allclose(played[0][0], played[1][0], rtol=1e-6)
    np.testing.assert_allclose(played[0][1], played[1][1], rtol=1e-6, atol=1e-9)


def test_scaling_takes_the_bids_of_the_data_to_the_learners_range_and_back() -> None:
    bids = np.random.default_rng(0).normal(-0.2, 0.5, (50, 48))
    scaling = Scaling.of(np.tile(np.array([1.0, 2.0]), (50, 48, 1)), bids)
    inner = bids[(bids > scaling.least) & (bids < scaling.most)]
    assert len(inner) >= 0.99 * bids.size
    np.testing.assert_allclose(scaling.bids(scaling.actions(inner)), inner, rtol=1e-9)
    assert np.abs(scaling.actions(bids)).max() == 1.0
    np.testing.assert_array_equal(scaling.states(np.array([[9.0, -9.0]])), 0.0)  # cut to what was seen


def test_a_bid_is_never_outside_of_what_the_data_had() -> None:
    log = recorded(4)
    made, rng = bidder(log, 50.0), np.random.default_rng(2)
    alpha = made.alpha(rng.normal(0, 100, (500, len(FEATURES))), np.full(500, TARGET)) / TARGET
    assert alpha.min() >= np.exp(made.scaling.least) * (1 - 1e-6)
    assert alpha.max() <= np.exp(made.scaling.most) * (1 + 1e-6)
    assert alpha.max() > alpha.min()


def test_weights_that_are_stored_bid_the_same(tmp_path: Path) -> None:
    made = bidder(recorded(4))
    made.save(tmp_path / "iql.npz")
    states = np.random.default_rng(2).normal(0, 1, (20, len(FEATURES)))
    again = LearnedBidder.load(tmp_path / "iql.npz")
    np.testing.assert_array_equal(again.alpha(states, np.ones(20)), made.alpha(states, np.ones(20)))


def test_a_file_that_holds_no_rival_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "iql.npz"
    path.write_text("nothing")
    with pytest.raises(PolicyMismatch, match="holds no learned rival"):
        LearnedBidder.load(path)
    made = bidder(recorded(4))
    made.save(path)
    with np.load(path) as data:
        arrays = {**data, "features": np.array(("hour", *FEATURES[1:]))}
    np.savez(path, **arrays)
    with pytest.raises(PolicyMismatch, match="reads other states"):
        LearnedBidder.load(path)

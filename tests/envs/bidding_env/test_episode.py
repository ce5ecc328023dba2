"""Facts about a day: clearing, budget, rewards, seeds, and what may be known when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog
from stable_baselines3.common.env_checker import check_env as check_env_sb3

import bidpilot  # noqa: F401 - registers the environments
from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.day.features import feature
from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.rule import Rule
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.solvers.hindsight import fractional_knapsack, hindsight_utility

ROWS = 6
GRID_ERROR = 1e-4  # of a utility: curves have 8 points to the octave


def _days(market: Market, rows: int = ROWS, seed: int = 5) -> DayBatch:
    return market.days(np.random.default_rng(seed).random((rows, market.draws)))


def _play(
    market: Market, forecast: Forecast, campaign: Campaign, actions: NDArray[np.float64], days: DayBatch | None = None
) -> tuple[Episode, NDArray[np.float32], NDArray[np.int64]]:
    days = days or _days(market)
    episode = Episode(market, forecast, len(days))
    observations = [episode.begin(days, CampaignBatch.repeat(campaign, len(days)))]
    wins = []
    for action in actions:
        observations.append(episode.play(action))
        wins.append(episode.totals.wins.copy())
    return episode, np.array(observations), np.array(wins)


def _actions(seed: int = 1, rows: int = ROWS) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(-1, 1, (48, rows, 11))


@pytest.fixture(scope="module")
def forecast() -> Forecast:
    return preset_forecast()


@settings(max_examples=25, deadline=None)
@given(
    budget=st.floats(1e-3, 1e4),
    scale=st.floats(-1, 1),
    auction=st.sampled_from(["second", "first"]),
    seed=st.integers(0, 99),
)
def test_spend_never_passes_the_budget(budget: float, scale: float, auction: str, seed: int) -> None:
    market, campaign = preset_market(), preset_campaign().model_copy(update={"budget": budget, "auction": auction})
    action = np.zeros((48, 2, 11))
    action[..., 0] = scale
    episode, _, _ = _play(market, preset_forecast(), campaign, action, _days(market, 2, seed))
    assert (episode.left >= 0).all()
    assert (episode.statistics.spend[-1] <= budget).all()
    np.testing.assert_allclose(episode.statistics.spend[-1] + episode.left, budget, rtol=1e-9)


def test_clearing_equals_a_plain_loop_over_auctions(forecast: Forecast) -> None:
    market, campaign = preset_market(), preset_campaign()
    days = _days(market, 2)
    episode = Episode(market, forecast, 2)
    episode.begin(days, CampaignBatch.repeat(campaign, 2))
    rng = np.random.default_rng(0)
    rule = Rule(episode.today.alpha * 1.3, rng.uniform(0.5, 1.5, (2, 8)), rng.uniform(0, 0.01, (2, 8)))
    for _ in range(3):
        episode.play_rule(rule)
    for row in range(2):
        day = materialise(market, days, row)
        left, wins, kpi = float(campaign.budget), 0, np.zeros(3)
        for i in np.flatnonzero(day.slot < 3):
            s = day.segment[i]
            bid = rule.multiplier[row, s] * float(day.predicted[i] @ rule.alpha[row]) + rule.beta[row, s]
            if min(bid, left) >= day.price[i]:
                left -= float(day.price[i])
                wins += 1
                kpi += day.true[i]
        assert episode.statistics.wins[3, row] == wins
        np.testing.assert_allclose(episode.left[row], left, rtol=1e-9)
        np.testing.assert_allclose(episode.kpi[row], kpi, rtol=1e-5)


@pytest.mark.parametrize("offset", [0.0, -1e-6])
def test_a_tie_wins_and_just_below_loses(forecast: Forecast, offset: float) -> None:
    market = preset_market()
    days = _days(market, 1)
    days.count[:, 0] = 1
    episode = Episode(market, forecast, 1)
    episode.begin(days, CampaignBatch.repeat(preset_campaign(), 1))
    price = float(materialise(market, days, 0).price[0])
    rule = Rule(np.zeros((1, 3)), np.ones((1, 8)), np.full((1, 8), price + offset))
    episode.play_rule(rule)
    assert episode.totals.wins[0] == (1 if offset == 0 else 0)


def test_second_price_never_pays_more_than_the_bid_and_first_price_pays_it(forecast: Forecast) -> None:
    market = preset_market()
    for auction in ("second", "first"):
        campaign = preset_campaign().model_copy(update={"auction": auction})
        episode, _, _ = _play(market, forecast, campaign, np.zeros((48, ROWS, 11)))
        paid, committed = episode.statistics.spend[-1], episode.statistics.committed[-1]
        if auction == "second":
            assert (paid < committed).all()
        else:
            np.testing.assert_allclose(paid, committed, rtol=1e-14)


def test_higher_bids_never_win_less_when_budget_is_ample(forecast: Forecast) -> None:
    market, campaign = preset_market(), preset_campaign().model_copy(update={"budget": 1e6})
    days, previous = _days(market), np.zeros(ROWS)
    episode = Episode(market, forecast, ROWS)
    for bid in (0.01, 0.02, 0.05, 0.2, 1.0):
        episode.begin(days, CampaignBatch.repeat(campaign, ROWS))
        rule = Rule(np.zeros((ROWS, 3)), np.ones((ROWS, 8)), np.full((ROWS, 8), bid))
        for _ in range(48):
            episode.play_rule(rule)
        wins = episode.statistics.wins[-1].copy()
        assert (wins > previous).all()
        previous = wins


@pytest.mark.parametrize("kind", list(Scalarisation))
@pytest.mark.parametrize("max_cpa", [None, 3.0])
def test_rewards_of_a_day_sum_to_the_score_over_the_plans_utility(kind: Scalarisation, max_cpa: float | None) -> None:
    campaign = preset_campaign().model_copy(update={"scalarisation": kind, "max_cpa": max_cpa})
    env = BiddingVectorEnv(ROWS, preset_market(), preset_forecast(), campaign)
    env.reset(seed=3)
    total = np.zeros(ROWS)
    for action in _actions():
        _, reward, ended, _, info = env.step(action)
        total += reward
    final = info["final_info"]
    assert ended.all()
    np.testing.assert_allclose(total, final["score"] / final["plan_utility"], rtol=1e-12)
    if max_cpa is None:
        np.testing.assert_array_equal(final["score"], final["utility"])
    else:
        assert (final["score"] < final["utility"]).all()


def test_a_row_equals_the_single_environment_of_its_seed() -> None:
    vector = gym.make_vec("bidpilot/Bidding-v0", num_envs=3, vectorization_mode="vector_entry_point")
    observation, _ = vector.reset(seed=10)
    actions = _actions(rows=3)
    single = gym.make("bidpilot/Bidding-v0")
    alone, _ = single.reset(seed=12)
    np.testing.assert_array_equal(observation[2], alone)
    for action in actions[:47]:
        observation, reward, *_ = vector.step(action)
        alone, alone_reward, *_ = single.step(action[2].astype(np.float64))
        np.testing.assert_array_equal(observation[2], alone)
        assert reward[2] == alone_reward


def test_the_same_seed_gives_the_same_trajectory_and_another_does_not(forecast: Forecast) -> None:
    runs = []
    for seed in (4, 4, 5):
        env = BiddingVectorEnv(2)
        first, _ = env.reset(seed=seed)
        runs.append(np.array([first] + [env.step(a)[0] for a in _actions(rows=2)]))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_streams_of_training_validation_tuning_and_suites_are_disjoint() -> None:
    domains = [seeding.TRAINING, seeding.VALIDATION, seeding.FORECAST, seeding.CAMPAIGNS, seeding.TUNING]
    domains += [seeding.VALIDATION_WORLDS, seeding.VERDICT, seeding.VERDICT_WORLDS, seeding.BANDS]
    domains += [seeding.suite_domain(name) for name in ("steady", "daily")]
    assert len(set(domains)) == len(domains)
    draws = np.concatenate([seeding.stream(d, s).random(1000) for d in domains for s in range(4)])
    assert len(np.unique(draws)) == draws.size


@pytest.mark.parametrize("name", CONTROLLERS)
def test_actions_before_a_slot_do_not_depend_on_the_day_after_it(name: str, forecast: Forecast) -> None:
    market, cut = preset_market(), 20
    days = _days(market)
    later = np.arange(48)
    later[cut:] = np.random.default_rng(0).permutation(later[cut:])
    fields = ("start", "count", "price_scale", "value_scale", "invalid_share", "invalid_source")
    moved: dict[str, Any] = {field: np.ascontiguousarray(getattr(days, field)[:, later]) for field in fields}
    shuffled = replace(days, **moved)
    played, seen = [], []
    for batch in (days, shuffled):
        agent = controller_agent(name)
        episode = Episode(market, forecast, ROWS)
        observation = episode.begin(batch, CampaignBatch.repeat(preset_campaign(), ROWS), replan=agent.replan)
        day = AgentDay(agent, ROWS, 8)
        actions, observations = [], []
        for _ in range(48):
            observations.append(observation)
            actions.append(np.array(day.act(observation)))
            observation = episode.play(actions[-1])
        played.append(np.array(actions))
        seen.append(np.array(observations))
    np.testing.assert_array_equal(seen[0][: cut + 1], seen[1][: cut + 1])
    np.testing.assert_array_equal(played[0][: cut + 1], played[1][: cut + 1])
    if name != "plan":
        assert (played[0][cut + 1 :] != played[1][cut + 1 :]).any()


def test_gymnasium_and_sb3_accept_the_environment() -> None:
    check_env(gym.make("bidpilot/Bidding-v0").unwrapped)
    check_env_sb3(gym.make("bidpilot/Bidding-v0"))
    env = gym.make("bidpilot/Bidding-v0", render_mode="rgb_array")
    env.reset(seed=0)
    env.step(np.zeros(11))
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.shape == (480, 720, 3)
    assert picture.std() > 0


def test_the_vector_reward_is_the_kpi_gained_over_the_ideal_point() -> None:
    env = gym.make("bidpilot/MOBidding-v0").unwrapped
    env.reset(seed=0)
    total = np.zeros(3)
    for _ in range(48):
        reward = np.asarray(env.step(np.zeros(11))[1])
        assert reward.shape == (3,)
        total += reward
    episode = env.vector.episode  # type: ignore[attr-defined]
    np.testing.assert_allclose(total, (episode.kpi / episode.today.ideal)[0], rtol=1e-5)


def test_hindsight_equals_a_linear_program_and_bounds_every_agent(forecast: Forecast) -> None:
    rng = np.random.default_rng(0)
    value, price = rng.random(300), rng.random(300)
    best = linprog(-value, A_ub=price[None], b_ub=[20.0], bounds=(0, 1))
    assert fractional_knapsack(value, price, 20.0) == pytest.approx(-best.fun, rel=1e-9)
    market, campaign = preset_market(), preset_campaign()
    days = _days(market, 32)
    episode = Episode(market, forecast, 32)
    campaigns = CampaignBatch.repeat(campaign, 32)
    for name in CONTROLLERS:
        agent = controller_agent(name)
        observation = episode.begin(days, campaigns, replan=agent.replan)
        day = AgentDay(agent, 32, 8)
        for _ in range(48):
            observation = episode.play(day.act(observation))
        assert (episode.score() <= hindsight_utility(market, days, campaigns, episode.today.ideal)).all()


def test_the_plan_expects_to_spend_the_budget_and_zero_action_bids_it(forecast: Forecast) -> None:
    episode, _, _ = _play(preset_market(), forecast, preset_campaign(), np.zeros((1, ROWS, 11)))
    assert episode.today.plan.spend[0, -1] == pytest.approx(preset_campaign().budget, rel=0.01)
    np.testing.assert_array_equal(episode.rule.alpha, episode.today.alpha)
    np.testing.assert_array_equal(episode.rule.multiplier, 1.0)


def test_reports_lag_by_the_delay_and_reserve_what_is_pending(forecast: Forecast) -> None:
    campaign = preset_campaign().model_copy(update={"delays": Delays(wins=2)})
    episode, observations, _ = _play(preset_market(), forecast, campaign, np.zeros((10, ROWS, 11)))
    settled = 1 - episode.statistics.spend[8] / campaign.budget
    np.testing.assert_allclose(feature(observations[10], "budget_left"), settled, rtol=1e-6)
    assert (feature(observations[10], "budget_free") < feature(observations[10], "budget_left")).all()


def test_money_held_for_late_wins_is_not_bid_and_comes_back_at_its_price(forecast: Forecast) -> None:
    """Bids of three times the plan's: a prompt row spends all; a late one stops where bids held leave nothing."""
    rule_of = np.zeros((ROWS, 11))
    rule_of[:, 0] = np.log(3.0) / 1.5
    spent = {}
    for delay in (0, 2):
        campaign = preset_campaign().model_copy(update={"delays": Delays(wins=delay)})
        episode = Episode(preset_market(), forecast, ROWS)
        episode.begin(_days(preset_market()), CampaignBatch.repeat(campaign, ROWS))
        for t in range(48):
            episode.play(rule_of)
            s = episode.statistics
            told = s.spend[max(t + 1 - delay, 0)]
            held = s.committed[t + 1] - s.committed[max(t + 1 - delay, 0)] if delay else 0.0
            assert (told + held <= campaign.budget * (1 + 1e-9)).all()
            np.testing.assert_allclose(episode.left, campaign.budget - s.spend[t + 1], rtol=1e-9, atol=1e-9)
        spent[delay] = s.spend[-1]
    assert (spent[0] > 0.99 * campaign.budget).all()
    assert (spent[2] < spent[0]).any()


def test_first_price_bids_are_shaded_at_the_price_level_believed(forecast: Forecast) -> None:
    """What was paid for the slot's wins at a level of 4 is what a mean price four times as high would shade to."""
    campaign = preset_campaign().model_copy(update={"auction": "first"})
    episode = Episode(preset_market(), forecast, ROWS)
    episode.begin(_days(preset_market()), CampaignBatch.repeat(campaign, ROWS))
    action = np.zeros((ROWS, 11))
    np.testing.assert_array_equal(episode.decoded(action).price_level, 1.0)
    for _ in range(2):
        episode.play(action)
    level = episode.statistics.price_level()
    np.testing.assert_array_equal(episode.decoded(action).price_level, level)
    assert len(np.unique(level)) == ROWS
    rule = replace(episode.decoded(action), price_level=np.full(ROWS, 4.0))
    spend = []
    at_one = replace(rule, price_level=None)
    for unit, played in ((1.0, rule), (4.0, at_one), (1.0, at_one)):
        episode.begin(_days(preset_market()), CampaignBatch.repeat(campaign, ROWS))
        usual = episode.today.first_price
        episode.today = replace(episode.today, first_price=usual._replace(unit=usual.unit * unit))
        episode.play_rule(played)
        spend.append(episode.totals.spend.copy())
    np.testing.assert_array_equal(spend[0], spend[1])
    assert (spend[0] != spend[2]).all()


def test_prices_are_hidden_where_only_wins_are_reported(forecast: Forecast) -> None:
    campaign = preset_campaign().model_copy(update={"feedback": "won_only"})
    _, observations, _ = _play(preset_market(), forecast, campaign, np.zeros((10, ROWS, 11)))
    for name in ("ratio_50", "ratio_99", "price_block", "price_day"):
        assert (feature(observations[10], name) == 0).all()
    assert (feature(observations[10], "value_block") != 0).all()


def test_an_environment_without_rows_or_forecast_is_refused() -> None:
    with pytest.raises(InvalidMarket, match="num_envs"):
        BiddingVectorEnv(0)
    with pytest.raises(InvalidMarket, match="forecast"):
        BiddingVectorEnv(1, market=preset_market())

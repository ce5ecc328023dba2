"""Facts about the environments' interfaces: rows, seeds, days that follow one another, vector rewards, memory."""

from __future__ import annotations

import tracemalloc
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

import bidpilot  # noqa: F401 - registers the environments
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.day.features import POSITION, bounds
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.errors import InvalidAction, InvalidMarket, PolicyMismatch
from bidpilot.envs.bidding_env.constraint_prices import ConstraintPrices
from bidpilot.envs.bidding_env.env import BiddingEnv, BiddingVectorEnv, MOBiddingVectorEnv
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.recorded.recombined import RecombinedMarket
from bidpilot.envs.markets.recorded.replay import RecordedMarket

ROWS, ACTIONS = 3, 11


def make_vec(name: str = "Bidding", rows: int = ROWS, **setting: Any) -> Any:
    return gym.make_vec(f"bidpilot/{name}-v0", num_envs=rows, vectorization_mode="vector_entry_point", **setting)


def random_actions(steps: int, rows: int = ROWS, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, (steps, rows, ACTIONS)).astype(np.float32)


def recorded_log(days: int = 5, slots: int = 16, size: int = 60) -> AuctionLog:
    """Recorded days with budgets of their own, cut from the default market's log."""
    log, n = preset_market().log, days * slots * size
    columns = {name: getattr(log, name)[:n] for name in ("market_price", "exposure", "interaction", "conversion")}
    true = {f"true_{name}": columns[name] for name in ("exposure", "interaction", "conversion")}
    offsets = np.arange(0, n + 1, size)
    return AuctionLog(
        name="recorded",
        **columns,
        **true,
        segment=log.segment[:n],
        source=log.source[:n],
        invalid=np.zeros(n, np.bool_),
        interacted=None,
        converted=None,
        offsets=np.stack([offsets[d * slots : (d + 1) * slots + 1] for d in range(days)]),
        days=tuple(DayRecord(f"day {d}", f"day {d}", 3.0 + d, 10.0 + d) for d in range(days)),
        segments=log.segments,
        sources=log.sources,
    )


@pytest.mark.parametrize("name", ["Bidding", "MOBidding"])
def test_the_vector_interface_is_as_it_declares(name: str) -> None:
    env = make_vec(name)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert env.num_envs == ROWS
    assert env.observation_space == gym.vector.utils.batch_space(env.single_observation_space, ROWS)
    assert env.action_space == gym.vector.utils.batch_space(env.single_action_space, ROWS)
    low, high = bounds(env.single_action_space.shape[0] - 3)
    np.testing.assert_array_equal(env.single_observation_space.low, low)
    np.testing.assert_array_equal(env.single_observation_space.high, high)
    observation, info = env.reset(seed=0)
    assert observation in env.observation_space
    assert info == {}
    for t, action in enumerate(random_actions(100)):
        assert action in env.action_space
        observation, reward, terminated, truncated, info = env.step(action)
        assert observation.dtype == np.float32
        assert observation in env.observation_space
        assert reward.shape == ((ROWS,) if name == "Bidding" else (ROWS, 3))
        assert np.isfinite(reward).all()
        assert terminated.shape == truncated.shape == (ROWS,)
        assert terminated.dtype == truncated.dtype == np.bool_
        assert not truncated.any()
        assert terminated.all() == terminated.any() == ((t + 1) % 48 == 0)
        assert bool(info) == terminated.any()
    env.close()


def test_the_last_step_of_a_day_returns_the_next_day_and_keeps_the_last_observation() -> None:
    """The last observation is the finished day's, and nothing of it changes when the next day is played."""
    env, single = make_vec(), gym.make("bidpilot/Bidding-v0")
    env.reset(seed=20)
    single.reset(seed=21)
    for action in random_actions(48):
        observation, _, _, _, info = env.step(action)
        last, _, terminated, _, final = single.step(action[1])
    assert terminated
    np.testing.assert_array_equal(info["final_obs"][1], last)
    assert info["_final_obs"].all()
    for key in ("score", "utility", "spend", "kpi"):
        np.testing.assert_array_equal(info["final_info"][key][1], final[key])
    kept = {key: np.copy(info["final_info"][key]) for key in ("score", "spend", "kpi")}
    following, _ = single.reset()
    np.testing.assert_array_equal(observation[1], following)
    env.step(random_actions(1)[0])
    for key, value in kept.items():
        np.testing.assert_array_equal(info["final_info"][key], value)


def test_each_row_may_have_its_own_seed_and_days_differ() -> None:
    env = make_vec()
    observation, _ = env.reset(seed=[7, 3, 7])
    after, *_ = env.step(np.zeros((ROWS, ACTIONS), np.float32))
    np.testing.assert_array_equal(after[0], after[2])
    assert (after[0] != after[1]).any()
    again, _ = make_vec().reset(seed=[7, 3, 7])
    np.testing.assert_array_equal(observation, again)
    with pytest.raises(InvalidMarket, match="2 seeds for 3 rows"):
        env.reset(seed=[1, 2])


def test_rows_of_a_group_play_the_day_of_its_first_row_and_groups_play_others() -> None:
    env, alone = (make_vec(rows=4, group=group) for group in (2, 1))
    env.reset(seed=7)
    alone.reset(seed=7)
    action = np.zeros((4, ACTIONS), np.float32)
    for _ in range(48 + 5):  # the next day is drawn by the same rule
        observation, reward, *_ = env.step(action)
        own, own_reward, *_ = alone.step(action)
        np.testing.assert_array_equal(observation[[1, 3]], observation[[0, 2]])
        np.testing.assert_array_equal(observation[[0, 2]], own[[0, 2]])
        np.testing.assert_array_equal(reward[[0, 0, 2, 2]], reward)
        np.testing.assert_array_equal(reward[[0, 2]], own_reward[[0, 2]])
        assert reward[0] != reward[2]
    env.group = 1
    while env.episode.t > 0:
        observation, *_ = env.step(action)
    assert len(np.unique(env.uniforms[:, 0])) == 4


@pytest.mark.parametrize("group", [0, 3, 8])
def test_groups_that_do_not_divide_the_rows_are_refused(group: int) -> None:
    with pytest.raises(InvalidMarket, match=f"groups of {group} do not divide 4 rows"):
        make_vec(rows=4, group=group)


@pytest.mark.parametrize("kind", list(Scalarisation))
@pytest.mark.parametrize("auction", ["second", "first"])
def test_a_row_with_its_own_budget_equals_the_single_environment(kind: Scalarisation, auction: str) -> None:
    """Days of a log have budgets of their own, so each row has its own plan, whatever rows are beside it."""
    log = recorded_log()
    market, recorded = RecombinedMarket(log), RecordedMarket(log)
    forecast = fit_forecast(recorded, recorded.recorded(np.arange(log.n_days)))
    campaign = Campaign.model_validate({"budget": 1.0, "scalarisation": kind, "auction": auction})
    vector = BiddingVectorEnv(4, market, forecast, campaign)
    single = BiddingEnv(market=market, forecast=forecast, campaign=campaign)
    observation, _ = vector.reset(seed=9)
    alone, _ = single.reset(seed=11)
    assert len(np.unique(vector.episode.today.campaigns.budget)) == 4
    for action in random_actions(8, rows=4):
        np.testing.assert_array_equal(observation[2], alone)
        observation, reward, *_ = vector.step(action)
        alone, alone_reward, *_ = single.step(action[2])
        assert reward[2] == alone_reward


def test_the_vector_reward_weighs_to_the_scalar_one() -> None:
    """The preference times MOBidding's rewards is Bidding's reward times the plan's utility."""
    several, scalar = make_vec("MOBidding"), make_vec()
    several.reset(seed=4)
    scalar.reset(seed=4)
    preference = np.array(preset_campaign().preference)
    for action in random_actions(47):
        parts = several.step(action)[1]
        assert (parts >= 0).all()
        want = scalar.step(action)[1] * scalar.unwrapped.episode.today.plan_utility
        np.testing.assert_allclose(parts @ preference, want, rtol=1e-9, atol=1e-12)


def test_the_multi_objective_environment_follows_mo_gymnasiums_conventions() -> None:
    env = gym.make("bidpilot/MOBidding-v0")
    space = cast("gym.spaces.Box", env.get_wrapper_attr("reward_space"))
    assert space.shape == (3,)
    assert env.get_wrapper_attr("reward_dim") == 3
    env.reset(seed=0)
    reward = np.asarray(env.step(np.zeros(ACTIONS, np.float32))[1])
    assert reward.dtype == np.float32
    assert reward in space
    assert MOBiddingVectorEnv(2).reward_space == space


def test_mo_gymnasium_accepts_the_environment() -> None:
    mo_gym = pytest.importorskip("mo_gymnasium", reason="mo-gymnasium is not installed")
    env = mo_gym.wrappers.LinearReward(mo_gym.make("bidpilot/MOBidding-v0"), weight=np.array([0.2, 0.3, 0.5]))
    env.reset(seed=0)
    _, reward, _, _, info = env.step(np.zeros(ACTIONS, np.float32))
    assert reward == pytest.approx(float(info["vector_reward"] @ [0.2, 0.3, 0.5]))


def test_no_step_without_a_day() -> None:
    for env in (BiddingVectorEnv(2), BiddingEnv()):
        with pytest.raises(gym.error.ResetNeeded):
            env.step(np.zeros((2, ACTIONS) if isinstance(env, BiddingVectorEnv) else ACTIONS))
    single = BiddingEnv()
    single.reset(seed=0)
    for _ in range(48):
        single.step(np.zeros(ACTIONS))
    with pytest.raises(gym.error.ResetNeeded):
        single.step(np.zeros(ACTIONS))


@pytest.mark.parametrize("bad", [np.zeros((ROWS, 12)), np.zeros((2, ACTIONS)), np.full((ROWS, ACTIONS), np.nan)])
def test_an_action_of_another_shape_or_not_finite_is_refused(bad: NDArray[np.float64]) -> None:
    env = make_vec()
    env.reset(seed=0)
    with pytest.raises(InvalidAction):
        env.step(bad)


def test_actions_beyond_their_bounds_are_clipped() -> None:
    results = []
    for scale in (1.0, 5.0):
        env = make_vec()
        env.reset(seed=0)
        results.append([env.step(scale * np.sign(action))[0] for action in random_actions(5)])
    np.testing.assert_array_equal(results[0], results[1])


def test_rendering_needs_its_mode_and_pictures_change_with_the_day() -> None:
    with pytest.raises(InvalidMarket, match="render_mode"):
        BiddingVectorEnv(1).render()
    env = make_vec(rows=2, render_mode="rgb_array")
    env.reset(seed=0)
    pictures = []
    for action in random_actions(2, rows=2):
        env.step(action)
        pictures.append(env.render()[0])
    assert pictures[0].dtype == np.uint8
    assert pictures[0].shape[2] == 3
    assert (pictures[0] != pictures[1]).any()


def test_an_episode_needs_one_day_and_one_campaign_per_row() -> None:
    market = preset_market()
    days = market.days(np.random.default_rng(0).random((2, market.draws)))
    episode = Episode(market, preset_forecast(), 3)
    with pytest.raises(InvalidMarket, match="2 days"):
        episode.begin(days, CampaignBatch.repeat(preset_campaign(), 3))
    log = recorded_log()
    with pytest.raises(PolicyMismatch, match="48 slots"):
        Episode(RecordedMarket(log), preset_forecast(), 1)


def test_stepping_allocates_nothing_that_grows_with_auctions() -> None:
    """Python and NumPy memory at its peak during a slot: the same for 200 auctions a row as for 20,000."""
    market = preset_market()
    days = market.days(np.random.default_rng(0).random((2, market.draws)))
    peaks = []
    for size in (200, 20_000):
        episode = Episode(market, preset_forecast(), 2)
        days.start[:], days.count[:] = 0, size
        episode.begin(days, CampaignBatch.repeat(preset_campaign(), 2))
        action = np.zeros((2, ACTIONS))
        episode.play(action)
        tracemalloc.start()
        try:
            episode.play(action)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert episode.totals.auctions.tolist() == [20_000, 20_000]
    assert abs(peaks[1] - peaks[0]) < 4096


@pytest.mark.parametrize("shaped", [{"regret": True}, {"prices": ConstraintPrices()}], ids=["regret", "prices"])
def test_a_vector_reward_is_not_shaped(shaped: dict[str, Any]) -> None:
    with pytest.raises(InvalidMarket, match="shape one reward"):
        MOBiddingVectorEnv(2, **shaped)


def test_the_observation_holds_the_re_plan_that_is_asked_for() -> None:
    """Of all features the re-plan's alone differ; a row of many has to the last bit what it has alone."""
    usual, adaptive = (BiddingVectorEnv(3, replan=replan) for replan in Replan)
    alone = [BiddingVectorEnv(1, replan=Replan.ADAPTIVE) for _ in range(3)]
    seen, theirs = usual.reset(seed=5)[0], adaptive.reset(seed=5)[0]
    single = [env.reset(seed=5 + b)[0] for b, env in enumerate(alone)]
    replanned = [POSITION["replan"], POSITION["replan_change"]]
    for _ in range(47):
        np.testing.assert_array_equal(np.delete(seen, replanned, axis=1), np.delete(theirs, replanned, axis=1))
        assert (seen[:, replanned] != theirs[:, replanned]).all()
        np.testing.assert_array_equal(theirs, np.concatenate(single))
        action = np.zeros((3, 11), np.float32)
        seen, theirs = usual.step(action)[0], adaptive.step(action)[0]
        single = [env.step(action[:1])[0] for env in alone]

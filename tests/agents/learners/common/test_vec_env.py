"""The adapter: the same days, rewards and observations as the vector environment, in stable-baselines3's form."""

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.hidden import seen_features
from bidpilot.agents.acting.residual import RESIDUAL, RESIDUAL_REACH, RESIDUALS, Base, Residual
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.bidding.day.action import action_size
from bidpilot.bidding.day.features import FEATURES, POSITION, bounds, feature_names
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROWS = 3


def vector() -> BiddingVectorEnv:
    return BiddingVectorEnv(ROWS, preset_market("steady"), preset_forecast("steady"), preset_campaign("steady"))


def adapter(residual: Residual | None = None, seed: int = 5, hidden: tuple[str, ...] = ()) -> BiddingVecEnv:
    env = BiddingVecEnv(vector(), residual, seen_features(hidden, vector().episode.segments))
    env.seed(seed)
    return env


def env_size() -> int:
    """Features F of an observation."""
    return len(feature_names(vector().episode.segments))


def actions(env: BiddingVecEnv, count: int, seed: int = 0) -> NDArray[np.float32]:
    size = (count, ROWS, action_size(env.vector.episode.segments))
    return np.random.default_rng(seed).uniform(-1, 1, size).astype(np.float32)


def test_a_plain_adapter_plays_the_vector_environment_step_for_step() -> None:
    env, own = adapter(), vector()
    seen, expected = env.reset(), own.reset(seed=5)[0]
    np.testing.assert_array_equal(seen, expected)
    for action in actions(env, 60):
        seen, reward, done, _ = env.step(action)
        expected, own_reward, own_done, _, _ = own.step(action)
        np.testing.assert_array_equal(seen, expected)
        np.testing.assert_array_equal(reward, own_reward)
        np.testing.assert_array_equal(done, own_done)


def test_infos_are_empty_within_a_day_and_hold_its_end_at_its_end() -> None:
    env = adapter()
    env.reset()
    earned = np.zeros(ROWS)
    for t, action in enumerate(actions(env, env.vector.episode.slots), start=1):
        observation, reward, done, infos = env.step(action)
        earned += reward
        if t < env.vector.episode.slots:
            assert not done.any()
            assert infos == [{}] * ROWS
    assert done.all()
    for b, info in enumerate(infos):
        assert info["terminal_observation"][POSITION["time_left"]] == 0.0
        assert observation[b, POSITION["time_left"]] == 1.0  # the next day has begun
        assert info["episode"]["l"] == env.vector.episode.slots
        assert info["episode"]["r"] == pytest.approx(earned[b], rel=1e-9)
        assert 0.0 < info["spend_share"] <= 1.0


def test_a_residual_action_of_zero_follows_the_replan() -> None:
    residual, plain = adapter(residual=RESIDUAL), adapter()
    observation = residual.reset()
    plain.reset()
    for _ in range(20):
        controller = np.zeros((ROWS, action_size(residual.vector.episode.segments)), np.float32)
        controller[:, 0] = np.clip(observation[:, POSITION["replan"]], -1, 1)
        observation, reward, _, _ = residual.step(np.zeros_like(controller))
        expected, own_reward, _, _ = plain.step(controller)
        np.testing.assert_array_equal(observation, expected)
        np.testing.assert_array_equal(reward, own_reward)


def test_a_residual_action_moves_no_further_than_its_reach() -> None:
    env = adapter(residual=RESIDUAL)
    observation = env.reset()
    env.step(np.ones((ROWS, action_size(env.vector.episode.segments)), np.float32))
    controller = np.clip(observation[:, POSITION["replan"]], -1, 1)
    expected = np.clip(controller + np.float32(RESIDUAL_REACH), -1, 1)
    np.testing.assert_allclose(env._actions[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(env._actions[:, 1:], RESIDUAL_REACH, rtol=1e-6)


def test_hidden_features_are_in_no_observation_and_the_residual_base_sees_them() -> None:
    env, seeing = adapter(residual=RESIDUAL, hidden=("replan", "time_left")), adapter(residual=RESIDUAL)
    columns = [POSITION["time_left"], POSITION["replan"], POSITION["replan_change"], *range(len(FEATURES), env_size())]
    observation, whole = env.reset(), seeing.reset()
    assert env.observation_space.shape == (env_size() - len(columns),)
    assert isinstance(env.observation_space, gym.spaces.Box)
    low, high = bounds(env.vector.episode.segments)
    np.testing.assert_array_equal(env.observation_space.low, np.delete(low, columns))
    np.testing.assert_array_equal(env.observation_space.high, np.delete(high, columns))
    replanned = 0.0
    for action in actions(env, env.vector.episode.slots):
        np.testing.assert_array_equal(observation, np.delete(whole, columns, axis=1))
        np.testing.assert_array_equal(env.whole, whole)
        replanned = max(replanned, np.abs(whole[:, POSITION["replan"]]).max())
        observation, reward, _, infos = env.step(action)
        whole, own_reward, _, own_infos = seeing.step(action)
        np.testing.assert_array_equal(reward, own_reward)
    assert replanned > 0.1
    for masked, own in zip(infos, own_infos, strict=True):
        last = np.delete(own["terminal_observation"], columns)
        np.testing.assert_array_equal(masked["terminal_observation"], last)


def test_features_are_shown_in_the_order_asked_for() -> None:
    names = ("replan", "time_left", "replan_segment_3")
    env, seeing = BiddingVecEnv(vector(), RESIDUAL, names), adapter(residual=RESIDUAL)
    env.seed(5)
    env.reset(), seeing.reset()
    for action in actions(env, 20):
        observation, *_ = env.step(action)
        whole, *_ = seeing.step(action)
        own = [POSITION["replan"], POSITION["time_left"], len(FEATURES) + 3]
        np.testing.assert_array_equal(observation, whole[:, own])


def test_resumed_rows_play_the_days_that_were_about_to_begin_and_those_after() -> None:
    env = adapter()
    env.reset()
    slots = env.vector.episode.slots
    for action in actions(env, slots):
        observation, *_ = env.step(action)
    states = [dict(g.bit_generator.state) for g in env.vector.generators]
    again = adapter(seed=99)
    np.testing.assert_array_equal(again.resume(states, env.vector.uniforms.copy()), observation)
    for action in actions(env, slots + 5, seed=1):  # into the day drawn after the resumed one
        seen, reward, _, _ = again.step(action)
        expected, own_reward, _, _ = env.step(action)
        np.testing.assert_array_equal(seen, expected)
        np.testing.assert_array_equal(reward, own_reward)


def test_row_b_is_seeded_with_the_seed_plus_b() -> None:
    first, second = adapter(seed=5).reset(), adapter(seed=6).reset()
    np.testing.assert_array_equal(first[1:], second[:-1])


@pytest.mark.parametrize("base", RESIDUALS)
def test_a_residual_environment_observes_the_re_plan_of_its_base(base: Base) -> None:
    """Zero is the base itself on a day of its own; under another's re-plan it is refused before any work."""
    residual, other = RESIDUALS[base], Replan.ADAPTIVE if base == "mpc" else Replan.FORECAST
    env = BiddingVecEnv(BiddingVectorEnv(ROWS, replan=residual.base.replan), residual)
    alone = BiddingVectorEnv(ROWS, replan=residual.base.replan)
    env.seed(3)
    env.reset()
    seen, _ = alone.reset(seed=3)
    for _ in range(5):
        action, _ = residual.base.act(seen, {})
        seen, *_ = alone.step(action.astype(np.float32))
        env.step(np.zeros((ROWS, 11), np.float32))
        np.testing.assert_array_equal(env.whole, seen)
    with pytest.raises(InvalidMarket, match=f"added to {base}, .* Make it with replan={residual.base.replan}"):
        BiddingVecEnv(BiddingVectorEnv(ROWS, replan=other), residual)

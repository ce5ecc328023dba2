"""Groups: whose advantages are taken off whose, what of a day's luck is left, and what stays as in PPO alone."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from bidpilot.agents.acting.residual import RESIDUAL
from bidpilot.agents.learners.common.learner import arguments
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.agents.learners.ppo.config import PpoConfig
from bidpilot.agents.learners.ppo.grouped import beside_group
from bidpilot.agents.learners.ppo.learner import LEARNER
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROWS, SLOTS, GROUP, SEED = 16, 48, 4, 3
SMALL = {"batch_size": ROWS * SLOTS, "epochs": 1, "net": (8,)}


def adapter() -> BiddingVecEnv:
    """Rewards are utilities: without hindsight's baseline, the day's luck is in them."""
    vector = BiddingVectorEnv(ROWS, preset_market(), preset_forecast(), preset_campaign())
    env = BiddingVecEnv(vector, RESIDUAL)
    env.seed(SEED)
    return env


def learnt(group: int, days: int = 1) -> OnPolicyAlgorithm:
    """A model after `days` rollouts of a day."""
    env = adapter()
    model = LEARNER.make(PpoConfig(group=group, **SMALL), env, seed=0)
    env.seed(SEED)
    return model.learn(days * ROWS * SLOTS)


def by_slot(model: OnPolicyAlgorithm, name: str) -> NDArray[np.float32]:
    """(n, B) of the last rollout, which minibatches have left row by row."""
    flat: NDArray[np.float32] = getattr(model.rollout_buffer, name)
    return flat.reshape(ROWS, SLOTS).T


@pytest.fixture(scope="module")
def grouped() -> OnPolicyAlgorithm:
    return learnt(GROUP)


def test_each_row_is_held_against_the_mean_of_the_others_of_its_group() -> None:
    advantages = np.array([[1.0, 2.0, 6.0, -3.0], [0.0, 0.0, 5.0, 5.0]], np.float32)
    two = beside_group(advantages, 2)
    np.testing.assert_array_equal(two, [[-1.0, 1.0, 9.0, -9.0], [0.0, 0.0, 0.0, 0.0]])
    others = np.array([[(2 + 6 - 3) / 3, (1 + 6 - 3) / 3, (1 + 2 - 3) / 3, (1 + 2 + 6) / 3]])
    np.testing.assert_allclose(beside_group(advantages[:1], 4), advantages[:1] - others, rtol=1e-6)


def test_the_gradient_keeps_its_mean_and_loses_the_days_luck() -> None:
    """One slot, whose advantage is luck of the day and `slope` times the exploration: the slope is what is learnt."""
    rng, slope, tries, rows = np.random.default_rng(0), 0.5, 4000, 32
    explored = rng.normal(size=(tries, rows))
    luck = np.repeat(rng.normal(size=(tries, rows // 8)), 8, axis=1)
    alone = (explored * (slope * explored + luck)).mean(axis=1)
    beside = (explored * beside_group((slope * explored + luck).astype(np.float32), 8)).mean(axis=1)
    assert abs(beside.mean() - slope) < 4.0 * beside.std() / np.sqrt(tries)
    # a group's sum is slope * g times the sample variance of its exploration, whose own variance is 2 / (g - 1)
    assert beside.var() == pytest.approx(2 * slope**2 * (8 / 7) / rows, rel=0.1)
    assert alone.var() == pytest.approx((2 * slope**2 + 1.0) / rows, rel=0.1)


def test_advantages_of_a_group_sum_to_zero_in_every_slot(grouped: OnPolicyAlgorithm) -> None:
    together = by_slot(grouped, "advantages").reshape(SLOTS, -1, GROUP)
    assert np.abs(together).max() > 0.01
    np.testing.assert_allclose(together.sum(axis=2), 0.0, atol=1e-5)


def test_the_critic_learns_each_rows_own_returns_and_the_luck_of_a_market_day_is_gone_from_the_advantages(
    grouped: OnPolicyAlgorithm,
) -> None:
    own = by_slot(grouped, "returns") - by_slot(grouped, "values")
    advantages = by_slot(grouped, "advantages")
    np.testing.assert_allclose(advantages, beside_group(own, GROUP), atol=1e-5)
    assert np.abs(own.mean(axis=1)).max() > 0.1
    assert advantages.var() < 0.01 * own.var()


def test_rows_of_a_group_explore_on_one_day_and_groups_play_others(grouped: OnPolicyAlgorithm) -> None:
    seen = grouped.rollout_buffer.observations.reshape(ROWS, SLOTS, -1)
    actions = grouped.rollout_buffer.actions.reshape(ROWS, SLOTS, -1)
    assert (actions[0] != actions[1]).any(axis=1).all()
    uniforms = grouped.get_env().vector.uniforms  # type: ignore[union-attr]
    for row in range(ROWS):
        assert (uniforms[row] == uniforms[row - row % GROUP]).all()
    assert len(np.unique(uniforms[:, 0])) == ROWS // GROUP
    assert (seen[0, 1:] != seen[GROUP, 1:]).any(axis=1).all()


def test_rows_play_days_of_their_own_until_ppo_begins() -> None:
    env = adapter()
    LEARNER.make(PpoConfig(group=GROUP, **SMALL), env, seed=0)
    env.reset()
    assert len(np.unique(env.vector.uniforms[:, 0])) == ROWS


def test_without_groups_it_is_ppo_bit_for_bit() -> None:
    env = adapter()
    plain = PPO("MlpPolicy", **arguments(PpoConfig(**SMALL), env, 0))
    env.seed(SEED)
    plain.learn(2 * ROWS * SLOTS)
    own = learnt(1, days=2).policy.state_dict()
    for name, weight in plain.policy.state_dict().items():
        assert torch.equal(weight, own[name])
    assert any(not torch.equal(weight, own[name]) for name, weight in learnt(GROUP, days=2).policy.state_dict().items())

"""PPO on the bidding environment: advantages as their definition has them, within a day and across its end."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import CallbackList

from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.agents.learners.ppo.config import PpoConfig
from bidpilot.agents.learners.ppo.learner import LEARNER
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROWS, SLOTS, ROLLOUT, SEED = 3, 48, 32, 7
LAMBDA = 0.97
CONFIG = PpoConfig(
    n_steps=ROLLOUT, batch_size=ROWS * ROLLOUT, gae_lambda=LAMBDA, log_std_init=0.0, net=(8,), group=1, base="mpc"
)
Played = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]
"""Advantages of PPO's buffer (n, B), those by definition (n, B), and which steps end a day (n,)."""


def adapter() -> BiddingVecEnv:
    market, forecast, campaign = preset_market("steady"), preset_forecast("steady"), preset_campaign("steady")
    env = BiddingVecEnv(BiddingVectorEnv(ROWS, market, forecast, campaign), CONFIG.added_to)
    env.seed(SEED)
    return env


def values(model: PPO, observation: NDArray[np.float32]) -> NDArray[np.float64]:
    with torch.no_grad():
        return model.policy.predict_values(torch.from_numpy(observation)).numpy().astype(np.float64).reshape(-1)


def advantages(
    reward: NDArray[np.float64], value: NDArray[np.float64], last: NDArray[np.float64], ends: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """By definition, from rewards and values (n, B), the value of what follows (B,), and which steps end a day (n,)."""
    steps = len(reward)
    value_tp1 = np.concatenate([value[1:], last[None]])
    result = np.zeros_like(reward)
    for t in range(steps):
        for k in range(t, steps):
            delta_k = reward[k] + (0.0 if ends[k] else value_tp1[k]) - value[k]
            result[t] += LAMBDA ** (k - t) * delta_k
            if ends[k]:
                break
    return result


@pytest.fixture(scope="module")
def played() -> list[Played]:
    """Two rollouts of two thirds of a day each."""
    env, replay = adapter(), adapter()
    model = LEARNER.make(CONFIG, env, seed=0)
    env.seed(SEED)
    model._setup_learn(2 * ROWS * ROLLOUT, None)
    replay.reset()
    rollouts = []
    for first in (0, ROLLOUT):
        buffer, callback = model.rollout_buffer, CallbackList([])
        callback.init_callback(model)
        assert model.collect_rollouts(model.get_env(), callback, buffer, ROLLOUT)  # type: ignore[arg-type]
        reward = np.array([replay.step(np.clip(action, -1.0, 1.0))[1] for action in buffer.actions])
        ends = (first + np.arange(ROLLOUT) + 1) % SLOTS == 0
        value = np.array([values(model, observation) for observation in buffer.observations])
        by_definition = advantages(reward, value, values(model, np.asarray(model._last_obs)), ends)
        rollouts.append((buffer.advantages.astype(np.float64), by_definition, ends))
    return rollouts


@pytest.mark.parametrize("rollout", [0, 1])
def test_advantages_are_their_definition_on_days_of_the_market(rollout: int, played: list[Played]) -> None:
    buffer, by_definition, _ = played[rollout]
    assert np.abs(by_definition).max() > 0.01
    np.testing.assert_allclose(buffer, by_definition, rtol=1e-4, atol=1e-5)


def test_one_rollout_ends_within_a_day_and_one_goes_across_its_end(played: list[Played]) -> None:
    """What the two above rest on: neither case stands for the other."""
    (_, _, within), (_, _, across) = played
    assert not within.any()
    assert np.flatnonzero(across).tolist() == [SLOTS - ROLLOUT - 1]

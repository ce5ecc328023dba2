"""PPO on the bidding environment: advantages as their definition has them, within a day and across its end."""

import warnings

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.policies import ActorCriticPolicy
from torch.nn.utils import parameters_to_vector

from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.agents.learners.ppo.config import PpoConfig
from bidpilot.agents.learners.ppo.learner import ClosedFormPPO, Rollout, make_ppo
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROWS, SLOTS, ROLLOUT, SEED = 3, 48, 32, 7
LAMBDA = 0.97
CONFIG = PpoConfig(n_steps=ROLLOUT, batch_size=ROWS * ROLLOUT, gae_lambda=LAMBDA, log_std_init=0.0, net=(8,))
Played = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]
"""Advantages of PPO's buffer (n, B), those by definition (n, B), and which steps end a day (n,)."""


def adapter() -> BiddingVecEnv:
    market, forecast, campaign = preset_market("steady"), preset_forecast("steady"), preset_campaign("steady")
    env = BiddingVecEnv(BiddingVectorEnv(ROWS, market, forecast, campaign), CONFIG.residual)
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
    model = make_ppo(CONFIG, env, seed=0)
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


def test_playing_is_that_of_stable_baselines3() -> None:
    """Actions, values and densities, against the class that `GaussianPolicy` derives from, with the same weights."""
    env = adapter()
    policy = make_ppo(CONFIG, env, SEED).policy
    with torch.no_grad():
        policy.log_std.normal_()
    observation = torch.from_numpy(env.reset())
    for deterministic in (False, True):
        torch.manual_seed(1)
        ours = policy(observation, deterministic)
        torch.manual_seed(1)
        with torch.no_grad():
            theirs = ActorCriticPolicy.forward(policy, observation, deterministic)
        for mine, reference in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)
    _, _, entropy = policy.evaluate_actions(observation, ours[0])
    assert entropy is not None
    assert policy.entropy() == pytest.approx(entropy[0].item(), rel=1e-5)


@pytest.mark.parametrize(("entropy", "clip_range", "batch_size"), [(0.0, 0.2, 32), (0.03, 0.02, 19)])
def test_an_update_is_that_of_stable_baselines3(entropy: float, clip_range: float, batch_size: int) -> None:
    """The same rollout in the same batches, a last one of one sample among them: weights and what is recorded."""
    config = CONFIG.model_copy(
        update={
            "entropy": entropy,
            "clip_range": clip_range,
            "batch_size": batch_size,
            "net": (8, 6),
            "learning_rate": 1e-2,
        }
    )
    results = []
    for train in (ClosedFormPPO.train, PPO.train):
        env = adapter()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You have specified a mini-batch size", UserWarning)
            model = make_ppo(config, env, seed=0)
        model._setup_learn(2 * ROWS * ROLLOUT, None)
        callback = CallbackList([])
        callback.init_callback(model)
        before = parameters_to_vector(model.policy.parameters()).detach()
        for turn in range(2):  # the optimiser's moments matter from the second on
            np.random.seed(turn)  # noqa: NPY002 - what stable-baselines3 shuffles by
            assert model.collect_rollouts(env, callback, model.rollout_buffer, ROLLOUT)
            train(model)
        after = parameters_to_vector(model.policy.parameters()).detach()
        results.append((after - before, dict(model.logger.name_to_value), model.policy.entropy()))
    (ours, recorded, entropy_after), (theirs, expected, _) = results
    assert theirs.abs().max() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
    assert recorded.keys() == expected.keys()
    assert expected["train/clip_fraction"] > 0
    assert recorded["train/entropy_loss"] == pytest.approx(-entropy_after)  # after the update: theirs is the mean
    for name in expected.keys() - {"train/entropy_loss", *(["train/loss"] if entropy else [])}:
        assert recorded[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-6), name


def test_batches_hold_what_stable_baselines3_puts_into_them() -> None:
    env, batches = adapter(), []
    for kind in (Rollout, RolloutBuffer):
        buffer = kind(4, env.observation_space, env.action_space, "cpu", n_envs=3)
        for k, name in enumerate(("observations", "actions", "values", "log_probs", "advantages", "returns")):
            column = getattr(buffer, name)
            column[:] = 10_000 * k + np.arange(column.size).reshape(column.shape)
        buffer.full = True
        np.random.seed(0)  # noqa: NPY002 - what stable-baselines3 shuffles by
        batches.append(list(buffer.get(5)))
    for mine, reference in zip(*batches, strict=True):
        for ours, theirs in zip(mine, reference, strict=True):
            assert torch.equal(ours, theirs)

"""PPO with memory: the network read out of it plays a day as the library does, each day from no memory."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy

from bidpilot.agents.acting.network import Lstm
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.agents.learners.recurrent_ppo.config import RecurrentPpoConfig
from bidpilot.agents.learners.recurrent_ppo.learner import LEARNER
from bidpilot.bidding.day.action import action_size
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROWS, SLOTS = 3, 48
CONFIG = RecurrentPpoConfig(batch_size=ROWS * SLOTS, lstm=7, net=(6,), epochs=1, learning_rate=1e-2, base="mpc")


@pytest.fixture(scope="module")
def trained() -> tuple[RecurrentPPO, BiddingVecEnv]:
    """A model after one rollout, whose weights are large enough to act on."""
    vector = BiddingVectorEnv(ROWS, preset_market("steady"), preset_forecast("steady"), preset_campaign("steady"))
    env = BiddingVecEnv(vector, CONFIG.added_to)
    model = LEARNER.make(CONFIG, env, 0)
    model.learn(ROWS * SLOTS)
    with torch.no_grad():
        for parameter in model.policy.get_submodule("action_net").parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(0))
    return model, env


@pytest.fixture(scope="module")
def seen(trained: tuple[RecurrentPPO, BiddingVecEnv]) -> NDArray[np.float32]:
    """(T, B, F) observations of one day of random actions."""
    env, rng = trained[1], np.random.default_rng(0)
    observation, days = env.reset(), []
    for _ in range(SLOTS):
        days.append(observation.copy())
        action = rng.uniform(-1, 1, (ROWS, action_size(env.vector.episode.segments))).astype(np.float32)
        observation, *_ = env.step(action)
    return np.stack(days)


def played(network: Lstm, seen: NDArray[np.float32]) -> NDArray[np.floating]:
    """(T, B, A) what the network answers, slot after slot."""
    state, answers = network.start(ROWS), []
    for observation in seen:
        raw, state = network.forward(observation, state)
        answers.append(raw)
    return np.stack(answers)


def test_the_network_read_out_answers_a_day_as_the_library_does(
    trained: tuple[RecurrentPPO, BiddingVecEnv], seen: NDArray[np.float32]
) -> None:
    model, _ = trained
    answers = played(LEARNER.network(model), seen)
    state, starts = None, np.ones(ROWS, bool)
    for observation, raw in zip(seen, answers, strict=True):
        expected, state = model.predict(observation, state=state, episode_start=starts, deterministic=True)
        starts = np.zeros(ROWS, bool)
        np.testing.assert_allclose(np.clip(raw, -1, 1), expected, atol=1e-5)
    forgetful = played(LEARNER.network(model), seen[-1:])
    assert np.abs(forgetful[0] - answers[-1]).max() > 1e-3  # what was seen before matters


def test_what_is_fitted_in_imitation_is_what_is_played(
    trained: tuple[RecurrentPPO, BiddingVecEnv], seen: NDArray[np.float32]
) -> None:
    model, _ = trained
    mean = LEARNER.actor(model, torch.from_numpy(seen.swapaxes(0, 1).copy())).detach().numpy()
    np.testing.assert_allclose(mean.swapaxes(0, 1), played(LEARNER.network(model), seen), atol=1e-5)


def test_the_critic_fitted_in_imitation_is_that_of_the_updates(
    trained: tuple[RecurrentPPO, BiddingVecEnv], seen: NDArray[np.float32]
) -> None:
    model, _ = trained
    days = torch.from_numpy(seen.swapaxes(0, 1).copy())
    value = LEARNER.critic(model, days).detach()[:, 0]
    nothing = torch.full((1, ROWS, CONFIG.lstm), 3.0)  # what a memory held at the end of the day before
    assert isinstance(model.policy, RecurrentActorCriticPolicy)
    expected = model.policy.predict_values(days[:, 0], (nothing, nothing), torch.ones(ROWS))
    torch.testing.assert_close(value, expected.detach()[:, 0], rtol=1e-5, atol=1e-5)

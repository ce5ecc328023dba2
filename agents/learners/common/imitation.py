"""Imitation of the hindsight optimum, on-policy: what to do in the states that the policy itself comes to.

Each round plays one day in every row with the policy as it is, asks at every visited state for the action that spends
the money left best with all auctions to come known (`Episode.action_to_imitate`), and fits the actor to all labels so
far (DAgger; Ross, Gordon and Bagnell, AISTATS 2011) and the critic to the returns of the latest days.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from bidpilot.agents.acting.residual import RESIDUAL_REACH, compose
from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.agents.learners.ppo.learner import ClosedFormPPO

Matrix = NDArray[np.float32]


def raw_label(observation: Matrix, label: NDArray[np.float64], residual: bool) -> Matrix:
    """What the network must put out (B, 3 + S), in [-1, 1], for the action to come nearest to `label` (B, 3 + S)."""
    if not residual:
        return np.clip(label, -1.0, 1.0).astype(np.float32)
    base = compose(observation, np.zeros(label.shape, np.float32), residual=True)
    return np.clip((label - base) / RESIDUAL_REACH, -1.0, 1.0).astype(np.float32)


def imitate(
    model: ClosedFormPPO, env: BiddingVecEnv, config: ImitationConfig, told: Callable[[int, float, float], None]
) -> None:
    """Warm `model`'s actor and critic; `told` hears round, actor loss and critic loss after each round.

    Leaves the environment at the start of a day, and the model's optimiser fresh.
    """
    if config.rounds == 0:
        return
    rng = np.random.default_rng(np.random.SeedSequence([model.seed or 0, config.rounds]))
    optimiser = torch.optim.Adam(model.policy.parameters(), lr=config.learning_rate, fused=True)
    seen: list[tuple[Matrix, Matrix]] = []
    observation = env.reset()
    for turn in range(config.rounds):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * (1.0 - turn / config.rounds)
        states, labels, returns, observation = _play_day(model, env, observation)
        seen = [*seen[-config.kept + 1 :], (states, labels)] if config.kept > 1 else [(states, labels)]
        inputs, targets = np.concatenate([s for s, _ in seen]), np.concatenate([t for _, t in seen])
        losses = _fit(model, optimiser, (inputs, targets), (states, returns), config, rng)
        told(turn, *losses)


def _play_day(model: ClosedFormPPO, env: BiddingVecEnv, observation: Matrix) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """States (N, F), raw labels (N, 3 + S) and returns (N,) of one day of each row, and the next day's observation."""
    episode = env.vector.episode
    states, labels, rewards = [], [], []
    for _ in range(episode.slots):
        states.append(observation.copy())
        labels.append(raw_label(env.unmasked, episode.action_to_imitate(), env.residual))
        observation, reward, _, _ = env.step(actor_mean(model, observation))
        rewards.append(reward)
    to_come = np.cumsum(np.stack(rewards)[::-1], axis=0)[::-1]
    return np.concatenate(states), np.concatenate(labels), to_come.reshape(-1).astype(np.float32), observation


def actor_mean(model: ClosedFormPPO, observation: Matrix) -> Matrix:
    """The actor's mean output (B, 3 + S)."""
    mean: Matrix = model.policy.actor.forward(torch.from_numpy(observation)).numpy()
    return mean


def _fit(
    model: ClosedFormPPO,
    optimiser: torch.optim.Optimizer,
    actions: tuple[Matrix, Matrix],
    values: tuple[Matrix, Matrix],
    config: ImitationConfig,
    rng: np.random.Generator,
) -> tuple[float, float]:
    actor, critic = model.policy.actor, model.policy.critic
    inputs, targets = (torch.from_numpy(a) for a in actions)
    states, returns = (torch.from_numpy(v) for v in values)
    losses = []
    optimiser.zero_grad()  # what is not set below, the spread, stays as it is
    for _ in range(config.epochs):
        order = torch.from_numpy(rng.permutation(len(inputs)))
        for part in torch.split(order, config.batch_size):
            pick = torch.from_numpy(rng.integers(len(states), size=len(part)))
            error = actor.forward(inputs[part]) - targets[part]
            surprise = critic.forward(states[pick]) - returns[pick, None]
            actor.backward(error * (2.0 / error.numel()))  # of the mean square
            critic.backward(surprise * (2.0 / surprise.numel()))
            optimiser.step()
            losses.append((torch.square(error).mean().item(), torch.square(surprise).mean().item()))
    actor_loss, critic_loss = np.mean(losses, axis=0)
    return float(actor_loss), float(critic_loss)

"""Imitation of one who knows more, on-policy: what to do in the states that the policy itself comes to.

Each round plays one day in every row with the policy as it is, asks at every visited state for the action that spends
the money left best, with the market's law known (`Teacher`) or with all auctions to come (`Oracle`), and fits the
actor to all labels so far (DAgger; Ross, Gordon and Bagnell, AISTATS 2011) and the critic to the returns of the latest
days. What remembers is fitted to whole days, what does not to single slots.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch.nn.functional import mse_loss

from bidpilot.agents.acting.residual import Residual, compose
from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.agents.learners.common.learner import Learner
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs.bidding_env.labels import Labeller
from bidpilot.envs.bidding_env.law_tables import LawTables
from bidpilot.envs.bidding_env.oracle import Oracle
from bidpilot.envs.bidding_env.teacher import Blend, Teacher
from bidpilot.envs.markets.law import COARSE, law_known

Array = NDArray[np.float32]


class Days(NamedTuple):
    """What was seen on played days, and what is learnt from it, as sequences; L is a day, or a slot by itself."""

    states: Array  # (n, L, N)
    labels: Array  # (n, L, 3 + S) raw labels
    returns: Array  # (n, L) rewards to come


def raw_label(observation: Array, label: NDArray[np.float64], residual: Residual | None) -> Array:
    """What the network must put out (B, 3 + S), in [-1, 1], for the action to come nearest to `label` (B, 3 + S)."""
    if residual is None:
        return np.clip(label, -1.0, 1.0).astype(np.float32)
    base = compose(observation, np.zeros(label.shape, np.float32), residual)
    return np.clip((label - base) / residual.reach, -1.0, 1.0).astype(np.float32)


def labeller(config: ImitationConfig, env: BiddingVecEnv) -> Labeller:
    """Who labels the days of `env`; what is told the law keeps its tables over all of them.

    Raises:
        UnknownLaw: the law is asked for, and nobody knows that of the market.
    """
    episode = env.vector.episode
    if config.teacher == "hindsight" or (config.teacher == "auto" and not law_known(episode.market)):
        return Oracle
    tables = LawTables(episode.market, episode.planner.forecast, others=COARSE)
    if config.teacher == "blend":
        return partial(Blend, tables=tables, hindsight_share=config.hindsight_share)
    return partial(Teacher, tables=tables)


def imitate(
    learner: Learner[Any],
    model: OnPolicyAlgorithm,
    env: BiddingVecEnv,
    config: ImitationConfig,
    told: Callable[[int, float, float], None],
) -> None:
    """Warm `model`'s actor and critic; `told` hears round, actor loss and critic loss after each round.

    Leaves the environment at the start of a day, and the model's optimiser fresh.

    Raises:
        InvalidConfig: a batch holds no whole day, and the learner needs whole ones.
        UnknownLaw: the teacher is to know the law, and nobody knows that of the market.
    """
    if config.rounds == 0:
        return
    labels_of = labeller(config, env)
    rng = np.random.default_rng(np.random.SeedSequence([model.seed or 0, config.rounds]))
    optimiser = torch.optim.Adam(model.policy.parameters(), lr=config.learning_rate, fused=True)
    length = env.vector.episode.slots if learner.remembers else 1
    if config.batch_size < length:
        raise InvalidConfig(
            f"imitation.batch_size = {config.batch_size} is less than the {length} slots of a day, which "
            f"{learner.name} learns from whole. Give a multiple of {length}."
        )
    seen: list[Days] = []
    observation = env.reset()
    for turn in range(config.rounds):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * (1.0 - turn / config.rounds)
        latest, observation = _play_day(learner, model, env, labels_of, observation, length)
        seen = [*seen[-config.kept + 1 :], latest] if config.kept > 1 else [latest]
        told(turn, *_fit(learner, model, optimiser, seen, config, rng))


def _play_day(
    learner: Learner[Any],
    model: OnPolicyAlgorithm,
    env: BiddingVecEnv,
    labels_of: Labeller,
    observation: Array,
    length: int,
) -> tuple[Days, Array]:
    """One day of each row in sequences of `length` slots, and the next day's observation (B, N)."""
    episode, network = env.vector.episode, learner.network(model)
    labelled, state = labels_of(episode), network.start(env.num_envs)
    states, labels, rewards = [], [], []
    for _ in range(episode.slots):
        states.append(observation.copy())
        labels.append(raw_label(env.whole, labelled.action(), env.residual))
        raw, state = network.forward(observation, state)
        observation, reward, _, _ = env.step(raw.astype(np.float32, copy=False))
        rewards.append(reward)
    to_come = np.cumsum(np.stack(rewards)[::-1], axis=0)[::-1].astype(np.float32)
    played = (np.stack(states), np.stack(labels), to_come)
    return Days(*(_sequences(part, length) for part in played)), observation


def _sequences(played: Array, length: int) -> Array:
    """(T, B, ...) of T slots in B rows as (n, length, ...), slots by themselves in the order they were played in."""
    if length == 1:
        return played.reshape(-1, 1, *played.shape[2:])
    return np.ascontiguousarray(played.swapaxes(0, 1))


def _fit(
    learner: Learner[Any],
    model: OnPolicyAlgorithm,
    optimiser: torch.optim.Optimizer,
    seen: list[Days],
    config: ImitationConfig,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Mean losses of actor and critic over `config.epochs` passes."""
    inputs, targets = (torch.from_numpy(np.concatenate(part)) for part in list(zip(*seen, strict=True))[:2])
    states, returns = torch.from_numpy(seen[-1].states), torch.from_numpy(seen[-1].returns)
    losses = []
    for _ in range(config.epochs):
        order = torch.from_numpy(rng.permutation(len(inputs)))
        for part in torch.split(order, config.batch_size // inputs.shape[1]):
            pick = torch.from_numpy(rng.integers(len(states), size=len(part)))
            actor = mse_loss(learner.actor(model, inputs[part]), targets[part])
            critic = mse_loss(learner.critic(model, states[pick]), returns[pick])
            optimiser.zero_grad()
            (actor + critic).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append((actor.item(), critic.item()))
    actor_loss, critic_loss = np.mean(losses, axis=0)
    return float(actor_loss), float(critic_loss)

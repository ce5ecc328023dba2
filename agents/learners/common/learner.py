"""What a learner is: how one kind of agent is trained, and read out of its training library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from bidpilot.agents.acting.network import Mlp, Network
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.learners.common.config import LearnerConfig
from bidpilot.agents.learners.common.space import Space
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv

C = TypeVar("C", bound=LearnerConfig, contravariant=True)


class Learner(Protocol[C]):
    """Trains one kind of agent. Sequences (n, L, F) are observations in L slots on end, the first that of a new day.

    Nothing that a learner remembers outlives a day, so that a snapshot between two days needs nothing of it but
    the parameters.
    """

    name: str
    space: Space  # what `bidpilot tune` searches: fields of its configuration
    remembers: bool  # whether its agent remembers slots, so that it is fitted to whole days; else L is 1

    def make(self, config: C, env: VecEnv, seed: int) -> OnPolicyAlgorithm:
        """An untrained model whose mean action is near zero: the plan, or the controller in residual mode.

        `seed` (below 2**32) seeds the weights and the sampling; it also reaches `env.seed`, which the caller may
        call again with another one.
        """

    def actor(self, model: OnPolicyAlgorithm, sequences: Tensor) -> Tensor:
        """Mean actions (n, L, 3 + S), with their graph."""

    def critic(self, model: OnPolicyAlgorithm, sequences: Tensor) -> Tensor:
        """Values (n, L), with their graph."""

    def network(self, model: OnPolicyAlgorithm) -> Network:
        """The actor's mean as plain arrays, copied."""


def arguments(config: LearnerConfig, env: VecEnv, seed: int) -> dict[str, Any]:
    """What stable-baselines3's models that clip their updates take, from our configuration.

    Actor and critic are separate tanh networks. Torch is set to one thread: more collapse as soon as a neighbour is
    busy, and change the weights.
    """
    torch.set_num_threads(1)
    return {
        "env": env,
        "learning_rate": linear(config.learning_rate, config.learning_rate_end),
        "n_steps": config.n_steps,
        "batch_size": config.batch_size,
        "n_epochs": config.epochs,
        "gamma": config.gamma,
        "gae_lambda": config.gae_lambda,
        "clip_range": config.clip_range,
        "ent_coef": config.entropy,
        "vf_coef": config.value,
        "max_grad_norm": config.max_grad_norm,
        "stats_window_size": env.num_envs,
        "policy_kwargs": {
            "net_arch": {"pi": list(config.net), "vf": list(config.net)},
            "activation_fn": nn.Tanh,
            "log_std_init": config.log_std_init,
            "optimizer_kwargs": {"fused": True, "eps": 1e-5},  # eps as stable-baselines3 sets it itself
        },
        "seed": seed,
        "device": "cpu",
    }


def linear(start: float, end: float) -> Callable[[float], float]:
    """A schedule from `start` to `end` over the run; its argument is the share of the run left."""
    return lambda left: end + (start - end) * left


def mlp(body: nn.Module, head: nn.Module) -> Mlp:
    """The linear layers of a tanh network, then of `head`, copied."""
    layers = [module for part in (body, head) for module in part.modules() if isinstance(module, nn.Linear)]
    return Mlp(tuple(copied(layer.weight).T.copy() for layer in layers), tuple(copied(layer.bias) for layer in layers))


def copied(parameter: Tensor) -> NDArray[np.float32]:
    """A parameter's numbers, which training does not change any more."""
    array: NDArray[np.float32] = parameter.detach().numpy().copy()
    return array


def trained_policy(learner: Learner[Any], model: OnPolicyAlgorithm, env: BiddingVecEnv) -> NetworkPolicy:
    """The policy that acts in the mean as `model`, trained in `env`, does: it reads the features seen there."""
    return NetworkPolicy(learner.network(model), env.residual, env.features, learner.name)

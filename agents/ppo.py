"""PPO on the CPU, from our configuration to stable-baselines3's."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from bidpilot.agents.ppo_config import PpoConfig

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class GaussianPolicy(ActorCriticPolicy):
    """stable-baselines3's actor and critic with a Gaussian of diagonal spread, its densities in closed form.

    The numbers of its `DiagGaussianDistribution` to rounding, without building and validating a torch distribution
    at every call. Observations are flat float32 arrays.
    """

    def forward(self, obs: Tensor, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Actions (B, A), values (B, 1) and log densities (B,) at observations (B, F)."""
        mean, value = self._heads(obs)
        actions = mean if deterministic else mean + self.log_std.exp() * torch.randn_like(mean)
        return actions, value, self._log_density(mean, actions)

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Values (B, 1), log densities of actions (B, A) and entropies (B,) at observations (B, F)."""
        mean, value = self._heads(obs)
        entropy = (self.log_std + (0.5 + _HALF_LOG_2PI)).sum().expand(len(mean))
        return value, self._log_density(mean, actions), entropy

    def _heads(self, obs: PyTorchObs) -> tuple[Tensor, Tensor]:
        actor, critic = self.mlp_extractor(obs)
        return self.action_net(actor), self.value_net(critic)

    def _log_density(self, mean: Tensor, actions: Tensor) -> Tensor:
        scaled = (actions - mean) * torch.exp(-self.log_std)
        return -0.5 * torch.square(scaled).sum(dim=1) - (self.log_std + _HALF_LOG_2PI).sum()


def make_ppo(config: PpoConfig, vec_env: VecEnv, seed: int) -> PPO:
    """A PPO model whose mean action starts near zero (the plan, or the controller in residual mode).

    Actor and critic are separate tanh networks of `config.net`. Torch is set to one thread: more collapse
    as soon as a neighbour is busy, and change the weights. `seed` (below 2**32) seeds the weights and
    the sampling; it also reaches `vec_env.seed`, which the caller may call again with another one.
    """
    torch.set_num_threads(1)
    return PPO(
        GaussianPolicy,
        vec_env,
        learning_rate=linear(config.learning_rate, config.learning_rate_end),
        n_steps=config.n_steps,
        batch_size=config.batch_size,
        n_epochs=config.epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        clip_range=config.clip_range,
        ent_coef=config.entropy,
        vf_coef=config.value,
        max_grad_norm=config.max_grad_norm,
        stats_window_size=vec_env.num_envs,
        policy_kwargs={
            "net_arch": {"pi": list(config.net), "vf": list(config.net)},
            "activation_fn": torch.nn.Tanh,
            "log_std_init": config.log_std_init,
            "optimizer_kwargs": {"fused": True, "eps": 1e-5},  # eps as stable-baselines3 sets it itself
        },
        seed=seed,
        device="cpu",
    )


def linear(start: float, end: float) -> Callable[[float], float]:
    """A schedule from `start` to `end` over the run; its argument is the share of the run left."""
    return lambda left: end + (start - end) * left

"""PPO on the CPU, from our configuration to stable-baselines3's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from bidpilot.agents.ppo_config import PpoConfig


def make_ppo(config: PpoConfig, vec_env: VecEnv, seed: int) -> PPO:
    """A PPO model whose mean action starts near zero (the plan, or the controller in residual mode).

    Actor and critic are separate tanh networks of `config.net`. Torch is set to one thread: more collapse
    as soon as a neighbour is busy, and change the weights. `seed` (below 2**32) seeds the weights and
    the sampling; it also reaches `vec_env.seed`, which the caller may call again with another one.
    """
    torch.set_num_threads(1)
    return PPO(
        "MlpPolicy",
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
        },
        seed=seed,
        device="cpu",
    )


def linear(start: float, end: float) -> Callable[[float], float]:
    """A schedule from `start` to `end` over the run; its argument is the share of the run left."""
    return lambda left: end + (start - end) * left

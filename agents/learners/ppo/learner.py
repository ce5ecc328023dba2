"""PPO on the CPU: stable-baselines3's, with the gradient of its loss written out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch import Tensor

from bidpilot.agents.learners.ppo.config import PpoConfig
from bidpilot.agents.learners.ppo.network import Network

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class GaussianPolicy(ActorCriticPolicy):
    """stable-baselines3's actor and critic with a Gaussian of diagonal spread, played without autograd's graph.

    The numbers of its `forward` to rounding. Observations are flat float32 arrays.
    """

    @property
    def actor(self) -> Network:
        """Means (B, A) of the actions at observations (B, F)."""
        return Network(self.mlp_extractor.policy_net, self.action_net)

    @property
    def critic(self) -> Network:
        """Values (B, 1) of observations (B, F)."""
        return Network(self.mlp_extractor.value_net, self.value_net)

    @torch.no_grad()
    def forward(self, obs: Tensor, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Actions (B, A), values (B, 1) and log densities (B,) at observations (B, F)."""
        mean = self.actor.forward(obs)
        noise = torch.zeros(mean.shape) if deterministic else torch.randn(mean.shape)
        actions = mean + self.log_std.exp() * noise
        return actions, self.critic.forward(obs), self.log_density(noise)

    def log_density(self, deviation: Tensor) -> Tensor:
        """Log density (B,) of actions `deviation` (B, A) standard deviations from their means."""
        return -0.5 * torch.square(deviation).sum(dim=1) - (self.log_std + _HALF_LOG_2PI).sum()

    def entropy(self) -> float:
        """Entropy of the actions, nats, the same at every observation."""
        return (self.log_std + (0.5 + _HALF_LOG_2PI)).sum().item()


class Rollout(RolloutBuffer):
    """stable-baselines3's buffer; its batches are gathered by torch, in half the time of NumPy's indexing."""

    def _get_samples(self, batch_inds: NDArray[np.int64], env: VecNormalize | None = None) -> RolloutBufferSamples:
        columns = (self.observations, self.actions, self.values, self.log_probs, self.advantages, self.returns)
        pick = torch.from_numpy(batch_inds)
        observations, actions, *scalars = (torch.from_numpy(column).index_select(0, pick) for column in columns)
        return RolloutBufferSamples(observations, actions, *(s.flatten() for s in scalars))


class Losses(NamedTuple):
    """What PPO's update of one batch came to, () each."""

    policy: Tensor
    value: Tensor
    approx_kl: Tensor
    clip_fraction: Tensor


class ClosedFormPPO(PPO):
    """stable-baselines3's PPO on a `GaussianPolicy`, its update without autograd: the same step to rounding.

    What `make_ppo` leaves at its default (`clip_range_vf`, `target_kl`, `use_sde`, `normalize_advantage`) stays there.
    """

    policy: GaussianPolicy

    def train(self) -> None:
        """Update the policy with the rollout gathered, and record what stable-baselines3 records."""
        policy = self.policy
        policy.set_training_mode(True)
        self._update_learning_rate(policy.optimizer)
        clip_range: float = self.clip_range(self._current_progress_remaining)  # type: ignore[operator]
        epochs: list[list[Losses]] = []
        for _ in range(self.n_epochs):
            epochs.append([])
            for batch in self.rollout_buffer.get(self.batch_size):
                epochs[-1].append(self.set_gradients(batch, clip_range))
                torch.nn.utils.clip_grad_norm_(policy.parameters(), self.max_grad_norm)
                policy.optimizer.step()
        self._n_updates += self.n_epochs
        self._record(epochs, clip_range)

    @torch.no_grad()
    def set_gradients(self, batch: RolloutBufferSamples, clip_range: float) -> Losses:
        """Set every parameter's gradient of PPO's loss (Schulman et al., arXiv:1707.06347, eq. 9) at `batch`."""
        policy, actor, critic, n = self.policy, self.policy.actor, self.policy.critic, len(batch.actions)
        precision = torch.exp(-policy.log_std)
        deviation = (batch.actions - actor.forward(batch.observations)) * precision
        log_ratio = policy.log_density(deviation) - batch.old_log_prob
        ratio = log_ratio.exp()
        advantage = batch.advantages
        if n > 1:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        free, clipped = advantage * ratio, advantage * ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
        # d loss / d log density; where the clipped objective is the smaller one it is flat
        slope = torch.where(free <= clipped, free, 0.0)[:, None] * (-1.0 / n)
        actor.backward(slope * deviation * precision)
        policy.log_std.grad = (slope * (torch.square(deviation) - 1.0)).sum(dim=0) - self.ent_coef
        error = critic.forward(batch.observations)[:, 0] - batch.returns
        critic.backward(error[:, None] * (2.0 * self.vf_coef / n))
        return Losses(
            policy=-torch.minimum(free, clipped).mean(),
            value=torch.square(error).mean(),
            approx_kl=(ratio - 1.0 - log_ratio).mean(),
            clip_fraction=((ratio - 1.0).abs() > clip_range).float().mean(),
        )

    def _record(self, epochs: list[list[Losses]], clip_range: float) -> None:
        """Means over all batches, as stable-baselines3 takes them; the entropy is that after the update."""
        policy, value, _, clip_fraction = np.mean([batch for epoch in epochs for batch in epoch], axis=0)
        last, entropy_loss, buffer, record = epochs[-1], -self.policy.entropy(), self.rollout_buffer, self.logger.record
        loss = last[-1].policy + self.ent_coef * entropy_loss + self.vf_coef * last[-1].value
        record("train/entropy_loss", entropy_loss)
        record("train/policy_gradient_loss", policy)
        record("train/value_loss", value)
        record("train/approx_kl", np.mean([batch.approx_kl for batch in last]))
        record("train/clip_fraction", clip_fraction)
        record("train/loss", loss.item())
        record("train/explained_variance", explained_variance(buffer.values.flatten(), buffer.returns.flatten()))
        record("train/std", self.policy.log_std.exp().mean().item())
        record("train/n_updates", self._n_updates, exclude="tensorboard")
        record("train/clip_range", clip_range)


def make_ppo(config: PpoConfig, vec_env: VecEnv, seed: int) -> ClosedFormPPO:
    """A PPO model whose mean action starts near zero (the plan, or the controller in residual mode).

    Actor and critic are separate tanh networks of `config.net`. Torch is set to one thread: more collapse
    as soon as a neighbour is busy, and change the weights. `seed` (below 2**32) seeds the weights and
    the sampling; it also reaches `vec_env.seed`, which the caller may call again with another one.
    """
    torch.set_num_threads(1)
    return ClosedFormPPO(
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
        rollout_buffer_class=Rollout,
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

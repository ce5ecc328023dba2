"""PPO (Schulman et al., arXiv:1707.06347): stable-baselines3's, with advantages beside the group's."""

from __future__ import annotations

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.learners.common.learner import arguments, mlp
from bidpilot.agents.learners.common.space import clipped_updates
from bidpilot.agents.learners.ppo.config import PpoConfig
from bidpilot.agents.learners.ppo.grouped import GroupedPPO


class Ppo:
    """Two tanh networks, an actor and a critic; the agent remembers nothing."""

    name = "ppo"
    space = clipped_updates(PpoConfig())
    remembers = False

    def make(self, config: PpoConfig, env: VecEnv, seed: int) -> GroupedPPO:
        """An untrained model, whose mean action is near zero."""
        return GroupedPPO("MlpPolicy", group=config.group, **arguments(config, env, seed))

    def actor(self, model: OnPolicyAlgorithm, sequences: Tensor) -> Tensor:
        """Mean actions (n, L, 3 + S), each slot's by itself."""
        policy = model.policy
        mean: Tensor = policy.action_net(policy.mlp_extractor.forward_actor(sequences))
        return mean

    def critic(self, model: OnPolicyAlgorithm, sequences: Tensor) -> Tensor:
        """Values (n, L)."""
        policy = model.policy
        value: Tensor = policy.value_net(policy.mlp_extractor.forward_critic(sequences))
        return value.squeeze(-1)

    def network(self, model: OnPolicyAlgorithm) -> Mlp:
        """The actor's layers."""
        return mlp(model.policy.mlp_extractor.policy_net, model.policy.action_net)


LEARNER = Ppo()

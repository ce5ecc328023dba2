"""PPO with memory (Schulman et al., arXiv:1707.06347, on LSTMs): sb3-contrib's, as it is."""

from __future__ import annotations

from sb3_contrib import RecurrentPPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from bidpilot.agents.acting.network import Lstm
from bidpilot.agents.learners.common.learner import arguments, copied, mlp
from bidpilot.agents.learners.common.space import clipped_updates
from bidpilot.agents.learners.recurrent_ppo.config import RecurrentPpoConfig


class RecurrentPpo:
    """An LSTM and a tanh network each for actor and critic; the agent remembers the slots of a day.

    sb3-contrib starts the memory of an episode, which is a day, at zero, whatever it was at the end of the last.
    """

    name = "recurrent_ppo"
    space = clipped_updates(RecurrentPpoConfig())
    remembers = True

    def make(self, config: RecurrentPpoConfig, env: VecEnv, seed: int) -> RecurrentPPO:
        """An untrained model, whose mean action is near zero."""
        given = arguments(config, env, seed)
        given["policy_kwargs"]["lstm_hidden_size"] = config.lstm
        return RecurrentPPO("MlpLstmPolicy", **given)

    def actor(self, model: OnPolicyAlgorithm, sequences: Tensor) -> Tensor:
        """Mean actions (n, L, 3 + S) over whole days."""
        policy = model.policy
        mean: Tensor = policy.action_net(
            policy.mlp_extractor.forward_actor(_remembered(_lstm(model, "lstm_actor"), sequences))
        )
        return mean

    def critic(self, model: OnPolicyAlgorithm, sequences: Tensor) -> Tensor:
        """Values (n, L) over whole days."""
        policy, remembered = model.policy, _remembered(_lstm(model, "lstm_critic"), sequences)
        value: Tensor = policy.value_net(policy.mlp_extractor.forward_critic(remembered))
        return value.squeeze(-1)

    def network(self, model: OnPolicyAlgorithm) -> Lstm:
        """The actor's LSTM, and the layers after it."""
        policy, lstm = model.policy, _lstm(model, "lstm_actor")
        weight_ih, weight_hh, *biases = (copied(parameter) for parameter in lstm.parameters())  # in torch's order
        head = mlp(policy.mlp_extractor.policy_net, policy.action_net)
        return Lstm(weight_ih, weight_hh, biases[0] + biases[1], head)


def _lstm(model: OnPolicyAlgorithm, name: str) -> nn.LSTM:
    lstm = getattr(model.policy, name)
    assert isinstance(lstm, nn.LSTM)
    return lstm


def _remembered(lstm: nn.LSTM, sequences: Tensor) -> Tensor:
    """What the LSTM puts out (n, L, H), from no memory on."""
    output: Tensor = lstm(sequences.transpose(0, 1))[0]
    return output.transpose(0, 1)


LEARNER = RecurrentPpo()

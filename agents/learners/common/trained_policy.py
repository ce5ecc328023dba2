"""What a learner trained, as the policy that acts: weights copied out of stable-baselines3."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bidpilot.agents.acting.hidden import hidden_columns
from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUAL
from bidpilot.bidding.day.action import FIRST_SEGMENT

if TYPE_CHECKING:
    from stable_baselines3 import PPO


def trained_policy(model: PPO, residual: bool = False, hidden: Iterable[str] = ()) -> NetworkPolicy:
    """The actor of a stable-baselines3 PPO model with a tanh network, weights copied.

    Features that were `hidden` in training get the weight 0, so that the policy needs no mask.
    """
    state = {key: value.detach().numpy() for key, value in model.policy.state_dict().items()}
    actor = "mlp_extractor.policy_net"
    layers = sorted(
        (key.removesuffix(".weight") for key in state if key.startswith(actor) and key.endswith(".weight")),
        key=lambda key: int(key.rpartition(".")[2]),
    )
    layers.append("action_net")
    weights = tuple(state[f"{layer}.weight"].T.copy() for layer in layers)
    biases = tuple(state[f"{layer}.bias"].copy() for layer in layers)
    weights[0][hidden_columns(hidden, len(biases[-1]) - FIRST_SEGMENT)] = 0.0
    return NetworkPolicy(Mlp(weights, biases), RESIDUAL if residual else None)

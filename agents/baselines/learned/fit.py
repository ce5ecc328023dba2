"""Trains a published offline learner on a data set; run by the Python of the rivals' own environment, as a script.

    python fit.py ALGORITHM DATA.npz OUT.npz SETTINGS

`DATA` holds `states` (N, T, F), `actions` (N, T) in [-1, 1] and `rewards` (N, T) of N whole days, `SETTINGS` is a JSON
object: `steps`, `seed`, and what else the algorithm's configuration in d3rlpy is to have. `OUT` gets the layers of the
policy's mean before it is squashed by tanh. Imports nothing of bidpilot, which pins other versions than d3rlpy does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ALGORITHMS = {"iql": "IQLConfig", "cql": "CQLConfig"}
ACTOR, CRITIC = (64, 64), (128, 128)  # hidden units; the actor's with tanh, since that is what our networks have


def main(algorithm: str, data: Path, out: Path, settings: dict[str, Any]) -> None:
    """Train and write the policy's layers, `weight_i` (inputs, outputs) and `bias_i`."""
    import d3rlpy

    seed, steps = settings.pop("seed"), settings.pop("steps")
    d3rlpy.seed(seed)
    critic = d3rlpy.models.VectorEncoderFactory(list(CRITIC))
    encoders = {"critic_encoder_factory": critic}
    encoders["actor_encoder_factory"] = d3rlpy.models.VectorEncoderFactory(list(ACTOR), activation="tanh")
    if algorithm == "iql":
        encoders["value_encoder_factory"] = critic
    learner = getattr(d3rlpy.algos, ALGORITHMS[algorithm])(gamma=1.0, **encoders, **settings).create(device=False)
    days = _days(data)
    learner.create_impl(days["observations"].shape[1:], 1)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        drawn = rng.integers(0, len(days["rewards"]), learner.batch_size)
        batch = {name: column[drawn] for name, column in days.items()}
        # drawing by d3rlpy's own buffer takes as long as the update itself
        learner.update(d3rlpy.dataset.TransitionMiniBatch(**batch, transitions=[]))
    np.savez(out, **_layers(dict(learner.impl.policy.named_parameters())))  # type: ignore[arg-type]


def _days(path: Path) -> dict[str, np.ndarray]:
    """Every slot of every day as a transition; the last one of a day ends it, and its next state is never read."""
    with np.load(path, allow_pickle=False) as data:
        states, actions, rewards = (data[name].astype(np.float32) for name in ("states", "actions", "rewards"))
    ends, ones = np.zeros_like(rewards), np.ones_like(rewards)
    ends[:, -1] = 1.0
    columns = {
        "observations": states,
        "actions": actions[..., None],
        "rewards": rewards[..., None],
        "next_observations": np.roll(states, -1, axis=1),
        "next_actions": np.roll(actions, -1, axis=1)[..., None],
        "terminals": ends[..., None],
        "intervals": ones[..., None],
    }
    return {name: column.reshape(-1, column.shape[-1]) for name, column in columns.items()}


def _layers(parameters: dict[str, Any]) -> dict[str, np.ndarray]:
    """The policy's linear layers, in order, without that of its standard deviation."""
    layers = [name.removesuffix(".weight") for name in parameters if name.endswith(".weight") and "_logstd" not in name]
    arrays = {f"weight_{i}": parameters[f"{layer}.weight"].detach().numpy().T for i, layer in enumerate(layers)}
    return arrays | {f"bias_{i}": parameters[f"{layer}.bias"].detach().numpy() for i, layer in enumerate(layers)}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4]))

"""Checkpoints: all that decides the rest of a run, taken between two days, stored without pickle.

A checkpoint is one file of tensors and plain values that `torch.load(weights_only=True)` reads. It holds the
parameters and the optimiser, torch's and NumPy's generator states, the generator of each row, the uniforms of
the days about to begin, step count, the best policy so far and the validation curve. Days in progress are never
stored: a checkpoint is taken when a rollout starts at the first slot of a day.
"""

from __future__ import annotations

import json
import os
import pickle
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO

from bidpilot.agents.policy import MlpPolicy
from bidpilot.agents.sb3 import BiddingVecEnv
from bidpilot.bidding.errors import CheckpointMismatch
from bidpilot.training.train.validation import Score

_SCHEMA = 1


@dataclass(frozen=True)
class Progress:
    """Validation curve and best policy so far; both None and () before the first validation."""

    curve: tuple[Score, ...] = ()
    best: MlpPolicy | None = None
    checkpointed: int = 0  # environment steps at the last checkpoint written

    def with_score(self, score: Score, policy: MlpPolicy) -> Progress:
        """This progress after one more validation; of equal scores the earlier policy stays the best."""
        better = score.iqm > max((earlier.iqm for earlier in self.curve), default=-np.inf)
        return Progress((*self.curve, score), policy if better else self.best, self.checkpointed)

    @property
    def best_score(self) -> Score:
        """The best policy's score. Only after a first validation."""
        return max(self.curve, key=lambda score: score.iqm)


def capture(model: PPO, env: BiddingVecEnv, progress: Progress) -> dict[str, Any]:
    """The state at the start of a day, copied, so that training may go on; costs about a millisecond."""
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - what stable-baselines3 draws from
    best = progress.best
    return {
        "schema": _SCHEMA,
        "parameters": deepcopy(model.get_parameters()),
        "torch_generator": torch.get_rng_state(),
        "numpy_generator": {
            "name": str(name),
            "keys": torch.from_numpy(np.asarray(keys, np.int64)),
            "rest": [int(position), int(has_gauss), float(cached)],
        },
        "row_generators": json.dumps([g.bit_generator.state for g in env.vector.generators]),
        "uniforms": torch.from_numpy(env.vector.uniforms.copy()),
        "observation": torch.from_numpy(np.array(model._last_obs)),
        "episode_starts": torch.from_numpy(np.array(model._last_episode_starts)),
        "steps": int(model.num_timesteps),
        "updates": int(model._n_updates),
        "curve": [asdict(score) for score in progress.curve],
        "checkpointed": progress.checkpointed,
        "best_weights": [] if best is None else [torch.from_numpy(w.copy()) for w in best.weights],
        "best_biases": [] if best is None else [torch.from_numpy(b.copy()) for b in best.biases],
    }


def restore(state: dict[str, Any], model: PPO, env: BiddingVecEnv) -> Progress:
    """Put a model and an environment, made by the same configuration, into a captured state.

    Go on with `model.learn(total - model.num_timesteps, reset_num_timesteps=False)`.

    Raises:
        CheckpointMismatch: the days that begin are not those of the run: another market, forecast or version.
    """
    observation = env.resume(json.loads(state["row_generators"]), state["uniforms"].numpy())
    if not np.array_equal(observation, state["observation"].numpy()):
        raise CheckpointMismatch(
            f"the days after step {state['steps']:,} begin otherwise than in the run: its market, log or code has "
            "changed. Check out the run's git commit and use its log, or train anew."
        )
    model.set_parameters(state["parameters"], exact_match=True, device="cpu")
    model._last_obs = observation
    model._last_episode_starts = state["episode_starts"].numpy().copy()
    model.num_timesteps, model._n_updates = state["steps"], state["updates"]
    torch.set_rng_state(state["torch_generator"])
    generator = state["numpy_generator"]
    position, has_gauss, cached = generator["rest"]
    keys = generator["keys"].numpy().astype(np.uint32)
    np.random.set_state((generator["name"], keys, position, has_gauss, cached))  # noqa: NPY002
    return _progress(state, env.residual)


def _progress(state: dict[str, Any], residual: bool) -> Progress:
    best = None
    if state["best_weights"]:
        weights = tuple(w.numpy() for w in state["best_weights"])
        best = MlpPolicy(weights, tuple(b.numpy() for b in state["best_biases"]), residual)
    return Progress(tuple(Score(**score) for score in state["curve"]), best, state["checkpointed"])


def write(state: dict[str, Any], path: Path) -> None:
    """Write a captured state to `path`, which holds either all of it or what it held before."""
    partial = path.with_name(f"{path.name}.partial")
    torch.save(state, partial)
    os.replace(partial, path)


def read(path: Path) -> dict[str, Any]:
    """Read what `write` wrote.

    Raises:
        CheckpointMismatch: a truncated file, or one of another layout.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointMismatch(f"{path} is not a whole checkpoint ({error}). Train anew.") from error
    if not isinstance(state, dict) or state.get("schema") != _SCHEMA:
        raise CheckpointMismatch(f"{path} is a checkpoint of another version. Use that version, or train anew.")
    return state

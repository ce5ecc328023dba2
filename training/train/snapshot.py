"""Checkpoints at day boundaries, without pickle: enough that step N equals step N of an uninterrupted run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO

from bidpilot.agents.policy import MlpPolicy
from bidpilot.agents.sb3 import BiddingVecEnv

Best = tuple[float, int, MlpPolicy]
"""Validation score, step and policy."""


def save_snapshot(folder: Path, model: PPO, env: BiddingVecEnv, best: Best) -> None:
    """Write model, optimiser, generators, days in progress and the best policy so far to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"parameters": model.get_parameters(), "torch": torch.get_rng_state()}, folder / "model.pt")
    kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - stable-baselines3 draws from it
    np.savez(folder / "arrays.npz", uniforms=env.vector.uniforms, numpy_keys=np.asarray(keys))
    score, step, policy = best
    policy.save(folder / "best.npz")
    state: dict[str, Any] = {
        "num_timesteps": model.num_timesteps,
        "updates": model._n_updates,
        "best_score": score,
        "best_step": step,
        "rows": [g.bit_generator.state for g in env.vector.generators],
        "numpy": [str(kind), int(position), int(has_gauss), float(cached)],
    }
    (folder / "state.json").write_text(json.dumps(state))


def load_snapshot(folder: Path, model: PPO, env: BiddingVecEnv) -> Best:
    """Bring `model` and `env` to where `save_snapshot` left them; the best policy so far."""
    state = json.loads((folder / "state.json").read_text())
    stored = torch.load(folder / "model.pt", weights_only=True)
    model.set_parameters(stored["parameters"], exact_match=True, device="cpu")
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        model._last_obs = env.resume(state["rows"], arrays["uniforms"])
        keys = arrays["numpy_keys"]
    model._last_episode_starts = np.ones(env.num_envs, bool)
    model.num_timesteps, model._n_updates = state["num_timesteps"], state["updates"]
    kind, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys, position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(stored["torch"])
    return state["best_score"], state["best_step"], MlpPolicy.load(folder / "best.npz")

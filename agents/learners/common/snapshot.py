"""Checkpoints between two days, without pickle: step N equals step N of an uninterrupted run, bit for bit.

A snapshot holds all that decides the rest of a run: parameters and optimiser, torch's and NumPy's generator
states, each row's generator, the uniforms of the days about to begin, the step count, the best policy so far
and the validation curve. Days in progress are never stored: a snapshot is taken when a rollout starts at the
first slot of a day, where an agent with memory has nothing to remember yet. One file of tensors and plain
values, which `torch.load(weights_only=True)` reads.
"""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from bidpilot.agents.acting.network import network_of
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.bidding.day.features import declared, strange
from bidpilot.bidding.errors import CheckpointMismatch

_SCHEMA = 5
Snapshot = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """One validation: R / R* over the validation days."""

    step: int  # environment steps trained
    iqm: float  # interquartile mean
    low: float  # 25th percentile
    high: float  # 75th percentile
    mean: float  # in which the days count that the interquartile mean hides
    vs_mpc: float | None = None  # mean less that of mpc on the same days; None in checkpoints from before it was told
    vs_low: float | None = None  # its 95 % interval; None below three groups of days
    vs_high: float | None = None


@dataclass(frozen=True)
class Standing:
    """The validations so far, and the policy that did best."""

    curve: tuple[Point, ...] = ()
    policy: NetworkPolicy | None = None
    first: NetworkPolicy | None = None  # that of the first validation: what imitation left

    @property
    def best(self) -> Point:
        """The best policy's validation, by its mean; the earlier of equal ones. Only after a first validation."""
        return max(self.curve, key=lambda point: point.mean)

    def after(self, point: Point, policy: NetworkPolicy) -> Standing:
        """The standing after one more validation."""
        standing = replace(self, curve=(*self.curve, point), first=self.first or policy)
        return replace(standing, policy=policy) if standing.best is point else standing

    def shrunk(self, factor: float) -> Standing:
        """The standing with policies whose networks answer `factor` times as much."""
        policy, first = (None if p is None else p.shrunk(factor) for p in (self.policy, self.first))
        return replace(self, policy=policy, first=policy if self.first is self.policy else first)


def take_snapshot(model: OnPolicyAlgorithm, env: BiddingVecEnv, standing: Standing) -> Snapshot:
    """A copy of the state at the start of a day, a few milliseconds; training may go on."""
    # stable-baselines3 draws its minibatches from NumPy's global generator.
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002
    policy, ours = standing.policy, declared(env.vector.episode.segments)
    return {
        "schema": _SCHEMA,
        "features": {name: [float(ours[name].low), float(ours[name].high)] for name in env.features},
        "step": int(model.num_timesteps),
        "market": env.vector.episode.market.digest,
        "updates": int(model._n_updates),
        "parameters": deepcopy(model.get_parameters()),
        "torch_generator": torch.get_rng_state(),
        "numpy_generator": [str(name), int(position), int(has_gauss), float(cached)],
        "numpy_keys": torch.from_numpy(np.asarray(keys, np.int64)),
        "row_generators": json.dumps([g.bit_generator.state for g in env.vector.generators]),
        "uniforms": torch.from_numpy(env.vector.uniforms.copy()),
        "observation": torch.from_numpy(np.array(model._last_obs)),
        "episode_starts": torch.from_numpy(np.array(model._last_episode_starts)),
        "prices": torch.from_numpy(_prices(env).copy()),
        "curve": [list(astuple(point)) for point in standing.curve],
        "best": {} if policy is None else _network(policy),
        "best_name": "" if policy is None else policy.name,
        "first": {} if standing.first is None else _network(standing.first),
    }


def trained_features(snapshot: Snapshot, segments: int) -> tuple[str, ...]:
    """Names of the features that the run is trained on, in order: the environment to go on in shows these.

    Raises:
        CheckpointMismatch: this version does not observe one of them over `segments` segments in the same range.
    """
    other = strange({name: (low, high) for name, (low, high) in snapshot["features"].items()}, segments)
    if other:
        raise CheckpointMismatch(f"the run is trained on what this version does not observe: {other}. {_REMEDY}")
    return tuple(snapshot["features"])


def restore_snapshot(snapshot: Snapshot, model: OnPolicyAlgorithm, env: BiddingVecEnv) -> Standing:
    """Bring `model` and `env`, made by the run's own configuration, to where the snapshot was taken.

    Then `model.learn(total - model.num_timesteps, reset_num_timesteps=False)` goes on with the run.

    Raises:
        CheckpointMismatch: the market, the forecast or the plan is not the run's.
    """
    digest = env.vector.episode.market.digest
    if digest != snapshot["market"]:
        raise CheckpointMismatch(f"the market is {digest}, the run's was {snapshot['market']}. {_REMEDY}")
    observation = env.resume(json.loads(snapshot["row_generators"]), snapshot["uniforms"].numpy())
    # A day's first observation depends on forecast, campaign and plan, not yet on the day.
    if not np.array_equal(observation, snapshot["observation"].numpy()):
        raise CheckpointMismatch(f"the days after step {snapshot['step']:,} begin with another plan. {_REMEDY}")
    if env.vector.prices is not None:
        env.vector.prices.multiplier[:] = snapshot["prices"].numpy()
    model.set_parameters(snapshot["parameters"], exact_match=True, device="cpu")
    model._last_obs = observation
    model._last_episode_starts = snapshot["episode_starts"].numpy().copy()
    model.num_timesteps, model._n_updates = snapshot["step"], snapshot["updates"]
    torch.set_rng_state(snapshot["torch_generator"])
    name, position, has_gauss, cached = snapshot["numpy_generator"]
    keys = snapshot["numpy_keys"].numpy().astype(np.uint32)
    np.random.set_state((name, keys, position, has_gauss, cached))  # noqa: NPY002
    curve = tuple(Point(int(step), *rest) for step, *rest in snapshot["curve"])
    return Standing(curve, _policy(snapshot, env, "best"), _policy(snapshot, env, "first"))


def _network(policy: NetworkPolicy) -> dict[str, torch.Tensor | str]:
    """A policy's network by the names that it is stored under; what is no number is text."""
    arrays = policy.network.arrays()
    return {k: str(a) if a.dtype.kind == "U" else torch.from_numpy(a.copy()) for k, a in arrays.items()}


def _policy(snapshot: Snapshot, env: BiddingVecEnv, which: str) -> NetworkPolicy | None:
    stored = {k: np.array(v) if isinstance(v, str) else v.numpy() for k, v in snapshot[which].items()}
    if not stored:
        return None
    return NetworkPolicy(network_of(stored), env.residual, env.features, snapshot["best_name"])


_REMEDY = "The log or the code has changed: check out the run's git commit and use its log, or train anew."


def _prices(env: BiddingVecEnv) -> NDArray[np.float64]:
    return np.zeros(0) if env.vector.prices is None else env.vector.prices.multiplier


def write_snapshot(snapshot: Snapshot, path: Path) -> None:
    """Write to one file."""
    torch.save(snapshot, path)


def latest_snapshot(folder: Path) -> Snapshot:
    """The snapshot of the most steps among the .pt files of `folder`; one cut short while written is passed over.

    Raises:
        CheckpointMismatch: no whole snapshot of this version.
    """
    whole = []
    for path in sorted(folder.glob("*.pt")):
        try:
            snapshot = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
            continue  # the run ended while it was written; the one before it is whole
        if isinstance(snapshot, dict) and snapshot.get("schema") == _SCHEMA:
            whole.append(snapshot)
    if not whole:
        raise CheckpointMismatch(f"{folder} holds no whole checkpoint of this version. Train anew.")
    return max(whole, key=lambda snapshot: int(snapshot["step"]))

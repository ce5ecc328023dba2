"""What happens between rollouts: validations, the best policy so far, and snapshots between two days."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.learners.common.snapshot import Point, Snapshot, Standing, take_snapshot
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv


class Watch(Protocol):
    """What a training is watched by."""

    def validate(self, policy: NetworkPolicy, step: int) -> Point:
        """Play `policy`, as it is after `step` environment steps, on days held out."""

    def validated(self, standing: Standing, policy: NetworkPolicy) -> None:
        """Hear of a validation of `policy`, after it has been taken into the standing."""

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a snapshot to go on from."""

    def advance(self, step: int, standing: Standing) -> None:
        """Hear that a rollout has been played, up to `step`."""


class BetweenRollouts(BaseCallback):
    """Validates, keeps the best policy, and takes snapshots between days.

    Args:
        env: what is trained on.
        read: the policy of the model as it stands.
        watch: what is told.
        standing: validations and best policy so far; empty for a new run.
        step: environment steps that the run has already done.
        validate_every, checkpoint_every: environment steps, rounded up to the next chance.
    """

    def __init__(
        self,
        env: BiddingVecEnv,
        read: Callable[[OnPolicyAlgorithm], NetworkPolicy],
        watch: Watch,
        standing: Standing,
        step: int,
        validate_every: int,
        checkpoint_every: int,
    ) -> None:
        super().__init__()
        self.env, self.read, self.watch, self.standing = env, read, watch, standing
        self._validate_every, self._checkpoint_every = validate_every, checkpoint_every
        self._kept = step if standing.curve else -1  # a new run is checkpointed before its first step
        self._between_days: Snapshot | None = None

    @property
    def trained(self) -> OnPolicyAlgorithm:
        """The model that is trained."""
        assert isinstance(self.model, OnPolicyAlgorithm)
        return self.model

    def _on_rollout_start(self) -> None:
        step = self.trained.num_timesteps
        seen = self.standing.curve[-1].step if self.standing.curve else -1
        if step // self._validate_every > seen // self._validate_every:
            self.validate()
        if self.env.vector.episode.t > 0:
            return  # rollouts that are not whole days begin inside one
        self._between_days = take_snapshot(self.trained, self.env, self.standing)
        if step // self._checkpoint_every > self._kept // self._checkpoint_every:
            self.checkpoint()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self.watch.advance(self.trained.num_timesteps, self.standing)

    def validate(self) -> None:
        """Play the validation days; keep the policy if it is the best so far."""
        policy = self.read(self.trained)
        self.standing = self.standing.after(self.watch.validate(policy, self.trained.num_timesteps), policy)
        self.watch.validated(self.standing, policy)

    def finish(self) -> None:
        """After the last update: validate, and checkpoint where a day has just ended."""
        if not self.standing.curve or self.standing.curve[-1].step < self.trained.num_timesteps:
            self.validate()
        if self.env.vector.episode.t == 0:
            self._between_days = take_snapshot(self.trained, self.env, self.standing)
            self.checkpoint()

    def checkpoint(self) -> None:
        """Keep the state at the last day boundary, where it has not been kept yet."""
        if self._between_days is None or self._between_days["step"] == self._kept:
            return
        self.watch.keep(self._between_days)
        self._kept = int(self._between_days["step"])

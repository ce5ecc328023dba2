"""What happens between rollouts: validation, the best policy, checkpoints, progress."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from rich.progress import Progress
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from bidpilot.agents.learners.common.trained_policy import trained_policy
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.tracking import Run
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.snapshot import Point, Snapshot, Standing, take_snapshot, write_snapshot

_FILES = ("even.pt", "odd.pt")  # written in turn, so that one is whole whenever the process dies


class TrainingCallback(BaseCallback):
    """Validates, keeps the best policy, checkpoints between days, and shows progress.

    Args:
        standing: validations and best policy so far; empty for a new run.
        step: environment steps that the run has already done.
    """

    def __init__(
        self,
        config: TrainConfig,
        env: BiddingVecEnv,
        arena: Arena,
        run: Run,
        progress: Progress,
        standing: Standing,
        step: int,
    ) -> None:
        super().__init__()
        self.config, self.env, self.arena, self.run, self.standing = config, env, arena, run, standing
        self.progress = progress
        self.task = progress.add_task("train", total=config.total_steps, completed=step, note="")
        self._from = step
        self._written = step if standing.curve else -1  # a new run is checkpointed before its first step
        self._files = 0
        self._between_days: Snapshot | None = None

    @property
    def ppo(self) -> PPO:
        """The model that is trained."""
        assert isinstance(self.model, PPO)
        return self.model

    def _on_training_start(self) -> None:
        self._began = time.perf_counter()

    def _on_rollout_start(self) -> None:
        step = self.ppo.num_timesteps
        seen = self.standing.curve[-1].step if self.standing.curve else -1
        if step // self.config.validate_every > seen // self.config.validate_every:
            self.validate()
        if self.env.vector.episode.t > 0:
            return  # rollouts that are not whole days begin inside one
        self._between_days = take_snapshot(self.ppo, self.env, self.standing)
        if step // self.config.checkpoint_every > self._written // self.config.checkpoint_every:
            self.checkpoint()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        note = f"{self._rate():,.0f} steps/s, {self._shown()}"
        self.progress.update(self.task, completed=self.ppo.num_timesteps, note=note)

    def _rate(self) -> float:
        return (self.ppo.num_timesteps - self._from) / (time.perf_counter() - self._began)

    def _shown(self) -> str:
        return f"R / R* {self.standing.curve[-1].iqm:.4f}" if self.standing.curve else "not validated yet"

    def validate(self) -> None:
        """Play the validation days; keep the policy if it is the best so far."""
        policy = trained_policy(self.ppo, self.config.ppo.residual, self.config.ppo.hidden)
        outcome = self.arena.play(policy)
        step, iqm = self.ppo.num_timesteps, interquartile_mean(outcome.ratio)
        p5, low, high = (float(q) for q in np.quantile(outcome.ratio, [0.05, 0.25, 0.75]))
        self.standing = self.standing.after(Point(step, iqm, low, high), policy)
        self.run.log_metrics(
            {
                "validation/ratio_iqm": iqm,
                "validation/ratio_mean": float(outcome.ratio.mean()),
                "validation/ratio_p5": p5,
                "validation/spend_share": float(outcome.spend_share.mean()),
                **({} if self.env.vector.prices is None else self.env.vector.prices.metrics()),
            },
            step,
        )
        best = " (best so far)" if self.standing.policy is policy else ""
        rate = f", {self._rate():,.0f} steps/s" if step > self._from else ""
        self.progress.console.print(f"step {step:>9,}: R / R* {iqm:.4f} on validation days{best}{rate}")

    def finish(self) -> None:
        """After the last update: validate, and checkpoint where a day has just ended."""
        if not self.standing.curve or self.standing.curve[-1].step < self.ppo.num_timesteps:
            self.validate()
        if self.env.vector.episode.t == 0:
            self._between_days = take_snapshot(self.ppo, self.env, self.standing)
            self.checkpoint()

    def checkpoint(self) -> None:
        """Keep the state at the last day boundary as an artifact of the run, in place of the last but one."""
        if self._between_days is None or self._between_days["step"] == self._written:
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _FILES[self._files % len(_FILES)]
            write_snapshot(self._between_days, path)
            self.run.log_artifact(path, "checkpoint")
        self._files += 1
        self._written = int(self._between_days["step"])

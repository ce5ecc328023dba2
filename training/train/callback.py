"""What happens between rollouts: validation, the best policy, checkpoints, progress."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from rich.progress import Progress
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from bidpilot.agents.policy import MlpPolicy
from bidpilot.agents.sb3 import BiddingVecEnv
from bidpilot.training.config import TrainConfig
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.tracking import Run
from bidpilot.training.train.snapshot import load_snapshot, save_snapshot


class TrainingCallback(BaseCallback):
    """Validates, keeps the best policy, checkpoints at day boundaries, and shows progress."""

    def __init__(
        self, config: TrainConfig, env: BiddingVecEnv, arena: Arena, run: Run, progress: Progress, resume: Path | None
    ) -> None:
        super().__init__()
        self.config, self.env, self.arena, self.run, self.resume = config, env, arena, run, resume
        self.progress, self.task = progress, progress.add_task("train", total=config.total_steps, note="")
        self.best: tuple[float, int, MlpPolicy] | None = None
        self.curve: list[tuple[int, float, float, float]] = []  # step, iqm, quartiles

    @property
    def ppo(self) -> PPO:
        """The model that is trained."""
        assert isinstance(self.model, PPO)
        return self.model

    def _on_training_start(self) -> None:
        self._began, self._from = time.perf_counter(), self.ppo.num_timesteps
        if self.resume is not None:
            self.best = load_snapshot(self.resume, self.ppo, self.env)
            self._from = self.ppo.num_timesteps

    def _on_rollout_start(self) -> None:
        step = self.ppo.num_timesteps
        if self._due(step, self.config.validate_every):
            self.validate()
        if step > self._from and self._due(step, self.config.checkpoint_every):
            self.checkpoint()

    def _due(self, step: int, every: int) -> bool:
        rollout = self.config.rows * self.config.ppo.n_steps
        return step // every > max(step - rollout, -1) // every

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        step = self.ppo.num_timesteps
        rate = (step - self._from) / (time.perf_counter() - self._began)
        self.progress.update(self.task, completed=step, note=f"{rate:,.0f} steps/s, {self._standing()}")

    def _standing(self) -> str:
        return f"R / R* {self.curve[-1][1]:.4f} on validation days" if self.curve else "not validated yet"

    def validate(self) -> Outcome:
        """Play the validation days; keep the policy if it is the best so far."""
        policy = MlpPolicy.from_sb3(self.ppo, self.config.ppo.residual)
        outcome = self.arena.play(policy)
        step, score = self.ppo.num_timesteps, interquartile_mean(outcome.ratio)
        low, high = (float(q) for q in np.quantile(outcome.ratio, [0.25, 0.75]))
        self.curve.append((step, score, low, high))
        self.run.log_metrics(
            {
                "validation/ratio_iqm": score,
                "validation/ratio_p5": float(np.quantile(outcome.ratio, 0.05)),
                "validation/spend_share": float(outcome.spend_share.mean()),
            },
            step,
        )
        if self.best is None or score > self.best[0]:
            self.best = (score, step, policy)
        return outcome

    def checkpoint(self) -> None:
        """Keep a checkpoint as an artifact of the run, in place of the last one."""
        if self.best is None:
            self.validate()
        assert self.best is not None
        with tempfile.TemporaryDirectory() as folder:
            save_snapshot(Path(folder), self.ppo, self.env, self.best)
            self.run.log_folder(Path(folder), "checkpoint")

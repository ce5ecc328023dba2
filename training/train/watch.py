"""What a run shows and stores of its training: validations, the best policy, checkpoints, progress."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.progress import Progress

from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.learners.common.snapshot import Point, Snapshot, Standing, write_snapshot
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.tracking import Run

_FILES = ("even.pt", "odd.pt")  # written in turn, so that one is whole whenever the process dies


class RunWatch:
    """Validates on the days of an arena, and tells the run and the terminal.

    Args:
        step: environment steps that the run has already done, of `total`.
    """

    def __init__(self, env: BiddingVecEnv, arena: Arena, run: Run, progress: Progress, step: int, total: int) -> None:
        self.arena, self._env, self._run, self._progress, self._from = arena, env, run, progress, step
        self._task = progress.add_task("train", total=total, completed=step, note="")
        self._files = 0
        self._began = time.perf_counter()

    def validate(self, policy: NetworkPolicy, step: int) -> Point:
        """R / R* of `policy` on the validation days."""
        outcome = self.arena.play(policy)
        iqm = interquartile_mean(outcome.ratio)
        mean = float(outcome.ratio.mean())
        p5, low, high = (float(q) for q in np.quantile(outcome.ratio, [0.05, 0.25, 0.75]))
        prices = self._env.vector.prices
        metrics: Mapping[str, float] = {
            "validation/ratio_iqm": iqm,
            "validation/ratio_mean": mean,
            "validation/ratio_p5": p5,
            "validation/spend_share": float(outcome.spend_share.mean()),
            **({} if prices is None else prices.metrics()),
        }
        self._run.log_metrics(metrics, step)
        return Point(step, iqm, low, high, mean)

    def validated(self, standing: Standing, policy: NetworkPolicy) -> None:
        """Print the last validation."""
        point = standing.curve[-1]
        best = " (best so far)" if standing.policy is policy else ""
        rate = f", {self._rate(point.step):,.0f} steps/s" if point.step > self._from else ""
        self._progress.console.print(f"step {point.step:>9,}: R / R* {point.mean:.4f} on validation days{best}{rate}")

    def advance(self, step: int, standing: Standing) -> None:
        """Move the bar."""
        shown = f"R / R* {standing.curve[-1].mean:.4f}" if standing.curve else "not validated yet"
        self._progress.update(self._task, completed=step, note=f"{self._rate(step):,.0f} steps/s, {shown}")

    def keep(self, snapshot: Snapshot) -> None:
        """Keep the snapshot as an artifact of the run, in place of the last but one."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _FILES[self._files % len(_FILES)]
            write_snapshot(snapshot, path)
            self._run.log_artifact(path, "checkpoint")
        self._files += 1

    def _rate(self, step: int) -> float:
        return (step - self._from) / (time.perf_counter() - self._began)

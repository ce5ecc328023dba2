"""What a run shows and stores of its training: validations, the best policy, checkpoints, progress."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.learners.common.snapshot import Point, Snapshot, Standing, write_snapshot
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import interquartile_mean, paired
from bidpilot.training.tracking import Run

_FILES = ("even.pt", "odd.pt")  # written in turn, so that one is whole whenever the process dies


class RunWatch:
    """Validates on the days of an arena, and tells the run and the terminal.

    Args:
        units: (K,) what each validation day shares with others.
        step: environment steps that the run has already done, of `total`.
    """

    def __init__(
        self,
        env: BiddingVecEnv,
        arena: Arena,
        units: NDArray[np.int64],
        run: Run,
        progress: Progress,
        step: int,
        total: int,
    ) -> None:
        self.arena, self._env, self._run, self._progress, self._from = arena, env, run, progress, step
        self._units = units
        self._task = progress.add_task("train", total=total, completed=step, note="")
        self._files = 0
        self._began = time.perf_counter()

    @cached_property
    def beside(self) -> NDArray[np.float64]:
        """R / R* (K,) of `mpc` on the validation days."""
        return self.arena.play(controller_agent(MPC.name)).ratio.copy()

    def validate(self, policy: NetworkPolicy, step: int) -> Point:
        """R / R* of `policy` on the validation days."""
        outcome = self.arena.play(policy)
        iqm = interquartile_mean(outcome.ratio)
        mean = float(outcome.ratio.mean())
        p5, low, high = (float(q) for q in np.quantile(outcome.ratio, [0.05, 0.25, 0.75]))
        gap = outcome.ratio - self.beside
        point = Point(step, iqm, low, high, mean, float(gap.mean()), *paired(gap, self._units))
        prices = self._env.vector.prices
        metrics: Mapping[str, float] = {
            "validation/ratio_iqm": iqm,
            "validation/ratio_mean": mean,
            "validation/ratio_p5": p5,
            "validation/spend_share": float(outcome.spend_share.mean()),
            **{f"validation/ratio_{name}": value for name, value in _beside(point).items() if value is not None},
            **({} if prices is None else prices.metrics()),
        }
        self._run.log_metrics(metrics, step)
        return point

    def validated(self, standing: Standing, policy: NetworkPolicy) -> None:
        """Print the last validation."""
        point = standing.curve[-1]
        best = " (best so far)" if standing.policy is policy else ""
        rate = f", {self._rate(point.step):,.0f} steps/s" if point.step > self._from else ""
        beside = "" if point.vs_mpc is None else f", {point.vs_mpc:+.4f} beside {MPC.name}"
        self._progress.console.print(
            f"step {point.step:>9,}: mean R / R* {point.mean:.4f} on validation days{beside}{best}{rate}",
            soft_wrap=True,
        )

    def advance(self, step: int, standing: Standing) -> None:
        """Move the bar."""
        shown = f"mean R / R* {standing.curve[-1].mean:.4f}" if standing.curve else "not validated yet"
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


def _beside(point: Point) -> dict[str, float | None]:
    """What a validation has more than `mpc`, with its interval, by the names of metrics."""
    return {"vs_mpc": point.vs_mpc, "vs_mpc_low": point.vs_low, "vs_mpc_high": point.vs_high}

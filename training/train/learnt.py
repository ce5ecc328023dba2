"""What a learner made of what imitation had left: in words, and as a curve beside `mpc`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from bidpilot.agents.learners.common.snapshot import Standing
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import paired
from bidpilot.training.evaluation.suites import validation_units
from bidpilot.training.report.curves import Beside, Curve, learning_curve
from bidpilot.training.setting.setting import Setting
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.verdict import Verdict


def learnt_told(
    config: TrainConfig, setting: Setting, arena: Arena, standing: Standing, verdict: Verdict | None
) -> str:
    """Whether the learner improved on imitation, by the days of the verdict; where none judge, by those that chose."""
    name = config.learner
    if config.imitation.rounds == 0 or config.total_steps == 0:
        return f"{name} was trained without imitation" if config.total_steps > 0 else "imitation alone"
    if standing.best.step == 0:
        return f"{name} did not improve on imitation: what it left was never beaten on validation days"
    if verdict is not None and verdict.learnt is not None:
        return _told(name, *verdict.learnt, "days that chose nothing")
    assert standing.policy is not None
    assert standing.first is not None
    after, before = (arena.play(policy).ratio.copy() for policy in (standing.policy, standing.first))
    gap = after - before
    low, high = paired(gap, validation_units(setting, arena))
    return _told(name, float(gap.mean()), low, high, "the days that chose it")


def _told(name: str, mean: float, low: float | None, high: float | None, days: str) -> str:
    within = "no interval" if low is None or high is None else f"{low:+.4f} to {high:+.4f}"
    found = f"{mean:+.4f} ({within}) on {days}"
    if low is not None and low > 0.0:
        return f"{name} improved on imitation: {found}"
    return f"{name} is not shown to improve on imitation: {found}"


def training_curve(name: str, standing: Standing, references: Mapping[str, float], title: str, told: str) -> Figure:
    """R / R* over a training with its quartiles over days, and what it has more than `mpc` on the same days."""
    steps, iqm, low, high = np.array([[p.step, p.iqm, p.low, p.high] for p in standing.curve]).T
    known = [point for point in standing.curve if point.vs_mpc is not None]  # a checkpoint may be from before
    beside = None
    if known:
        ends = [(point.vs_low, point.vs_high) for point in known if point.vs_low is not None]
        band = np.array(ends, np.float64).T if len(ends) == len(known) else (None, None)
        curve = Curve([point.step for point in known], [point.vs_mpc or 0.0 for point in known], *band)
        beside = Beside(curve, standing.best.step, told)
    return learning_curve({name: Curve(steps, iqm, low, high)}, references, title, beside)

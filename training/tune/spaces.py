"""What is searched of every baseline: its gains. A learner's own search is in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna import Trial

from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.acting.controllers.base import Gain
from bidpilot.agents.learners.common.space import Choice, Space
from bidpilot.training.evaluation.names import CONSTANT, TUNED_BASELINES

Settings = dict[str, Any]
"""Value by name: a controller's gains, or hyperparameters of a learner."""

BASELINES: dict[str, Mapping[str, Gain]] = {
    CONSTANT: {"gain": Gain(1.0, 0.7, 2.0, logarithmic=True)},
    **{name: CONTROLLERS[name].gains for name in TUNED_BASELINES if name != CONSTANT},
}
"""Every baseline that has something to tune; the plan has nothing."""


def suggested(trial: Trial, space: Space) -> Settings:
    """A point of `space`; numbers are rounded to five significant digits, which is what the data files show."""
    found: Settings = {}
    for name, entry in space.items():
        if isinstance(entry, Choice):
            found[name] = trial.suggest_categorical(name, entry.values)
        else:
            found[name] = float(f"{trial.suggest_float(name, entry.low, entry.high, log=entry.logarithmic):.5g}")
    return found


def defaults(space: Space) -> Settings:
    """The point that tuning starts from: what an agent does untuned."""
    return {name: entry.default for name, entry in space.items()}

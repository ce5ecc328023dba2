"""What is searched: the gains of every baseline, and PPO's hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna import Trial

from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.acting.controllers.base import Gain
from bidpilot.agents.learners.ppo.config import PpoConfig
from bidpilot.training.evaluation.names import CONSTANT, TUNED_BASELINES

Settings = dict[str, Any]
"""Value by name: a controller's gains, or fields of `PpoConfig`."""

BASELINES: dict[str, Mapping[str, Gain]] = {
    CONSTANT: {"gain": Gain(1.0, 0.7, 2.0, logarithmic=True)},
    **{name: CONTROLLERS[name].gains for name in TUNED_BASELINES if name != CONSTANT},
}
"""Every baseline that has something to tune; the plan has nothing."""


@dataclass(frozen=True)
class Choice:
    """A setting that takes one of a few values."""

    values: tuple[int, ...]


_DEFAULT = PpoConfig()
PPO: dict[str, Gain | Choice] = {
    "learning_rate": Gain(_DEFAULT.learning_rate, 1e-4, 5e-3, logarithmic=True),
    "batch_size": Choice((1024, 2048, 4096)),
    "epochs": Choice((3, 5, 8)),
    "gae_lambda": Gain(_DEFAULT.gae_lambda, 0.9, 1.0),
    "clip_range": Gain(_DEFAULT.clip_range, 0.1, 0.4),
    "value": Gain(_DEFAULT.value, 0.25, 1.0),
    "log_std_init": Gain(_DEFAULT.log_std_init, -2.5, -0.5),
}
"""Fields of `PpoConfig` that are tuned, with the range of each."""


def suggested(trial: Trial, space: Mapping[str, Gain | Choice]) -> Settings:
    """A point of `space`; numbers are rounded to five significant digits, which is what the data files show."""
    found: Settings = {}
    for name, entry in space.items():
        if isinstance(entry, Choice):
            found[name] = trial.suggest_categorical(name, entry.values)
        else:
            found[name] = float(f"{trial.suggest_float(name, entry.low, entry.high, log=entry.logarithmic):.5g}")
    return found


def defaults(space: Mapping[str, Gain | Choice]) -> Settings:
    """The point that tuning starts from: what an agent does untuned."""
    return {
        name: getattr(_DEFAULT, name) if isinstance(entry, Choice) else entry.default for name, entry in space.items()
    }

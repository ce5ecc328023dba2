"""What of a learner's hyperparameters is tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bidpilot.agents.acting.controllers.base import Gain
from bidpilot.agents.learners.common.config import LearnerConfig


@dataclass(frozen=True)
class Choice:
    """A setting that takes one of a few values."""

    default: int
    values: tuple[int, ...]


Space = Mapping[str, Gain | Choice]
"""What is searched, by the name of the setting."""


def clipped_updates(default: LearnerConfig) -> Space:
    """The search of a learner's `LearnerConfig`, around `default`."""
    return {
        "learning_rate": Gain(default.learning_rate, 1e-4, 5e-3, logarithmic=True),
        "batch_size": Choice(default.batch_size, (1024, 2048, 4096)),
        "epochs": Choice(default.epochs, (3, 5, 8)),
        "gae_lambda": Gain(default.gae_lambda, 0.9, 1.0),
        "clip_range": Gain(default.clip_range, 0.1, 0.4),
        "value": Gain(default.value, 0.25, 1.0),
        "log_std_init": Gain(default.log_std_init, -2.5, -0.5),
    }

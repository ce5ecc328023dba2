"""The streams of an experiment's days, apart from those of every suite and of each other."""

from __future__ import annotations

import numpy as np

from bidpilot.envs import seeding
from bidpilot.training.evaluation.suites import named_suites
from bidpilot.training.experiments.arms import Arm, named_arm
from bidpilot.training.experiments.play import Ground


def suite_ground(suite: str) -> tuple[Ground, str]:
    """A suite's ground, and the market whose gains controllers have.

    Raises:
        UnknownSuite: no such suite.
        InvalidExperiment: an experiment cannot be played on it.
    """
    (record,) = named_suites((suite,))
    return Ground.of(record), record.gains


def arms_of(names: tuple[str, str], market: str, experiment: str) -> tuple[Arm, Arm]:
    """Both arms by name.

    Raises:
        UnknownAgent, RunNotFound, AmbiguousRun: from a name.
    """
    control, treated = (named_arm(name, market, experiment) for name in names)
    return control, treated


def stream(what: str, suite: str, seed: int) -> np.random.Generator:
    """The generator of an experiment's days, or of those before it; `what` says which."""
    return seeding.stream(seeding.suite_domain(f"experiment {what} {suite}"), seed)

"""A store with a run whose policy is a network with weights drawn at random: no training is needed to export."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bidpilot.agents.acting.policy import MlpPolicy
from bidpilot.bidding.day.action import action_size
from bidpilot.bidding.day.observation import feature_names
from bidpilot.envs import seeding
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.tracking import open_run
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.run import save_policy


def random_policy(segments: int, residual: bool = False, scale: float = 0.6) -> MlpPolicy:
    """A network with outputs on both sides of the clip."""
    generator = np.random.default_rng(5)
    sizes = (len(feature_names(segments)), 16, 8, action_size(segments))
    pairs = list(itertools.pairwise(sizes))
    return MlpPolicy(
        weights=tuple(generator.normal(0, scale, pair).astype(np.float32) for pair in pairs),
        biases=tuple(generator.normal(0, scale, pair[1]).astype(np.float32) for pair in pairs),
        residual=residual,
    )


@pytest.fixture(scope="module", autouse=True)
def _in_project(project: Path) -> None:
    """Every test here has a store."""


def make_run(residual: bool = False) -> str:
    """A finished training run on `steady` whose policy is a random network."""
    setting = training_setting("steady", None, 0)
    arena = setting_arena(setting, 1, seeding.VALIDATION, 0)
    callback: Any = SimpleNamespace(arena=arena)
    best: Any = SimpleNamespace(iqm=0.9, step=1)
    policy = random_policy(len(setting.forecast.segments), residual)
    with open_run("bidpilot", None, {}, {"setting": "steady"}) as tracked:
        folder = Path("policy-files")
        folder.mkdir(exist_ok=True)
        save_policy(folder, policy, setting, TrainConfig(market="steady"), best, callback)
        assert json.loads((folder / "policy.json").read_text())["setting"] == "steady"
        tracked.log_folder(folder, "policy")
        tracked.log_metrics({"best/ratio_iqm": 0.9}, 1)
        return tracked.run_id


@pytest.fixture(scope="module")
def run_id(project: Path) -> str:
    return make_run()

"""A store with a run whose policy is a network with weights drawn at random: no training is needed to export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUAL
from bidpilot.agents.learners.common.snapshot import Point, Standing
from bidpilot.envs import seeding
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.tracking import open_run
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.run import save_policy
from tests.agents.acting.networks import random_lstm, random_mlp, sizes_of


def random_policy(segments: int, residual: bool = False, recurrent: bool = False) -> NetworkPolicy:
    """A network with outputs on both sides of the clip."""
    network = (random_lstm if recurrent else random_mlp)(*sizes_of(segments))
    return NetworkPolicy(network, RESIDUAL if residual else None)


@pytest.fixture(scope="module", autouse=True)
def _in_project(project: Path) -> None:
    """Every test here has a store."""


@pytest.fixture(autouse=True)
def _without_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days to learn bands from take seconds: `test_bands.py` alone plays some."""
    monkeypatch.setattr("bidpilot.training.export.run.bands_of_run", lambda *asked: None)


def make_run(
    residual: bool = False,
    recurrent: bool = False,
    policy: NetworkPolicy | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """A finished training run on `steady` whose policy is the one given, or a random network."""
    setting = training_setting("steady", None, 0)
    arena = setting_arena(setting, 1, seeding.VALIDATION, 0)
    policy = policy or random_policy(len(setting.forecast.segments), residual, recurrent)
    with open_run("bidpilot", None, {}, {"setting": "steady", **(tags or {})}) as tracked:
        folder = Path("policy-files")
        folder.mkdir(exist_ok=True)
        standing = Standing().after(Point(1, 0.9, 0.8, 1.0, 0.9), policy)
        save_policy(folder, setting, TrainConfig(market="steady"), arena, standing, np.array([0.9]))
        assert json.loads((folder / "policy.json").read_text())["setting"] == "steady"
        tracked.log_folder(folder, "policy")
        tracked.log_metrics({"validation/best_ratio_iqm": 0.9}, 1)
        return tracked.run_id


@pytest.fixture(scope="module")
def run_id(project: Path) -> str:
    return make_run()

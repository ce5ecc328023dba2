"""A bundle of a policy that trained under targets: what it serves by default, and what it is promoted by."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.learners.common.snapshot import Point, Standing
from bidpilot.bidding.bundle import load_bundle
from bidpilot.bidding.zone import Cut
from bidpilot.envs import seeding
from bidpilot.envs.logs.storage import load_log, save_log
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.export.agent import BundleAgent
from bidpilot.training.export.config import ExportConfig
from bidpilot.training.export.promote import _log_arena
from bidpilot.training.export.run import run as export
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.setting.terms import LogTerms
from bidpilot.training.tracking import open_run
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.run import save_policy
from tests.training.export.conftest import random_policy
from tests.training.small_logs import small_log

TARGETS = (1.0, None, 1.5, 2.0)


@pytest.mark.parametrize(
    ("terms", "served", "replayed"),
    [
        ({}, 1.5, [1.0, np.nan, 1.5, 2.0]),
        ({"max_cpa": 3.0}, 3.0, [3.0] * 4),
        ({"targets": False}, None, None),
    ],
)
def test_it_serves_the_mean_target_and_replays_each_days_own(
    tmp_path: Path, terms: dict[str, float], served: float | None, replayed: list[float] | None
) -> None:
    whole = small_log("log", "conversion")
    days = tuple(replace(day, max_cpa=target) for day, target in zip(whole.days, TARGETS, strict=True))
    save_log(replace(whole, days=days, cut=Cut("Asia/Shanghai", 4)), tmp_path / "log")
    setting = training_setting("", tmp_path / "log", 0, LogTerms.model_validate(terms))
    files = tmp_path / "policy"
    files.mkdir()
    standing = Standing().after(Point(1, 0.9, 0.8, 1.0, 0.9), random_policy(2))
    arena = setting_arena(setting, 2, seeding.VALIDATION, 0)
    save_policy(files, setting, TrainConfig(log=tmp_path / "log"), arena, standing, np.array([0.9]))
    with open_run("bidpilot", None, {}, {"setting": "log"}) as tracked:
        tracked.log_folder(files, "policy")
    export(ExportConfig(run=tracked.run_id, out=tmp_path / "bundle", register_model=False))

    manifest = load_bundle(tmp_path / "bundle").manifest
    assert manifest.campaign.max_cpa == served
    assert manifest.origin.targets == json.loads((files / "policy.json").read_text())["targets"]
    assert load_bundle(tmp_path / "bundle").manifest.origin.cut == Cut("Asia/Shanghai", 4)
    _, arena, _ = _log_arena(load_log(tmp_path / "log"), BundleAgent.load(tmp_path / "bundle", "challenger"))
    if replayed is None:
        assert not arena.campaigns.bounds
    else:
        np.testing.assert_array_equal(arena.campaigns.bounds["max_cpa"], replayed)
    assert load_log(tmp_path / "log").n_days == 4

"""The bands that a bundle carries: learnt by whom it exports, read as they were written, and left out with a word."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bidpilot.agents.learners.common.snapshot import Point, Standing
from bidpilot.bidding.bundle import BANDS_FILE, MANIFEST_FILE, checksum, load_bundle
from bidpilot.bidding.errors import InvalidBundle
from bidpilot.bidding.watch.bands import Bands
from bidpilot.envs import seeding
from bidpilot.envs.logs.storage import save_log
from bidpilot.training.alerts.of_run import bands_of_run
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.export.write import write_bundle
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.setting.split import HoldOut
from bidpilot.training.tracking import download, resolve_run
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.run import save_policy
from tests.training.export.conftest import random_policy
from tests.training.small_logs import small_log


@pytest.fixture(scope="module")
def files(run_id: str) -> Path:
    return download(run_id, "policy")


@pytest.fixture(scope="module")
def bands(files: Path) -> Bands:
    found = bands_of_run("mpc", files, 64, Console())
    assert found is not None
    return found


@pytest.fixture
def bundle(files: Path, bands: Bands, run_id: str, tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle", files, resolve_run(run_id), "mpc", "watched", bands)
    return tmp_path / "bundle"


def test_a_bundle_carries_the_bands_of_its_training_days(bundle: Path, bands: Bands) -> None:
    read = load_bundle(bundle)
    assert read.bands is not None
    assert read.bands.days == 64
    assert read.bands.budget == read.manifest.campaign.budget
    np.testing.assert_array_equal(read.bands.threshold, bands.threshold)
    np.testing.assert_allclose(read.bands.usual[:, 0], read.forecast.auctions, rtol=0.2)  # requests by slot


def test_bands_that_were_altered_are_refused(bundle: Path) -> None:
    path = bundle / BANDS_FILE
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InvalidBundle):
        load_bundle(bundle)


def test_bands_of_days_with_other_slots_are_refused(bundle: Path, bands: Bands) -> None:
    half = {name: getattr(bands, name)[:24] for name in ("usual", "centre")} | {
        name: getattr(bands, name)[:, :24] for name in ("inner", "outer")
    }
    Bands(**{**{name: getattr(bands, name) for name in bands.__dataclass_fields__}, **half}).save(bundle / BANDS_FILE)
    manifest = json.loads((bundle / MANIFEST_FILE).read_text())
    manifest["checksums"][BANDS_FILE] = checksum(bundle / BANDS_FILE)
    (bundle / MANIFEST_FILE).write_text(json.dumps(manifest))
    with pytest.raises(InvalidBundle, match="24 slots"):
        load_bundle(bundle)


def test_a_bundle_without_bands_is_as_whole_as_before(files: Path, run_id: str, tmp_path: Path) -> None:
    assert write_bundle(tmp_path / "bundle", files, resolve_run(run_id), "mpc", "unwatched").bands is None


def test_a_run_that_learnt_from_a_log_has_bands_of_its_training_days(tmp_path: Path) -> None:
    """Made again from the run's own configuration: the same held-out days are left out."""
    save_log(small_log("log", "conversion"), tmp_path / "log")
    config = TrainConfig(log=tmp_path / "log")
    held_out = HoldOut(config.validation_share, config.hold_out)
    setting = training_setting("", config.log, config.seed, config, held_out, config.carries)
    files = tmp_path / "policy"
    files.mkdir()
    standing = Standing().after(Point(1, 0.9, 0.8, 1.0, 0.9), random_policy(2))
    save_policy(files, setting, config, setting_arena(setting, 2, seeding.VALIDATION, 0), standing, np.array([0.9]))
    found = bands_of_run("mpc", files, 64, Console())
    assert found is not None
    assert found.slots == setting.forecast.slots


def test_a_run_whose_market_is_another_one_now_has_none_and_says_so(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "policy"
    shutil.copytree(files, changed)
    described = json.loads((changed / "policy.json").read_text())
    (changed / "policy.json").write_text(json.dumps(described | {"market_digest": "0" * 64}))
    assert bands_of_run("mpc", changed, 64, Console()) is None
    assert "watch nothing" in " ".join(capsys.readouterr().out.split())

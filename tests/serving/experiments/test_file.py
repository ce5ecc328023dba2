"""An experiment's file is checked before anything is served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import BundleMismatch, InvalidExperiment, InvalidServing
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.serving.build import open_bidder
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.experiments.file import read_experiment
from bidpilot.serving.experiments.money import told_text
from bidpilot.serving.settings import Said
from tests.serving.conftest import write_controller_bundle
from tests.serving.experiments.conftest import Ground, experiment_file

ARMS = [{"name": "control", "share": 0.5}, {"name": "new", "share": 0.5}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"arms": [{"name": "control", "share": 0.5}, {"name": "new", "share": 0.4}]}, "sum to 0.9"),
        ({"arms": [{"name": "control", "share": 0.5}, {"name": "control", "share": 0.5}]}, "more than once"),
        ({"arms": ARMS, "control": "old"}, "control, new"),
        ({"arms": [{"name": "control", "share": 1.0}]}, "arms"),
        ({"arms": [{"name": "a.b", "share": 0.5}, {"name": "control", "share": 0.5}]}, "arms.0.name"),
        ({"arms": ARMS, "campaigns": ["a", "a"]}, "more than once"),
        ({"arms": ARMS, "colour": "red"}, "colour"),
        ({"arms": [{"name": "control", "share": float("nan")}, {"name": "new", "share": 0.5}]}, "share"),
        (["nothing"], "no experiment"),
    ],
)
def test_what_is_no_experiment_is_refused(given: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump({"name": "x"} | given if isinstance(given, dict) else given))
    with pytest.raises(InvalidExperiment, match=said):
        read_experiment(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidExperiment, match=r"gone\.yaml"):
        read_experiment(tmp_path / "gone.yaml")


def test_folders_are_from_the_files_own(tmp_path: Path) -> None:
    path = experiment_file(tmp_path, new="other", key_file="key")
    found = read_experiment(path)
    assert [arm.bundle for arm in found.arms] == [None, tmp_path / "other"]
    assert found.key_file == tmp_path / "key"


@pytest.mark.parametrize(
    ("campaigns", "said"),
    [
        ([{"name": "other"}], "'spring', which is not served"),
        ([{"name": "spring"}, {"name": "spring.new"}], "would be called spring.new"),
        (
            [{"name": "spring", "flight": {"start": "2026-01-01", "end": "2026-01-09", "total": 9.0}}],
            "flight of campaign spring has a total",
        ),
        ([{"name": "s" * 62}], "more than 64"),
    ],
)
def test_campaigns_that_cannot_be_split_are_refused(campaigns: list[dict[str, Any]], said: str, ground: Ground) -> None:
    file = experiment_file(ground.folder, campaigns=["s" * 62 if campaigns[0]["name"][0:2] == "ss" else "spring"])
    with pytest.raises(InvalidExperiment, match=said):
        ground.open(file, campaigns=campaigns)


def test_a_bundle_of_other_segments_is_refused(ground: Ground, tmp_path: Path) -> None:
    other = write_controller_bundle(tmp_path / "other", forecast=ground.smaller())
    with pytest.raises(BundleMismatch, match="arm new"):
        ground.open(experiment_file(ground.folder, new=str(other)))


def test_a_bundle_that_cannot_plan_the_campaign_is_refused(ground: Ground, tmp_path: Path) -> None:
    one = preset_forecast()
    value = one.landscape.value.copy()
    value[:, 2] = 0.0  # no conversions, which the campaign wants
    other = replace(one, landscape=replace(one.landscape, value=value))
    wanted = {"name": "spring", "campaign": {"budget": 40.0, "preference": [0.0, 0.0, 1.0]}}
    folder = write_controller_bundle(
        tmp_path / "other", forecast=other, campaign=Campaign(budget=40.0, preference=(1.0, 0.0, 0.0))
    )
    with pytest.raises(BundleMismatch, match=r"bundle of spring\.new cannot plan it"):
        ground.open(experiment_file(ground.folder, new=str(folder)), campaigns=[wanted])


def test_a_key_that_cannot_be_read_or_is_empty_is_refused(ground: Ground) -> None:
    with pytest.raises(InvalidExperiment, match="key"):
        ground.open(experiment_file(ground.folder, key_file="gone.key"))
    (ground.folder / "empty.key").write_text("\n")
    with pytest.raises(InvalidServing, match="empty"):
        ground.open(experiment_file(ground.folder, key_file="empty.key"))


def test_an_order_of_another_version_is_refused(ground: Ground) -> None:
    with ground.open(None) as bidder:
        bidder.desk.keeper.store.order("experiment/other", Said("me", 0.0, "text").text())
    with pytest.raises(InvalidServing, match="experiment/other"):
        ground.open(None)


def test_what_is_told_of_an_experiment_names_its_accounts(tmp_path: Path) -> None:
    found = told_text(read_experiment(experiment_file(tmp_path)), "new")
    assert found == {"campaigns": ["spring"], "arms": ["control", "new"], "shares": [0.5, 0.5], "to": "new"}


@pytest.mark.parametrize("decisions", ["log", "elsewhere"])
def test_an_experiment_goes_on_with_the_shares_that_it_began_with(ground: Ground, decisions: str) -> None:
    """Else users would change arms, and what is logged already would be read by shares that it never had."""
    arms = [{"name": "control", "share": 0.8}, {"name": "new", "share": 0.2}]
    with ground.open(experiment_file(ground.folder)):
        pass
    with pytest.raises((InvalidServing, InvalidExperiment), match=r"wrongly|began with shares \[0.5, 0.5\]"):
        ground.open(experiment_file(ground.folder, arms=arms), decisions=ground.folder / decisions)
    with ground.open(experiment_file(ground.folder, arms=arms, name="another")):
        pass
    with ground.open(experiment_file(ground.folder)):
        pass


def test_nor_does_an_arm_change_its_bundle(ground: Ground, plan_bundle: Path) -> None:
    with ground.open(experiment_file(ground.folder)):
        pass
    with pytest.raises(InvalidServing, match="shares or bundles would be read wrongly"):
        ground.open(experiment_file(ground.folder, str(plan_bundle)))


def test_the_key_may_come_from_the_state_folder(ground: Ground) -> None:
    with open_bidder(ServeConfig(bundle=ground.bundle, state=ground.state, experiment=experiment_file(
        ground.folder, campaigns=["default"]
    ))):  # fmt: skip
        assert (ground.state / "experiment.key").stat().st_mode & 0o077 == 0

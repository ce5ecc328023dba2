"""A bundle answers as the agent that was trained; one that is altered, old or foreign is refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.gains import tuned_gains
from bidpilot.bidding.bundle import PARITY, load_bundle, observed_features
from bidpilot.bidding.errors import BundleMismatch, InvalidBundle, InvalidConfig, PolicyMismatch, RunNotFound
from bidpilot.training.export.agent import BundleAgent
from bidpilot.training.export.config import ExportConfig
from bidpilot.training.export.onnx_file import OnnxPolicy
from bidpilot.training.export.run import run as export
from bidpilot.training.tracking import download
from tests.training.export.conftest import make_run


def observations(count: int = 200) -> np.ndarray:
    low, high = (np.array([getattr(f, end) for f in observed_features(8)]) for end in ("low", "high"))
    return np.random.default_rng(1).uniform(low, high, (count, len(low))).astype(np.float32)


@pytest.fixture(scope="module")
def bundle_folder(run_id: str, project: Path) -> Path:
    out = project / "bundle"
    export(ExportConfig(run=run_id, out=out, register_model=False))
    return out


def copy(source: Path, target: Path) -> Path:
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


@pytest.mark.parametrize("residual", [False, True])
def test_the_bundle_and_its_onnx_answer_as_the_trained_policy(tmp_path: Path, residual: bool) -> None:
    run_id = make_run(residual)
    export(ExportConfig(run=run_id, out=tmp_path / "b", register_model=False))
    trained = NetworkPolicy.load(download(run_id, "policy") / "policy.npz")
    bundle = load_bundle(tmp_path / "b")
    seen = observations()
    found = AgentDay(agent_of(bundle), len(seen), 8).act(seen)
    np.testing.assert_array_equal(found, AgentDay(trained, len(seen), 8).act(seen))
    assert (np.abs(found) > 0.99).any() or residual
    portable = OnnxPolicy(tmp_path / "b" / "policy.onnx")
    np.testing.assert_allclose(portable.act(seen, {})[0], found, atol=PARITY)
    assert portable.metadata["run_id"] == run_id


@pytest.mark.parametrize("name", sorted(CONTROLLERS))
def test_every_controller_exports_as_its_parameters(tmp_path: Path, run_id: str, name: str) -> None:
    out = tmp_path / "b"
    export(ExportConfig(run=run_id, out=out, agent=name, register_model=False))
    assert not (out / "policy.onnx").exists()
    served, trained = BundleAgent.load(out), controller_agent(name, tuned_gains("steady").get(name))
    ours, theirs = (AgentDay(agent, 200, len(served.bundle.manifest.segments)) for agent in (served, trained))
    for _ in range(3):  # what a controller remembers is part of what it is
        np.testing.assert_array_equal(ours.act(observations()), theirs.act(observations()))
    with pytest.raises(PolicyMismatch, match="has 1"):
        AgentDay(served, 1, 1)


def test_the_manifest_says_where_the_bundle_comes_from(bundle_folder: Path, run_id: str) -> None:
    manifest = load_bundle(bundle_folder).manifest
    assert manifest.origin.run_id == run_id
    assert manifest.origin.metrics == {"best/ratio_iqm": 0.9}
    assert manifest.origin.setting == "steady"
    assert set(manifest.checksums) == {"forecast.npz", "golden.json", "network.npz", "policy.onnx"}
    assert len(manifest.plan.spend) == manifest.slots + 1


def test_no_file_of_a_bundle_is_pickled(bundle_folder: Path) -> None:
    assert {p.suffix for p in bundle_folder.iterdir()} == {".json", ".npz", ".onnx"}
    for file in bundle_folder.glob("*.npz"):
        with np.load(file, allow_pickle=False) as data:
            assert all(data[key].dtype != object for key in data.files)


@pytest.mark.parametrize("file", ["forecast.npz", "golden.json", "network.npz", "policy.onnx"])
def test_an_altered_file_is_refused_by_its_checksum(bundle_folder: Path, tmp_path: Path, file: str) -> None:
    folder = copy(bundle_folder, tmp_path / "b")
    data = bytearray((folder / file).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / file).write_bytes(data)
    with pytest.raises(InvalidBundle, match="checksum"):
        load_bundle(folder)
    (folder / file).unlink()
    with pytest.raises(InvalidBundle, match=f"lacks the file '{file}'"):
        load_bundle(folder)


def edit(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_another_schema_version_is_named_as_such_and_not_by_its_keys(bundle_folder: Path, tmp_path: Path) -> None:
    folder = copy(bundle_folder, tmp_path / "b")
    edit(folder, schema_version=2, moon=1)
    with pytest.raises(BundleMismatch, match="schema version 2; this version reads 1"):
        load_bundle(folder)


def test_other_features_are_named(bundle_folder: Path, tmp_path: Path) -> None:
    folder = copy(bundle_folder, tmp_path / "b")
    features = json.loads((folder / "manifest.json").read_text())["features"]
    edit(folder, features=[{**features[0], "name": "moon_phase"}, *features[1:]])
    with pytest.raises(BundleMismatch, match="moon_phase"):
        load_bundle(folder)
    edit(folder, features=[{**features[0], "high": 7.0}, *features[1:]])
    with pytest.raises(BundleMismatch, match="order or the ranges"):
        load_bundle(folder)


def test_a_plan_that_this_version_does_not_make_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    folder = copy(bundle_folder, tmp_path / "b")
    plan = json.loads((folder / "manifest.json").read_text())["plan"]
    edit(folder, plan={**plan, "alpha": [1.01 * plan["alpha"][0], *plan["alpha"][1:]]})
    with pytest.raises(BundleMismatch, match="planner has changed"):
        load_bundle(folder)


def test_an_agent_that_misses_its_golden_outputs_is_refused(bundle_folder: Path) -> None:
    bundle = load_bundle(bundle_folder)
    bundle.golden.actions[3, 0] += 2 * PARITY
    with pytest.raises(BundleMismatch, match="golden"):
        agent_of(bundle)


@pytest.mark.parametrize("entry", ["../golden.json", "/etc/hostname", "sub/file"])
def test_a_manifest_cannot_name_files_outside_its_folder(bundle_folder: Path, tmp_path: Path, entry: str) -> None:
    folder = copy(bundle_folder, tmp_path / "b")
    checksums = json.loads((folder / "manifest.json").read_text())["checksums"]
    edit(folder, checksums={**checksums, entry: "0"})
    with pytest.raises(InvalidBundle, match="lacks the file"):
        load_bundle(folder)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, run_id: str) -> None:
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(InvalidBundle, match="left alone"):
        export(ExportConfig(run=run_id, out=tmp_path, register_model=False))
    assert (tmp_path / "thesis.tex").read_text() == "years"


def test_unknown_runs_models_and_agents_are_named_errors(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(RunNotFound):
        export(ExportConfig(run="0" * 32, out=tmp_path / "b"))
    with pytest.raises(RunNotFound, match="nobody"):
        export(ExportConfig(run="models:/nobody@champion", out=tmp_path / "b"))
    with pytest.raises(RunNotFound, match="names no registered model"):
        export(ExportConfig(run="models:/bidpilot", out=tmp_path / "b"))
    with pytest.raises(InvalidConfig, match="oracle"):
        export(ExportConfig(run=run_id, out=tmp_path / "b", agent="oracle", register_model=False))


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match="no policy bundle"):
        load_bundle(tmp_path)

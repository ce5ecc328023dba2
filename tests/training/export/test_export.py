"""A bundle answers as the agent that was trained; one that is altered, old or foreign is refused with the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUALS, Residual
from bidpilot.agents.gains import tuned_gains
from bidpilot.bidding.bundle import PARITY, Golden, load_bundle, read_manifest, write_golden, write_manifest
from bidpilot.bidding.day.features import bounds, columns, feature_names, observation_of
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.errors import (
    BundleExists,
    BundleMismatch,
    InvalidBundle,
    InvalidConfig,
    PolicyMismatch,
    RunNotFound,
    UnknownAgent,
)
from bidpilot.training.evaluation.contestants import check_names, find_contestants
from bidpilot.training.evaluation.ground import latest_learnt
from bidpilot.training.export.agent import BundleAgent
from bidpilot.training.export.config import ExportConfig
from bidpilot.training.export.onnx_file import OnnxPolicy
from bidpilot.training.export.run import run as export
from bidpilot.training.export.write import check_bundle
from bidpilot.training.tracking import download, open_run
from tests.agents.acting.networks import random_lstm, random_mlp
from tests.bidding.day.more_features import add_feature
from tests.training.export.conftest import make_run, random_policy


def observations(count: int = 200) -> np.ndarray:
    low, high = bounds(8)
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
    assert manifest.origin.metrics == {"validation/best_ratio_iqm": 0.9}
    assert manifest.origin.setting == "steady"
    assert set(manifest.checksums) == {"bands.npz", "forecast.npz", "golden.json", "network.npz", "policy.onnx"}
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
    edit(folder, schema_version=3, moon=1)
    with pytest.raises(BundleMismatch, match="schema version 3; this version reads 2"):
        load_bundle(folder)


def test_other_features_are_named(bundle_folder: Path, tmp_path: Path) -> None:
    folder = copy(bundle_folder, tmp_path / "b")
    features = json.loads((folder / "manifest.json").read_text())["features"]
    edit(folder, features=[{**features[0], "name": "moon_phase"}, *features[1:]])
    with pytest.raises(BundleMismatch, match="moon_phase"):
        load_bundle(folder)
    edit(folder, features=[{**features[0], "high": 7.0}, *features[1:]])
    with pytest.raises(BundleMismatch, match=r"time_left in \[0, 7\] and not \[0, 1\]"):
        load_bundle(folder)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("residual", [None, *RESIDUALS.values()], ids=["alone", *RESIDUALS])
def test_a_bundle_of_some_features_in_another_order_is_exported_checked_and_answers(
    tmp_path: Path, residual: Residual | None, recurrent: bool
) -> None:
    """The network reads three features backwards; its base, the re-plan, reads others besides."""
    names = ("value_day", "replan", "budget_left")
    network = (random_lstm if recurrent else random_mlp)(3, 11)
    run_id = make_run(policy=NetworkPolicy(network, residual, names))
    export(ExportConfig(run=run_id, out=tmp_path / "b", register_model=False))
    bundle = load_bundle(tmp_path / "b")
    told = [feature.name for feature in bundle.manifest.features]
    base = [] if residual is None else [f"replan_segment_{s}" for s in range(8)]
    if residual is RESIDUALS["mpc"]:
        base.insert(0, "time_left")
    assert told == [*names, *base]
    assert bundle.golden.observations.shape == (48, len(told))
    seen = observations()
    own = seen[:, [feature_names(8).index(name) for name in told]]
    raw, _ = network.forward(own[:, :3], network.start(len(seen)))
    expected = np.clip(raw, -1, 1)
    if residual is not None:
        expected *= 0.3
        expected[:, 0] += np.clip(own[:, 1], -1, 1)
        expected[:, 3:] += own[:, -8:]
    agent = agent_of(bundle)
    assert agent.replan is (Replan.FORECAST if residual is None else residual.base.replan)
    np.testing.assert_allclose(AgentDay(agent, len(seen), 8).act(seen), np.clip(expected, -1, 1), atol=1e-6)
    portable = OnnxPolicy(tmp_path / "b" / "policy.onnx")
    assert [f["name"] for f in json.loads(portable.metadata["features"])] == told
    (first, *_) = portable.session.get_inputs()
    assert first.shape == ["batch", len(told)]
    np.testing.assert_allclose(portable.act(seen, agent.start(len(seen)))[0], np.clip(expected, -1, 1), atol=PARITY)


def test_a_bundle_whose_manifest_lists_its_features_in_another_order_still_answers_its_golden_day(
    bundle_folder: Path, tmp_path: Path
) -> None:
    folder = copy(bundle_folder, tmp_path / "b")
    manifest, order = read_manifest(folder), np.random.default_rng(0).permutation(len(feature_names(8)))
    golden = load_bundle(folder).golden
    write_golden(folder, Golden(golden.observations[:, order], golden.actions))
    write_manifest(folder, manifest.model_copy(update={"features": tuple(manifest.features[i] for i in order)}))
    bundle = check_bundle(folder)
    assert bundle.manifest.features[0].name == feature_names(8)[order[0]] != "time_left"


def test_an_agent_that_reads_what_its_manifest_does_not_name_is_refused(bundle_folder: Path) -> None:
    bundle = load_bundle(bundle_folder)
    fewer = bundle.manifest.model_copy(update={"features": bundle.manifest.features[2:]})
    with pytest.raises(BundleMismatch, match="reads block_left, time_left, which the bundle does not name"):
        agent_of(replace(bundle, manifest=fewer))


@pytest.mark.parametrize("name", [None, *sorted(CONTROLLERS)])
def test_a_bundle_serves_on_once_more_features_are_observed(
    tmp_path: Path, run_id: str, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(ExportConfig(run=run_id, out=tmp_path / "b", agent=name, register_model=False))
    seen = observations()
    before = AgentDay(agent_of(load_bundle(tmp_path / "b")), len(seen), 8).act(seen)
    place = add_feature(monkeypatch, before="budget_left")
    after = AgentDay(agent_of(load_bundle(tmp_path / "b")), len(seen), 8).act(np.insert(seen, place, 0.77, axis=1))
    np.testing.assert_allclose(after, before, atol=1e-6)


@pytest.mark.parametrize("name", CONTROLLERS)
def test_a_controller_reads_what_it_says_and_no_more(name: str) -> None:
    agent, seen = controller_agent(name), observations()
    own = agent.reads(8)
    alone = observation_of(seen[:, columns(own, 8)], own, 8)
    one, other = AgentDay(agent, len(seen), 8), AgentDay(agent, len(seen), 8)
    for _ in range(2):
        np.testing.assert_array_equal(one.act(alone), other.act(seen))


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


def test_a_run_exports_its_own_choice_and_another_agent_where_one_is_named(tmp_path: Path) -> None:
    run_id = make_run(tags={"choice": "adaptive", "choice.why": "better"})
    agents = {}
    for asked in (None, "ppo"):
        export(ExportConfig(run=run_id, out=tmp_path / "b", agent=asked, register_model=False))
        agents[asked] = load_bundle(tmp_path / "b").manifest.agent
    assert (agents[None].name, agents[None].kind) == ("adaptive", "controller")
    assert (agents["ppo"].name, agents["ppo"].kind) == ("ppo", "network")


@pytest.mark.parametrize("choice", ["adaptive", "ppo", None])
def test_choice_at_a_run_plays_what_the_run_exports(choice: str | None) -> None:
    name = f"choice@{make_run(tags={} if choice is None else {'choice': choice})}"
    (row,) = (contestant for contestant in find_contestants((name,), "bidpilot") if contestant.name == name)
    (agent,) = row.policies.values()
    assert isinstance(agent, NetworkPolicy) == (choice != "adaptive")
    with pytest.raises(UnknownAgent, match="choice@RUN"):
        check_names(["choice"])


def test_a_bundle_of_another_run_is_replaced_only_by_force(
    run_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, other = tmp_path / "b", make_run(tags={"choice": "adaptive", "choice.why": "it won"})
    for agent in ("ppo", "mpc"):  # of one run either replaces the other
        export(ExportConfig(run=run_id[:20], out=out, agent=agent, register_model=False))
    before = (out / "manifest.json").read_bytes()
    with pytest.raises(BundleExists, match=f"run {run_id[:8]}; it was left alone.*--force"):
        export(ExportConfig(run=other, out=out, register_model=False))
    assert (out / "manifest.json").read_bytes() == before
    capsys.readouterr()
    export(ExportConfig(run=other, out=out, register_model=False, force=True))
    assert load_bundle(out).manifest.origin.run_id == other
    told = " ".join(capsys.readouterr().out.split())
    assert f"exporting adaptive of run {other[:8]}" in told
    assert "ppo trained on steady; adaptive is the run's own choice: it won" in told


def test_the_latest_run_is_the_last_on_the_suites_preset_whose_policy_can_be_played() -> None:
    steady, daily = make_run(), make_run(tags={"setting": "daily"})
    for learner in ("ppo", "recurrent_ppo"):
        with open_run("bidpilot", None, {}, {"setting": "daily", "learner": learner}) as broken:  # it holds no policy
            pass
    narrow = make_run(policy=random_policy(2), tags={"setting": "steady"})
    found = {preset: latest_learnt("ppo", "bidpilot", None, {preset}).run_id for preset in ("steady", "daily", "week")}
    assert found == {"steady": steady, "daily": daily, "week": daily}
    with pytest.raises(PolicyMismatch, match=f"ppo@{narrow} cannot be played: the policy acts on 2 segments"):
        find_contestants((f"ppo@{narrow[:20]}",), "bidpilot")
    names = [c.name for c in find_contestants((f"ppo@{steady[:20]},{daily}", f"ppo@{steady},{daily[:20]}"), "bidpilot")]
    assert names[2:] == [f"ppo@{steady},{daily}"]
    with pytest.raises(RunNotFound, match=f"by recurrent_ppo on a preset.*{broken.run_id[:8]}"):
        latest_learnt("recurrent_ppo", "bidpilot", None, ())

"""The portable policy answers with the action itself, in a bare runtime that knows nothing of bidpilot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUAL, Residual
from bidpilot.bidding.bundle import PARITY, load_bundle
from bidpilot.bidding.day.features import bounds, feature_names
from bidpilot.training.export.config import ExportConfig
from bidpilot.training.export.onnx_file import onnx_difference, write_onnx
from bidpilot.training.export.run import run as export
from bidpilot.training.export.write import golden_day
from tests.agents.acting.networks import random_lstm, random_mlp, sizes_of
from tests.training.export.conftest import make_run

SEGMENTS = tuple(f"c{k}/{tier}" for k in range(4) for tier in ("head", "tail"))
ROUNDING = 4e-6  # of float32 over a hundred features and a day: either side is within 2e-6 of what float64 gives
GAINS = {
    "plan": {},
    "pid": {"proportional": 1.5, "integral": 0.3, "derivative": 0.7},
    "dual_descent": {"rate": 0.2},
    "mpc": {"gain": 1.2, "early": 0.2, "late": -0.1},
    "adaptive": {},
}


def policy(base: str | None, recurrent: bool = False) -> NetworkPolicy:
    network = (random_lstm if recurrent else random_mlp)(*sizes_of(len(SEGMENTS)))
    if base is None:
        return NetworkPolicy(network)
    return NetworkPolicy(network, Residual(controller_agent(base, GAINS[base]), 0.3))


def session(path: Path) -> ort.InferenceSession:
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def played(path: Path, observations: np.ndarray) -> np.ndarray:
    """A day as another runtime plays it: by the names, types and initial state that the file itself tells."""
    run = session(path)
    state = json.loads(run.get_modelmeta().custom_metadata_map["state"])
    now = {name: np.array([told["initial"]], told["type"]) for name, told in state.items()}
    assert {i.name for i in run.get_inputs()} == {"observation", *state}
    actions = []
    for row in observations:
        outputs = ["action", *(told["output"] for told in state.values())]
        action, *after = run.run(outputs, {"observation": row[None], **now})
        now = dict(zip(state, after, strict=True))
        actions.append(action[0])
    return np.array(actions)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("base", [None, *CONTROLLERS])
def test_a_whole_day_is_played_as_the_agent_plays_it(tmp_path: Path, base: str | None, recurrent: bool) -> None:
    """Slots at both ends of every range are among them; every gain and every state is away from its default."""
    agent = policy(base, recurrent)
    golden = golden_day(agent, len(SEGMENTS), 48)
    low, high = bounds(len(SEGMENTS))
    assert (golden.observations == low).all(axis=1).sum() > 3
    assert (golden.observations == high).all(axis=1).sum() > 3
    write_onnx(agent, tmp_path / "p.onnx", SEGMENTS, "run")
    actions = played(tmp_path / "p.onnx", golden.observations)
    np.testing.assert_allclose(actions, golden.actions, atol=ROUNDING)
    assert np.abs(actions).max() <= 1.0
    assert onnx_difference(tmp_path / "p.onnx", agent, golden.observations) < PARITY


def test_rows_do_not_meet(tmp_path: Path) -> None:
    agent = policy("pid", recurrent=True)
    write_onnx(agent, tmp_path / "p.onnx", SEGMENTS, "run")
    seen = golden_day(agent, len(SEGMENTS), 5).observations
    run, start = session(tmp_path / "p.onnx"), agent.start(5)
    action = run.run(["action"], {"observation": seen, **start})[0]
    np.testing.assert_allclose(action, AgentDay(agent, 5, len(SEGMENTS)).act(seen), atol=2e-6)


def test_a_residual_action_by_hand(tmp_path: Path) -> None:
    """A network that always answers 2: clipped to 1, and 0.3 of it is added to the re-plan's 0.4 and -0.5."""
    inputs, outputs = sizes_of(len(SEGMENTS))
    network = Mlp((np.zeros((inputs, outputs), np.float32),), (np.full(outputs, 2.0, np.float32),))
    write_onnx(NetworkPolicy(network, RESIDUAL), tmp_path / "p.onnx", SEGMENTS, "run")
    seen = np.zeros((2, inputs), np.float32)
    names = feature_names(len(SEGMENTS))
    seen[:, names.index("replan")] = 0.4, 0.9
    seen[:, names.index("replan_segment_0") :] = -0.5
    action = session(tmp_path / "p.onnx").run(None, {"observation": seen})[0]
    np.testing.assert_allclose(action[0], [0.7, 0.3, 0.3, *[-0.2] * 8], atol=1e-6)
    assert action[1, 0] == 1.0  # 1.2, clipped


def test_the_file_says_what_goes_in_and_what_comes_out(tmp_path: Path) -> None:
    write_onnx(policy("pid", recurrent=True), tmp_path / "p.onnx", SEGMENTS, "abc123")
    told = session(tmp_path / "p.onnx").get_modelmeta()
    said = told.custom_metadata_map
    assert (said["schema_version"], said["run_id"]) == ("2", "abc123")
    assert "clip(base + 0.3 * clip(network), -1, 1), where the base is the controller pid" in told.description
    features = json.loads(said["features"])
    assert tuple(f["name"] for f in features) == feature_names(len(SEGMENTS))
    low, high = bounds(len(SEGMENTS))
    np.testing.assert_array_equal([[f["low"], f["high"]] for f in features], np.stack([low, high], axis=1))
    assert features[0]["meaning"] == "share of the day's slots to come"
    entries = json.loads(said["action_entries"])
    assert len(entries) == 3 + len(SEGMENTS)
    assert "exp(1.5 a)" in entries[0]["meaning"]
    assert entries[3]["name"] == "multiplier of c0/head"
    state = json.loads(said["state"])
    assert state["hidden"]["initial"] == [0.0] * 12
    assert state["total"] == {
        "output": "total_out",
        "shape": ["batch"],
        "type": "float64",
        "initial": 0.0,
        "meaning": "base controller: sum of the gaps so far",
    }
    graph = onnx.load(str(tmp_path / "p.onnx")).graph
    assert all(value.doc_string for value in (*graph.input, *graph.output))


def test_the_bundles_own_golden_day_is_the_files(tmp_path: Path) -> None:
    export(ExportConfig(run=make_run(residual=True, recurrent=True), out=tmp_path / "b", register_model=False))
    golden = load_bundle(tmp_path / "b").golden
    np.testing.assert_allclose(played(tmp_path / "b" / "policy.onnx", golden.observations), golden.actions, atol=PARITY)

"""The command: what it writes, and what it refuses before anything is played."""

import json
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.controllers import CONTROLLERS, MPC
from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.bidding.day.features import feature_names
from bidpilot.bidding.errors import InfeasibleCampaign, InvalidConfig, UnknownAgent, UnknownChannel, UnknownSuite
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.contestants import Contestant
from bidpilot.training.evaluation.gains_told import gains_told
from bidpilot.training.evaluation.run import run
from bidpilot.training.tracking import current_store, download, find_run, latest_finished_run, open_run

SEGMENTS = 8


def trained(folder: Path, scale: float) -> str:
    """Id of a training run that ended with a policy which bids the plan times exp(1.5 scale)."""
    bias = np.zeros(3 + SEGMENTS, np.float32)
    bias[0] = scale
    weight = np.zeros((len(feature_names(SEGMENTS)), 3 + SEGMENTS), np.float32)
    NetworkPolicy(Mlp((weight,), (bias,))).save(folder / "policy.npz")
    with open_run("bidpilot", "train", {}, kind="train") as tracked:
        tracked.log_artifact(folder / "policy.npz", "policy")
    return tracked.run_id


def test_seeds_are_rows_of_their_own_and_one_row_together(tmp_path: Path) -> None:
    one, two = trained(tmp_path, 0.0), trained(tmp_path, 0.2)
    pooled, file = f"ppo@{one},{two}", tmp_path / "rows" / "all.json"
    run(EvaluateConfig.model_validate({"agents": ("plan", pooled), "suites": ("steady",), "days": 6, "json": file}))
    written = json.loads(file.read_text())
    rows = {row["agent"]: row for row in written if "iqm" in row}
    assert list(rows) == ["mpc", "mpc_informed", "plan", f"ppo@{one}", f"ppo@{two}", pooled]
    assert [row["seeds"] for row in rows.values()] == [1, 1, 1, 1, 1, 2]
    assert rows[f"ppo@{one}"]["iqm"] == rows["plan"]["iqm"] != rows[f"ppo@{two}"]["iqm"]
    pairs = [(row["agent"], row["against"]) for row in written if "diff" in row]
    assert (pooled, "mpc") in pairs
    assert not any(f"ppo@{one}" in pair for pair in pairs)
    stored = latest_finished_run("evaluate", experiment="bidpilot")
    assert json.loads(download(stored.run_id, "evaluation.json").read_text()) == written
    assert stored.metrics["heldout/steady/mpc/ratio_iqm"] == rows["mpc"]["iqm"]
    assert stored.name == f"evaluate ppo@{one[:4]}+1 steady"
    assert stored.params == {"agents": f"mpc mpc_informed plan {pooled}", "suites": "steady", "days": "6", "seed": "0"}
    assert json.loads(download(stored.run_id, "config.json").read_text())["traffic_filter"] is True
    for figure in ("profiles", "agents"):
        assert download(stored.run_id, f"figures/{figure}.png").stat().st_size > 1000


def test_a_training_is_told_its_score_and_fewer_days_or_other_terms_do_not_replace_it(tmp_path: Path) -> None:
    run_id = trained(tmp_path, 0.0)
    asked = {"agents": (f"ppo@{run_id}",), "suites": ("steady",)}
    run(EvaluateConfig.model_validate(asked | {"days": 4}))
    evaluation = latest_finished_run("evaluate")
    row = next(r for r in json.loads(download(evaluation.run_id, "evaluation.json").read_text()) if r.get("run"))
    told, played = find_run(run_id), evaluation.metrics
    scores = {f"heldout/steady/{key}": row[of] for key, of in (("ratio_iqm", "iqm"), ("ratio_vs_mpc", "vs_mpc"))}
    assert {**told.metrics, **scores, "heldout/steady/days": 4} == told.metrics
    assert played["heldout/steady/ppo/ratio_iqm"] == told.metrics["heldout/steady/ratio_iqm"]
    assert f"steady: R / R* {row['iqm']:.4f}" in told.tags["mlflow.note.content"]
    assert (evaluation.tags["source_run"], evaluation.tags["mlflow.parentRunId"]) == (run_id, run_id)
    days = json.loads(download(evaluation.run_id, "days/steady.json").read_text())
    assert np.mean(days["ratio"][f"ppo@{run_id}"]) == pytest.approx(row["mean"])
    assert (len(days["units"]), days["runs"]) == (4, {f"ppo@{run_id}": run_id})
    gains = json.loads(download(evaluation.run_id, "gains.json").read_text())["steady"]
    assert gains == dict.fromkeys(("mpc", "mpc_informed"), MPC.defaults)
    for other in ({"days": 3}, {"days": 5, "preference": (1.0, 0.0, 0.0)}, {"days": 5, "traffic_filter": False}):
        run(EvaluateConfig.model_validate(asked | other))
        assert find_run(run_id).metrics == told.metrics
    unlike = json.loads(download(latest_finished_run("evaluate").run_id, "days/steady.json").read_text())
    assert unlike["days"] != days["days"]


def test_suites_that_were_played_are_kept_when_a_later_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Contestant.play
    monkeypatch.setattr(Contestant, "play", lambda self, suite: play(self, suite) if suite.name == "steady" else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(EvaluateConfig(agents=("plan",), suites=("steady", "daily"), days=3))
    client, experiment = current_store().client(), current_store().experiment_id("bidpilot")
    (failed,) = client.search_runs([experiment], "attributes.status = 'FAILED'")
    assert failed.data.metrics["heldout/steady/plan/ratio_vs_mpc"] < 0.0
    kept = json.loads(download(failed.info.run_id, "evaluation.json").read_text())
    assert {row["suite"] for row in kept} == {"steady"}


def test_a_front_is_written_and_drawn(tmp_path: Path) -> None:
    file = tmp_path / "front.json"
    config = {"agents": ("mpc",), "suites": ("steady",), "days": 3, "front": True, "json": file}
    run(EvaluateConfig.model_validate(config))
    rows = json.loads(file.read_text())
    assert [row["agent"] for row in rows] == ["mpc_informed", "mpc"]
    assert all(0.5 < row["hypervolume_share"] < 1.0 and np.shape(row["totals"]) == (15, 3) for row in rows)
    stored = latest_finished_run("evaluate", experiment="bidpilot")
    assert stored.metrics["heldout/steady/mpc/worst_loss"] == rows[1]["worst_loss"]
    assert download(stored.run_id, "figures/front_steady.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("asked", "error", "reason"),
    [
        ({"agents": ("nobody",)}, UnknownAgent, "nobody"),
        ({"agents": ("plan",), "suites": ("mars",)}, UnknownSuite, "mars"),
        ({"log": Path("log"), "suites": ("daily",)}, InvalidConfig, "--suites daily"),
        ({"log": Path("log"), "front": True}, InvalidConfig, "--front"),
        ({"front": True, "max_cpa": 3.0}, InvalidConfig, "max_cpa"),
        ({"front": True, "preference": (1.0, 0.0, 0.0)}, InvalidConfig, "preferences of its own.*preference"),
        ({"agents": ("plan",), "suites": ("steady",), "kpi_floors": (0.0, 0.0, 1e9)}, InfeasibleCampaign, "floor"),
        ({"agents": ("plan",), "suites": ("steady",), "channel_caps": {"radio": 1.0}}, UnknownChannel, "radio"),
        ({"suites": ("daily",), "calendar": Path("events.json")}, InvalidConfig, "events.json.*--log"),
        ({"suites": ("daily",), "cpa_margin": 0.1}, InvalidConfig, "--suites cpa or --max-cpa"),
    ],
)
def test_what_cannot_be_played_is_refused_before_any_work(
    asked: dict[str, object], error: type[Exception], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=reason):
        run(EvaluateConfig.model_validate(asked))
    assert not (tmp_path / "mlruns").exists()


def test_gains_that_are_not_the_defaults_are_named_with_their_suites() -> None:
    tuned = {"pid": {"gain": 1.25}, "mpc": {name: gain.default for name, gain in CONTROLLERS["mpc"].gains.items()}}
    agents = ("mpc", "pid", "plan")
    told = gains_told({"daily": tuned, "week": {}, "shift": tuned, "steady": {"constant": {"gain": 1.5}}}, agents)
    assert told == ["gains on daily, shift: pid gain 1.25", "gains on week, steady: the defaults of all"]

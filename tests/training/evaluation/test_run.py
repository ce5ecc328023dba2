"""The command: what it writes, and what it refuses before anything is played."""

import json
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.bidding.day.features import feature_names
from bidpilot.bidding.errors import InfeasibleCampaign, InvalidConfig, UnknownAgent, UnknownChannel, UnknownSuite
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.gains_told import gains_told
from bidpilot.training.evaluation.run import run
from bidpilot.training.tracking import download, latest_finished_run, open_run

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
    assert stored.metrics["steady/mpc"] == rows["mpc"]["iqm"]
    for figure in ("profiles", "agents"):
        assert download(stored.run_id, f"figures/{figure}.png").stat().st_size > 1000


def test_a_front_is_written_and_drawn(tmp_path: Path) -> None:
    file = tmp_path / "front.json"
    config = {"agents": ("mpc",), "suites": ("steady",), "days": 3, "front": True, "json": file}
    run(EvaluateConfig.model_validate(config))
    rows = json.loads(file.read_text())
    assert [row["agent"] for row in rows] == ["mpc_informed", "mpc"]
    assert all(0.5 < row["hypervolume_share"] < 1.0 and np.shape(row["totals"]) == (15, 3) for row in rows)
    stored = latest_finished_run("evaluate", experiment="bidpilot")
    assert stored.metrics["steady/mpc/worst_loss"] == rows[1]["worst_loss"]
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

"""Facts about a training run: resumed equals uninterrupted, bit for bit; what is refused; what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.policy import MlpPolicy
from bidpilot.bidding.errors import InvalidConfig, RunNotFound, UnknownAgent, UnknownSuite
from bidpilot.training.config import EvaluateConfig, TrainConfig
from bidpilot.training.evaluation.run import run as evaluate
from bidpilot.training.tracking import download, find_run
from bidpilot.training.train import run as train

ROLLOUT = 8 * 48


def _config(total: int, resume: str | None = None) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "rows": 8,
            "total_steps": total,
            "validation_days": 8,
            "validate_every": ROLLOUT,
            "checkpoint_every": ROLLOUT,
            "resume": resume,
            "pool": {"size": 8},
            "imitation": {"rounds": 1},
            "ppo": {"batch_size": 128, "learning_rate": 1e-3, "learning_rate_end": 1e-3},
        }
    )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_resumed_run_equals_an_uninterrupted_one_and_evaluates(store: Path) -> None:
    whole = train(_config(4 * ROLLOUT))
    half = train(_config(2 * ROLLOUT))
    train(_config(4 * ROLLOUT, resume=half))
    one, other = (MlpPolicy.load(download(r, "policy") / "policy.npz") for r in (whole, half))
    for a, b in zip(one.weights + one.biases, other.weights + other.biases, strict=True):
        np.testing.assert_array_equal(a, b)
    assert find_run(half).status == "FINISHED"
    with pytest.raises(InvalidConfig, match="larger --total-steps"):
        train(_config(4 * ROLLOUT, resume=half))
    rows = store / "rows.json"
    evaluate(EvaluateConfig.model_validate({"agents": ("plan", "ppo"), "suites": ("daily",), "days": 16, "json": rows}))
    written = json.loads(rows.read_text())
    assert [set(row) for row in written] == [
        {"agent", "suite", "iqm", "ci_low", "ci_high", "p5", "spend_share", "violation_rate", "violation_size", "days"},
        {"agent", "suite", "iqm", "ci_low", "ci_high", "p5", "spend_share", "violation_rate", "violation_size", "days"},
        {"agent", "against", "suite", "diff", "diff_low", "diff_high"},
    ]


def test_unknown_runs_agents_and_suites_are_refused_before_any_work(store: Path) -> None:
    with pytest.raises(RunNotFound):
        train(_config(ROLLOUT, resume="0" * 32))
    with pytest.raises(UnknownAgent, match="nobody"):
        evaluate(EvaluateConfig(agents=("nobody",)))
    with pytest.raises(UnknownSuite, match="mars"):
        evaluate(EvaluateConfig(agents=("plan",), suites=("mars",)))

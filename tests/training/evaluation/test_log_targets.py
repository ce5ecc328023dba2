"""`evaluate --log` under the days' own targets, one for all, or none; and with a margin of them kept free."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.bidding.errors import InfeasibleCampaign, InvalidConfig
from bidpilot.envs.logs.storage import load_log, save_log
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.ground import find_trained
from bidpilot.training.evaluation.run import run
from bidpilot.training.evaluation.suites import log_suite
from bidpilot.training.setting.terms import LogTerms
from bidpilot.training.tracking import Run, find_run, latest_finished_run
from tests.training.small_logs import idle_run, small_log

TARGETS = (0.38, None, 0.41)  # below what conversions cost that the budget buys
Play = Callable[..., Mapping[str, Any]]


def write(folder: Path, first: int, targets: tuple[float | None, ...], budget: float = 20.0) -> Path:
    log = small_log(folder.name, "conversion", units=len(targets), first=first)
    days = tuple(replace(day, max_cpa=t, budget=budget) for day, t in zip(log.days, targets, strict=True))
    save_log(replace(log, days=days), folder)
    return folder


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("logs")
    return write(folder / "train", 0, (1.0,) * 4), write(folder / "test", 6, TARGETS)


@pytest.fixture
def played(logs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """The rows of `plan` and `mpc` on the test log by agent, under options of the command."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setattr(Run, "log_figure", lambda *_: None)

    def play(log: Path = logs[1], **options: Any) -> Mapping[str, Any]:
        asked = {"agents": ("plan",), "log": log, "forecast": str(logs[0]), "json": "rows.json"}
        run(EvaluateConfig.model_validate(asked | options))
        return {row["agent"]: row for row in json.loads(Path("rows.json").read_text()) if "iqm" in row}

    return play


def test_the_days_own_targets_apply_unless_one_is_given_or_they_are_left_out(
    played: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    own = played()
    assert "test: 2 of 3 days have a target cost per conversion, of 0.38 to 0.41" in capsys.readouterr().out
    assert latest_finished_run("evaluate").params["targets"] == "recorded"
    none, tight, loose = played(targets=False), played(max_cpa=0.38), played(max_cpa=100_000.0)
    assert latest_finished_run("evaluate").params["targets"] == "campaign"
    assert "3 of 3 days have a target cost per conversion, of 0.38 to 0.38" in capsys.readouterr().out
    assert len({rows["mpc"]["iqm"] for rows in (own, none, tight)}) == 3
    for agent in ("plan", "mpc"):
        assert loose[agent]["iqm"] == pytest.approx(none[agent]["iqm"], rel=1e-4)
    assert tight["plan"]["spend_share"] < own["plan"]["spend_share"] < none["plan"]["spend_share"]


def test_the_score_is_that_of_each_days_target_and_of_the_budget_alone_where_it_has_none(
    logs: tuple[Path, Path],
) -> None:
    log = load_log(logs[1])
    arena = log_suite(log, find_trained(log, str(logs[0]), (), "bidpilot"), LogTerms()).arena
    np.testing.assert_array_equal(arena.campaigns.bounds["max_cpa"], [0.38, np.nan, 0.41])
    outcome = arena.play(controller_agent("plan"))
    spend = outcome.spend_share * arena.campaigns.budget
    conversions = outcome.reached[:, 2] * arena.episode.today.ideal[:, 2]
    kept = np.minimum(1.0, (np.array([0.38, np.inf, 0.41]) * conversions / spend) ** 2)
    assert (kept < 1).any()
    best = arena.best * arena.episode.today.ideal[:, 2]
    np.testing.assert_allclose(outcome.ratio, conversions * kept / best, rtol=1e-12)


def test_a_margin_of_recorded_targets_is_kept_free(played: Play, logs: tuple[Path, Path], tmp_path: Path) -> None:
    own, careful = played(), played(cpa_margin=0.1)
    assert careful["plan"]["spend_share"] < own["plan"]["spend_share"]
    assert careful["plan"]["violation_size"] < own["plan"]["violation_size"]
    free = write(tmp_path / "free", 12, (None, None))
    for options in ({"log": free}, {"targets": False}):
        with pytest.raises(InvalidConfig, match="needs a target cost, and no day of"):
            played(cpa_margin=0.1, **options)
    assert "mpc" in played(log=free, max_cpa=1.0, cpa_margin=0.1)


def test_what_a_run_was_asked_for_is_played_and_the_mean_of_its_days_targets_is_not(
    played: Play, logs: tuple[Path, Path], tmp_path: Path
) -> None:
    run_id = idle_run(logs[0])
    folder, free = find_run(run_id), write(tmp_path / "free", 12, (None, None))
    assert folder.tags["log_digest"]
    log = load_log(free)
    trained = find_trained(log, run_id, (), "bidpilot")
    assert (trained.campaign.max_cpa, trained.targets) == (None, True)
    assert not log_suite(log, trained).arena.campaigns.bounds


def test_a_target_that_nothing_can_be_bought_at_is_refused(played: Play, tmp_path: Path) -> None:
    with pytest.raises(InfeasibleCampaign, match=r"dear records max_cpa = 1e-09.*--no-targets"):
        played(log=write(tmp_path / "dear", 12, (1e-9, 1.0)))


def test_targets_are_left_out_of_logs_alone() -> None:
    with pytest.raises(InvalidConfig, match="no log is played"):
        run(EvaluateConfig(targets=False))

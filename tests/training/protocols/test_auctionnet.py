"""`bidpilot auctionnet`: both scores in one schema, the numbers of `evaluate`, and each campaign by the others."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.agents.baselines.published import auctionnet_bidders as bidders
from bidpilot.bidding.errors import InvalidProtocol, RunNotFound
from bidpilot.envs.logs.storage import load_log, save_log
from bidpilot.training.cli import main
from bidpilot.training.evaluation import suites
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.run import run as evaluate
from bidpilot.training.protocols import auctionnet_folds
from bidpilot.training.protocols.auctionnet import run
from bidpilot.training.protocols.config import AuctionNetConfig
from bidpilot.training.protocols.names import BENCHMARK
from bidpilot.training.report.tables import Marks
from bidpilot.training.setting.split import HoldOut
from bidpilot.training.tracking import Run
from tests.training.small_logs import idle_run, small_log

TARGETS = {"1": 1.1, "2": 1.6}
Rows = Mapping[tuple[str, str], dict[str, Any]]


def write(folder: Path, units: range) -> Path:
    """Days of two campaigns with a target each; a conversion costs about 1, and budgets buy a part of them."""
    log = small_log(folder.name, "conversion", units=len(units), campaigns=("1", "2"), first=units.start)
    days = tuple(replace(day, max_cpa=TARGETS[day.campaign], budget=20.0) for day in log.days)
    save_log(replace(log, days=days), folder)
    return folder


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("logs")
    return write(folder / "train", range(4)), write(folder / "test", range(6, 9))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.setattr(Run, "log_figure", lambda *_: None)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def played(request: pytest.FixtureRequest) -> Callable[..., Rows]:
    """Rows of the command by suite and agent, and by suite and pair; runs are sought in the test's own experiment."""

    def play(train: Path, test: Path | None, **options: Any) -> Rows:
        asked = {"train": train, "test": test, "json": "rows.json", "experiment": request.node.name}
        run(AuctionNetConfig.model_validate(asked | options))
        found = json.loads(Path("rows.json").read_text())
        return {(r["suite"], r["agent"] if "iqm" in r else f"{r['agent']} - {r['against']}"): r for r in found}

    return play


def test_one_command_gives_both_scores_of_every_agent_that_evaluate_gives(
    logs: tuple[Path, Path], played: Callable[..., Rows], request: pytest.FixtureRequest
) -> None:
    train, test = logs
    one, two = (idle_run(train, HoldOut(), scale=scale, experiment=request.node.name) for scale in (0.0, 0.2))
    pooled = f"ppo@{one},{two}"
    rows = played(train, test, agents=(*BENCHMARK, "plan", pooled))
    ours = {"plan", "mpc", "mpc_informed", f"ppo@{one}", f"ppo@{two}", pooled}
    agents = {agent for suite, agent in rows if " - " not in agent}
    assert agents == {*BENCHMARK, *ours}
    for targets, suite in ((True, "test"), (False, "test without targets")):
        asked = {"agents": ("plan", pooled), "log": test, "forecast": str(train), "targets": targets}
        evaluate(EvaluateConfig.model_validate(asked | {"json": "own.json", "preference": (0.0, 0.0, 1.0)}))
        own = [row for row in json.loads(Path("own.json").read_text()) if "iqm" in row]
        assert {row["agent"] for row in own} == ours
        for row in own:
            theirs = rows[suite, row["agent"]]
            assert set(row) - set(Marks.__annotations__) <= set(theirs)
            for key, value in row.items():
                if isinstance(value, float):
                    assert theirs[key] == pytest.approx(value, rel=1e-9), (row["agent"], key)
            assert theirs["seeds"] == row["seeds"] == (2 if row["agent"] == pooled else 1)
    assert rows["test", f"ppo@{one}"]["iqm"] == rows["test", "plan"]["iqm"]
    for (suite, agent), row in rows.items():
        if "iqm" in row:
            assert 0 < row["score"] <= row["conversions"] * (1 + 1e-9), agent
            assert row["score"] <= row["best_score"] * (1 + 1e-6), agent
            without = rows[suite, agent]["violation_rate"] == 0
            assert without or row["score"] < row["conversions"], agent
    # A bidder of the benchmark bids by the targets under either score; only what counts differs.
    for name in BENCHMARK:
        assert rows["test", name]["conversions"] == rows["test without targets", name]["conversions"]
    # Single seeds are no pair; each pair stands once: 8 agents against online_lp and mpc.
    pairs = [key for suite, key in rows if " - " in key and suite == "test"]
    assert len(pairs) == 7 + 6
    assert not any(f"ppo@{one} " in pair for pair in pairs)
    assert (f"{pooled} - mpc") in pairs


def test_the_latest_policy_of_the_log_is_played_where_none_is_named_and_never_one_with_a_campaign_held_out(
    logs: tuple[Path, Path], played: Callable[..., Rows], request: pytest.FixtureRequest, capsys: Any
) -> None:
    train, test = logs
    idle_run(train, HoldOut(campaigns=("1",)), experiment=request.node.name)
    rows = played(train, test)
    assert not any(agent.startswith("ppo") for _, agent in rows)
    told = capsys.readouterr().out
    assert "ppo is left out" in told
    assert "mpc_tuned is left out: no gains were tuned on train" in told
    own = idle_run(train, HoldOut(), experiment=request.node.name)
    assert ("test", f"ppo@{own}") in played(train, test)


def test_gains_that_were_tuned_have_a_row_beside_neutral_ones(
    logs: tuple[Path, Path], played: Callable[..., Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    gains = {"mpc_tuned": {"gain": 0.0, "early": 0.0, "late": 0.0}}  # no re-plan: the plan
    for module in (auctionnet_folds, suites):
        monkeypatch.setattr(module, "row_gains", lambda *_: gains)
    rows = played(*logs, agents=("mpc_tuned", "plan"))
    assert rows["test", "mpc_tuned"]["iqm"] == rows["test", "plan"]["iqm"] != rows["test", "mpc"]["iqm"]


def test_each_campaign_is_played_by_what_is_known_of_the_others(
    logs: tuple[Path, Path], played: Callable[..., Rows], request: pytest.FixtureRequest, capsys: Any, tmp_path: Path
) -> None:
    train, name = logs[0], request.node.name
    log = load_log(train)
    rows = played(train, None, leave_one_out=True)
    told = capsys.readouterr().out
    for campaign in TARGETS:
        assert f"bidpilot train --log {train} --hold-out {campaign} --seed 0" in " ".join(told.split())
    suite = "train, each campaign left out"
    assert rows[suite, "mpc"]["days"] == log.n_days == 8
    assert not any("tuned" in agent or "ppo" in agent for _, agent in rows)

    # A campaign's days are those of a test log whose training log holds the other's.
    whose = np.array([day.campaign for day in log.days])
    parts = {}
    for campaign in TARGETS:
        own, rest = tmp_path / f"own-{campaign}", tmp_path / f"rest-{campaign}"
        save_log(replace(log.select_days(np.flatnonzero(whose == campaign)), name=own.name), own)
        save_log(replace(log.select_days(np.flatnonzero(whose != campaign)), name=rest.name), rest)
        parts[campaign] = played(rest, own, agents=(*BENCHMARK, "plan"))
    for agent in (*BENCHMARK, "plan", "mpc", "mpc_informed"):
        for end in ("", " without targets"):
            apart = [parts[campaign][f"own-{campaign}{end}", agent]["score"] for campaign in TARGETS]
            assert rows[suite + end, agent]["score"] == pytest.approx(np.mean(apart), rel=1e-9), agent

    # A policy plays where every campaign has a run with it held out.
    idle_run(train, HoldOut(campaigns=("1",)), experiment=name)
    idle_run(train, HoldOut(), experiment=name)
    capsys.readouterr()
    rows = played(train, None, leave_one_out=True, agents=("ppo", "plan"))
    assert (suite, "ppo") not in rows
    told = " ".join(capsys.readouterr().out.split())
    assert "--hold-out 2 --seed 0" in told
    assert "--hold-out 1" not in told
    idle_run(train, HoldOut(campaigns=("2",)), experiment=name)
    rows = played(train, None, leave_one_out=True, agents=("ppo", "plan"))
    assert {**rows[suite, "ppo"], "agent": "plan"} == rows[suite, "plan"]

    # One that learnt under a forecast in rates does not play under one in money.
    capsys.readouterr()
    rows = played(train, None, leave_one_out=True, agents=("ppo", "plan"), carries="money")
    assert (suite, "ppo") not in rows
    assert "--hold-out 1 --seed 0 --carries money" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(RunNotFound, match="whose forecast holds money"):
        played(*logs, agents=("ppo",), carries="money")


def test_days_of_two_periods_are_too_few_for_a_verdict(
    logs: tuple[Path, Path], tmp_path: Path, played: Callable[..., Rows], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = played(logs[0], write(tmp_path / "few", range(90, 92)), agents=("plan", "online_lp"))
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("2 groups of days, too few") == 4  # rows and pairs, under either score
    for row in rows.values():
        ends = ("diff_low", "diff_high") if "diff" in row else ("ci_low", "ci_high", "mean_low", "mean_high")
        assert row["groups"] == 2
        assert {row[end] for end in ends} == {None}


def test_controllers_have_the_forecast_that_is_asked_for(tmp_path: Path, played: Callable[..., Rows]) -> None:
    """Both campaigns have the same rates and worths of 1 and 4: plans in money differ, rates are chosen."""
    folders = [write(tmp_path / name, units) for name, units in (("a", range(4)), ("b", range(50, 54)))]
    for folder in folders:
        log = load_log(folder)
        days = tuple(replace(day, conversion_value=1.0 if day.campaign == "1" else 4.0) for day in log.days)
        save_log(replace(log, days=days), folder)
    scores = {c: played(*folders, agents=("plan",), carries=c)["b", "plan"]["mean"] for c in ("auto", "rates", "money")}
    assert scores["auto"] == scores["rates"] != scores["money"]


def test_what_cannot_be_played_is_refused_before_anything_is(
    logs: tuple[Path, Path], tmp_path: Path, played: Callable[..., Rows], capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = logs
    for arguments, reason in (
        ([train], "got neither. Give one of them"),
        ([train, test, "--leave-one-out"], "got both. Give one of them"),
        ([train, train], "8 days are in both logs"),
        ([train, test, "--agents", "rlb"], "no agent is called 'rlb'"),
        ([train, test, "--agents", "mpc@1"], "no agent is called 'mpc@1'"),
        ([train, "--leave-one-out", "--agents", "ppo@1"], "Give ppo: its runs are found by what they held out"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["auctionnet", *map(str, arguments)])
        assert stop.value.code == 2
        assert reason in " ".join(capsys.readouterr().err.split())
    with pytest.raises(RunNotFound):
        played(train, test, agents=("ppo",))
    log = load_log(test)
    for days, reason in (
        ((replace(log.days[0], max_cpa=None), *log.days[1:]), "'1 day 6' has no target"),
        (tuple(replace(day, campaign="1") for day in log.days), "All days of other are of '1'"),
        (tuple(replace(day, campaign="") for day in log.days), "other does not say whose its days are"),
    ):
        folder = tmp_path / "other"
        save_log(replace(log, name="other", days=days), folder)
        left_out = "target" not in reason
        with pytest.raises(InvalidProtocol, match=reason):
            played(folder if left_out else train, None if left_out else folder, leave_one_out=left_out)
    value = log.conversion.copy()
    value[log.offsets[1, 0] : log.offsets[1, -1]] = 0.0
    save_log(replace(log, conversion=value, true_conversion=value), tmp_path / "empty")
    with pytest.raises(InvalidProtocol, match="No auction of day '2 day 6' has a conversion to buy"):
        played(train, tmp_path / "empty", agents=("plan",))


def test_the_names_that_are_typed_are_the_bidders_own() -> None:
    own = (bidders.FixedCpa, bidders.BudgetPid, bidders.CpaPid, bidders.OnlineLp)
    assert tuple(bidder.name for bidder in own) == BENCHMARK

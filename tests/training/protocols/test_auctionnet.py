"""`bidpilot auctionnet`: every agent, the oracle, and differences paired by period."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.bidding.day.action import action_size
from bidpilot.bidding.day.features import feature_names
from bidpilot.bidding.errors import RunNotFound
from bidpilot.training.cli import main
from bidpilot.training.protocols.auctionnet import run
from bidpilot.training.protocols.config import AuctionNetConfig
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.tracking import open_run

AUCTIONS = 30  # of a slot


def write(folder: Path, name: str, periods: range) -> Path:
    """An imported log of two advertisers in some periods."""
    rng = np.random.default_rng(periods.start)
    keys = [(p, a, t, k) for p in periods for a in (1, 2) for t in range(48) for k in range(AUCTIONS)]
    period, advertiser, step, place = np.array(keys).T
    value = rng.lognormal(-5.0, 0.7, len(keys)).clip(0, 1)
    frame = pl.DataFrame(
        {
            "deliveryPeriodIndex": period,
            "advertiserNumber": advertiser,
            "timeStepIndex": step,
            "pvIndex": step * AUCTIONS + place,
            "budget": np.where(advertiser == 1, 150.0, 250.0),
            "CPAConstraint": np.where(advertiser == 1, 60.0, 80.0),
            "pValue": value,
            "leastWinningCost": 50.0 * value * rng.lognormal(0.0, 0.7, len(keys)),
        }
    )
    frame.write_parquet(folder / f"{name}.parquet")
    main(["import", "auctionnet", str(folder / f"{name}.parquet"), "--out", str(folder / name)])
    return folder / name


def store_idle_policy(log: Path, folder: Path) -> str:
    """A finished training run on the log, whose policy always acts zero: it bids the plan."""
    setting = training_setting("", log, 0)
    assert setting.reference_log is not None
    sizes = (len(feature_names(1)), action_size(1))
    folder.mkdir()
    NetworkPolicy(Mlp((np.zeros(sizes, np.float32),), (np.zeros(sizes[1], np.float32),))).save(folder / "policy.npz")
    setting.forecast.save(folder / "forecast.npz")
    with open_run("bidpilot", None, {}, {"log_digest": setting.reference_log.digest}) as tracked:
        tracked.log_folder(folder, "policy")
    return tracked.run_id


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("logs")
    return write(folder, "train", range(2)), write(folder, "test", range(5, 8))


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)


def test_one_table_holds_every_agent_the_oracle_and_the_policy_that_was_trained_on_the_log(
    logs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training, test = logs
    path = tmp_path / "rows.json"
    run_id = store_idle_policy(training, tmp_path / "policy")
    capsys.readouterr()
    main(["auctionnet", str(training), str(test), "--json", str(path)])
    printed = capsys.readouterr().out
    assert "6 days of 3 periods" in printed
    assert "left out" not in printed
    found = json.loads(path.read_text())
    rows = {row["agent"]: row for row in found["rows"]}
    ours = {"plan", "mpc", "mpc_informed", "ppo"}
    assert set(rows) == {"fixed_cpa", "budget_pid", "cpa_pid", "online_lp", "hindsight"} | ours
    for name, row in rows.items():
        assert row["iqm_low"] <= row["iqm"] <= row["iqm_high"], name
        assert row["iqm"] <= 1.0 + 1e-6, name
        assert (row["days"], row["groups"]) == (6, 3), name
        assert 0 < row["score"] <= row["conversions"] + 1e-12, name
        assert row["score"] <= rows["hindsight"]["score"] * (1 + 1e-6), name
        assert row["spend_share"] <= 1.0, name
        assert (row["realised_score"] is None) is (name == "hindsight")
    assert rows["hindsight"]["mean"] == pytest.approx(1.0)
    assert rows["fixed_cpa"]["over_target"] == 0.0
    assert {**rows["ppo"], "agent": "plan"} == rows["plan"]
    # 8 agents against online_lp and mpc: 7 and 6 pairs, each once.
    assert len(found["pairs"]) == len({frozenset((p["agent"], p["against"])) for p in found["pairs"]}) == 13
    for pair in found["pairs"]:
        assert pair["diff"] == pytest.approx(rows[pair["agent"]]["mean"] - rows[pair["against"]]["mean"])
        assert pair["diff_low"] <= pair["diff"] <= pair["diff_high"]
    run(AuctionNetConfig(train=training, test=test, agents=(f"ppo@{run_id}",), json_file=path))
    (named, _), _ = json.loads(path.read_text()).values()
    assert named["mean"] == rows["ppo"]["mean"]


def test_days_of_two_periods_are_too_few_for_a_verdict(
    logs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.json"
    run(AuctionNetConfig(train=logs[1], test=logs[0], agents=("plan", "online_lp"), json_file=path))
    assert capsys.readouterr().out.count("2 groups of days, too few") == 2
    found = json.loads(path.read_text())
    assert [(row["groups"], row["iqm_low"], row["mean_high"]) for row in found["rows"]] == [(2, None, None)] * 3
    assert [(pair["groups"], pair["diff_low"]) for pair in found["pairs"]] == [(2, None)]


def test_what_cannot_be_played_is_refused_before_anything_is(
    logs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    training, test = logs
    for arguments, reason in (
        ([training, training], "4 days are in both logs"),
        ([training, test, "--agents", "rlb"], "no agent is called 'rlb'"),
        ([training, test, "--agents", "mpc@1"], "no agent is called 'mpc@1'"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["auctionnet", *map(str, arguments)])
        assert stop.value.code == 2
        assert reason in capsys.readouterr().err
    with pytest.raises(RunNotFound):
        run(AuctionNetConfig(train=training, test=test, agents=("ppo",)))
    run(AuctionNetConfig(train=training, test=test, agents=("plan", "mpc"), against=("plan",)))
    assert "left out" not in capsys.readouterr().out

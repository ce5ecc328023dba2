"""Whose forecast a log is played under: its own training part's, whatever else the store holds; else it is asked."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.bidding.errors import ForecastMismatch, InvalidConfig, RunNotFound
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.storage import save_log
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.recorded.carrying import AskedCarried
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.ground import TrainingPart, strangeness
from bidpilot.training.evaluation.run import run
from bidpilot.training.explain.config import ExplainConfig
from bidpilot.training.explain.run import run as explain
from bidpilot.training.setting.split import HoldOut
from bidpilot.training.setting.terms import LogTerms
from bidpilot.training.tracking import Run, RunInfo, download, find_run, latest_finished_run
from bidpilot.training.tracking.lineage import Lineage
from tests.training.small_logs import idle_run, small_log

OTHER = 8.0  # prices of the other market
KPI = "conversion"


@pytest.fixture
def logs(tmp_path: Path) -> Callable[..., Path]:
    """A folder of training or test days of the market of these prices; the same days each time."""

    def write(part: str, price: float = 1.0) -> Path:
        first, units = {"train": (0, 6), "test": (6, 3)}[part]
        folder = tmp_path / "logs" / f"{part}-{price:g}"
        if not folder.exists():
            save_log(small_log(folder.name, KPI, units=units, first=first, price=price), folder)
        return folder

    return write


@dataclass(frozen=True)
class Store:
    """An experiment of its own, in one store for all tests, since making one takes seconds."""

    experiment: str

    def trained(
        self,
        log: Path | None,
        hold_out: HoldOut | None = None,
        scale: float = 0.0,
        learner: str = DEFAULT,
        carries: AskedCarried = "auto",
    ) -> str:
        """Id of a training run whose policy bids exp(1.5 scale) times the plan."""
        return idle_run(log, hold_out, scale, self.experiment, learner, carries)

    def evaluated(self, log: Path, agents: Sequence[str] = ("mpc",), **options: Any) -> dict[str, dict[str, Any]]:
        """Rows of agents on a log, by the agent without its run."""
        asked = {"agents": tuple(agents), "log": log, "json": "rows.json", "experiment": self.experiment}
        run(EvaluateConfig.model_validate(asked | options))
        rows = [row for row in json.loads(Path("rows.json").read_text()) if "iqm" in row]
        return {row["agent"].partition("@")[0]: row for row in rows}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def store(database: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Store:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.setattr(Run, "log_figure", lambda *_: None)
    return Store(request.node.name)


def test_a_training_on_another_log_changes_no_row(store: Store, logs: Callable[..., Path]) -> None:
    own = store.trained(logs("train"))
    before = store.evaluated(logs("test"), ("mpc", "ppo"))
    other = store.trained(logs("train", OTHER), scale=0.3)
    assert store.evaluated(logs("test"), ("mpc", "ppo")) == before
    assert store.evaluated(logs("test"), ("mpc", f"ppo@{own}")) == before
    assert (before["ppo"]["agent"], before["ppo"]["run"]) == (f"ppo@{own}", own)
    assert before["mpc"]["forecast_run"] == own
    assert (before["mpc"]["trained_on"], before["mpc"]["other_market"]) == (0, False)

    # The other log has its own, named or not.
    theirs = store.evaluated(logs("test", OTHER), ("mpc", "ppo"))
    assert theirs == store.evaluated(logs("test", OTHER), ("mpc", f"ppo@{other}"))
    assert theirs["mpc"]["forecast_run"] == other
    assert not theirs["ppo"]["other_market"]


def test_what_is_of_another_market_is_played_where_it_is_asked_for_and_marked(
    store: Store, logs: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    own, other, preset = store.trained(logs("train")), store.trained(logs("train", OTHER)), store.trained(None)
    plain = store.evaluated(logs("test"))
    capsys.readouterr()
    rows = store.evaluated(logs("test"), ("mpc", f"ppo@{other}"))
    assert rows["mpc"] == plain["mpc"]  # a policy of another market brings no forecast
    assert rows["ppo"]["other_market"]
    assert rows["ppo"]["forecast_run"] == own
    assert "another market" in capsys.readouterr().out
    stored = latest_finished_run("evaluate", experiment=store.experiment)
    assert stored.tags["source_run"] == other
    assert stored.tags["other_market"] == f"ppo@{other}"
    assert (stored.tags["forecast_run"], stored.tags["trained_on"]) == (own, "0")
    assert stored.params["agents"].split() == ["mpc_informed", "mpc", f"ppo@{other}"]

    crossed = store.evaluated(logs("test"), forecast=other)
    assert all(row["other_market"] for row in crossed.values())
    assert crossed["mpc"]["forecast_run"] == other
    assert crossed["mpc"]["forecast_log"] == find_run(other).tags["log_digest"]
    assert crossed["mpc"]["iqm"] != plain["mpc"]["iqm"]

    with pytest.raises(RunNotFound, match="trained on steady, not on a log"):
        store.evaluated(logs("test"), forecast=preset)


def test_a_policy_of_a_log_on_a_suite_is_marked_and_never_meant_by_its_learners_name(
    store: Store, logs: Callable[..., Path], tmp_path: Path
) -> None:
    store.trained(None)
    preset = store.trained(None, scale=0.1)
    wide = small_log("wide", KPI)
    segments = tuple(f"feed-{k}/head" for k in range(8))  # as many as the suites have
    save_log(type(wide)(**{**vars(wide), "segments": segments}), tmp_path / "wide")
    of_log = store.trained(tmp_path / "wide")
    asked = {"suites": ("steady",), "days": 3, "json": tmp_path / "rows.json", "experiment": store.experiment}
    for agent, played, other in (("ppo", preset, False), (f"ppo@{of_log}", of_log, True)):
        run(EvaluateConfig.model_validate({**asked, "agents": (agent,)}))
        rows = {row["agent"]: row for row in json.loads((tmp_path / "rows.json").read_text()) if "iqm" in row}
        assert rows[f"ppo@{played}"]["other_market"] is other
        assert rows["mpc"]["other_market"] is False


def test_one_that_is_alone_in_the_store_and_of_another_market_is_refused(
    store: Store, logs: Callable[..., Path]
) -> None:
    other = store.trained(logs("train", OTHER))
    with pytest.raises(
        ForecastMismatch, match=r"no training run is on a log of the market of test-1\. There is train-8"
    ):
        store.evaluated(logs("test"))
    with pytest.raises(ForecastMismatch, match=r"mean price is .*--forecast RUN"):
        store.evaluated(logs("test"), (f"ppo@{other}",))
    assert store.evaluated(logs("test"), (f"ppo@{other}",), forecast=other)["ppo"]["other_market"]


def test_two_logs_that_may_be_of_the_market_are_asked_about(store: Store, logs: Callable[..., Path]) -> None:
    own, like = store.trained(logs("train")), store.trained(logs("train", 1.2))
    with pytest.raises(ForecastMismatch, match=r"may be of the market of 2 logs: train-1.2 \(.*train-1 \(.*--forecast"):
        store.evaluated(logs("test"))
    with pytest.raises(ForecastMismatch, match="learnt from different days"):
        store.evaluated(logs("test"), (f"ppo@{own},{like}",))
    assert store.evaluated(logs("test"), forecast=own)["mpc"]["forecast_run"] == own
    named = store.evaluated(logs("test"), (f"ppo@{own}",))
    assert named["mpc"]["forecast_run"] == own
    both = store.evaluated(logs("test"), (f"ppo@{own},{like}",), forecast=like)
    assert both["mpc"]["forecast_run"] == like
    assert store.evaluated(logs("train"))["mpc"]["forecast_run"] == own  # the very log decides


def test_days_that_were_trained_on_are_counted_and_said(
    store: Store, logs: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    one = store.trained(logs("train"), HoldOut(1 / 3))
    assert store.evaluated(logs("train"), ("mpc", "ppo"))["mpc"]["trained_on"] == 4
    assert "not held out: 4 of the 6 days of train-1 were trained on" in capsys.readouterr().out
    all_of_them = store.trained(logs("train"), HoldOut(0.0))
    rows = store.evaluated(logs("train"), ("mpc", f"ppo@{all_of_them}"), forecast=one)
    assert (rows["mpc"]["trained_on"], rows["ppo"]["trained_on"]) == (4, 6)
    assert latest_finished_run("evaluate", experiment=store.experiment).tags["trained_on"] == "6"
    assert store.evaluated(logs("test"), forecast=one)["mpc"]["trained_on"] == 0
    assert "R / R* on held-out days" in capsys.readouterr().out


def test_the_forecast_of_a_log_is_fitted_on_all_its_days_and_on_none_that_are_played(
    store: Store, logs: Callable[..., Path], tmp_path: Path
) -> None:
    rows = store.evaluated(logs("test"), forecast=str(logs("train")))  # without any run
    assert rows["mpc"]["forecast_run"] is None
    assert not rows["mpc"]["other_market"]
    run_id = store.trained(logs("train"), HoldOut(0.0))
    assert store.evaluated(logs("test"), forecast=run_id)["mpc"]["iqm"] == rows["mpc"]["iqm"]
    assert store.evaluated(logs("test"), ("ppo",), forecast=str(logs("train")))["ppo"]["run"] == run_id
    overlapping = tmp_path / "overlapping"
    save_log(small_log("overlapping", KPI, units=3, first=6), overlapping)
    with pytest.raises(InvalidConfig, match=r"3 of the 3 days of test-1 are in .*overlapping too, 'day 6'"):
        store.evaluated(logs("test"), forecast=str(overlapping))


def test_runs_with_campaigns_held_out_by_name_are_played_by_id_alone(store: Store, tmp_path: Path) -> None:
    save_log(small_log("train", KPI, campaigns=("a", "b")), tmp_path / "train")
    save_log(small_log("test", KPI, units=2, first=4), tmp_path / "test")
    whole = store.trained(tmp_path / "train")
    without = store.trained(tmp_path / "train", HoldOut(campaigns=("a",)))
    assert find_run(without).tags["held_out"] == '["a"]'
    assert store.evaluated(tmp_path / "test", ("ppo",))["ppo"]["run"] == whole
    assert store.evaluated(tmp_path / "test", (f"ppo@{without}",))["mpc"]["forecast_run"] == without
    with pytest.raises(ForecastMismatch, match="learnt from different days"):
        store.evaluated(tmp_path / "test", (f"ppo@{whole}", f"ppo@{without}"))


def test_a_campaign_of_any_name_can_be_held_out(store: Store, tmp_path: Path) -> None:
    save_log(small_log("train", KPI, campaigns=("a,b", "c d", "none")), tmp_path / "train")
    save_log(small_log("test", KPI, units=2, first=4), tmp_path / "test")
    whole = store.trained(tmp_path / "train")
    runs = {
        named: store.trained(tmp_path / "train", HoldOut(campaigns=named))
        for named in (("none",), ("c d", "a,b"), ("a,b",))
    }
    for named, run_id in runs.items():
        assert Lineage.of(find_run(run_id)).held_out == tuple(sorted(named))
    assert store.evaluated(tmp_path / "test", ("ppo",))["ppo"]["run"] == whole
    # a run of before has the names with commas
    assert Lineage.of(run_info({"held_out": "27"})).held_out == ("27",)
    assert Lineage.of(run_info({"held_out": "0,27"})).held_out == ("0", "27")
    assert Lineage.of(run_info({"held_out": "none"})).held_out == ()


def test_days_with_nothing_to_win_are_told(
    store: Store, logs: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = small_log("dry", KPI, units=3, first=6)
    conversion = log.conversion.copy()
    conversion[log.offsets[1, 0] : log.offsets[1, -1]] = 0
    save_log(replace(log, conversion=conversion, true_conversion=conversion), tmp_path / "dry")
    rows = store.evaluated(tmp_path / "dry", forecast=str(logs("train")))
    assert rows["mpc"]["days"] == 2
    assert "dry: 1 of 3 days are left out" in capsys.readouterr().out
    store.evaluated(logs("test"), forecast=str(logs("train")))
    assert "left out" not in capsys.readouterr().out


def test_a_forecast_in_money_and_one_in_rates_of_the_same_days_are_two(store: Store, tmp_path: Path) -> None:
    for name, units, first in (("train", 6, 0), ("test", 3, 6)):
        log = small_log(name, KPI, units=units, first=first)
        days = (replace(day, conversion_value=(1.0, 8.0)[d % 2]) for d, day in enumerate(log.days))
        save_log(replace(log, days=tuple(days)), tmp_path / name)
    train, test = tmp_path / "train", tmp_path / "test"
    rates = store.trained(train, carries="rates")
    money = store.trained(train, carries="money")
    apart = {run_id: store.evaluated(test, (f"ppo@{run_id}",))["mpc"] for run_id in (rates, money)}
    assert apart[rates]["iqm"] != apart[money]["iqm"]
    assert ["in money" in apart[run_id]["forecast"] for run_id in (rates, money)] == [False, True]
    with pytest.raises(ForecastMismatch, match="some in rates and some in money"):
        store.evaluated(test, (f"ppo@{rates},{money}",))
    # a learner's name is its latest run on the forecast that is played, not the latest of all
    assert store.evaluated(test, ("ppo",))["ppo"]["run"] == money
    assert store.evaluated(test, ("ppo",), forecast=rates)["ppo"]["run"] == rates


def test_a_learners_name_means_its_own_latest_run_and_forecast(store: Store, logs: Callable[..., Path]) -> None:
    own = store.trained(logs("train"), HoldOut(0.25))
    other = store.trained(logs("train"), HoldOut(0.5), learner=next(name for name in LEARNERS if name != DEFAULT))
    assert store.evaluated(logs("test"))["mpc"]["forecast_run"] == other
    rows = store.evaluated(logs("test"), (DEFAULT,))
    assert (rows[DEFAULT]["run"], rows["mpc"]["forecast_run"]) == (own, own)
    with pytest.raises(RunNotFound, match=f"by {DEFAULT} on the training days of train-1"):
        store.evaluated(logs("test"), (DEFAULT,), forecast=other)


def test_a_decision_is_explained_of_the_logs_own_policy(
    store: Store, logs: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    own, other = store.trained(logs("train")), store.trained(logs("train", OTHER))
    preset = store.trained(None)
    for run_id, asked in ((own, {"log": logs("test")}), (other, {"log": logs("test", OTHER)}), (preset, {})):
        explain(ExplainConfig.model_validate({"experiment": store.experiment, "suite": "steady", "slot": 2, **asked}))
        name = asked["log"].name if asked else "steady"
        assert json.loads(download(run_id, f"explain/ppo_{name}_day0_slot2.json").read_text())["run"] == run_id
    assert "another market" not in capsys.readouterr().out
    foreign = {"experiment": store.experiment, "run": own, "log": logs("test", OTHER), "slot": 2}
    explain(ExplainConfig.model_validate(foreign))
    assert "is of another market than test-8: its mean price" in " ".join(capsys.readouterr().out.split())


def test_a_market_fitted_to_a_log_has_seen_all_its_days() -> None:
    log = small_log("log", KPI)
    fitted = Lineage.of(run_info({"fitted_to": log.digest, "log_digest": "none"}))
    assert TrainingPart("fitted", fitted).seen(log).all()
    before = Lineage.of(run_info({"log_digest": log.digest}))  # a run that does not say which days
    assert TrainingPart("before", before).seen(log).all()
    assert not TrainingPart("preset", Lineage.of(run_info({}))).seen(log).any()


def run_info(tags: dict[str, str]) -> RunInfo:
    return RunInfo("id", "name", "0", "FINISHED", {}, tags, {}, 0, None)


def test_a_store_without_a_training_on_a_log_says_what_to_do(
    store: Store, logs: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunNotFound, match="Train with --log first, or give --forecast FOLDER"):
        store.evaluated(logs("test"))
    with pytest.raises(InvalidConfig, match="--forecast abc is for a log"):
        run(EvaluateConfig(suites=("daily",), forecast="abc"))
    (tmp_path / "empty").mkdir()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(InvalidConfig, match="a folder that holds no log"):
        store.evaluated(logs("test"), forecast="empty")
    assert not (tmp_path / "mlruns").exists()


def test_a_market_is_told_by_slots_segments_and_price() -> None:
    train, test = small_log("train", KPI), small_log("test", KPI, first=9)
    forecast = small_forecast(train)
    assert not strangeness(test, forecast)
    assert not strangeness(small_log("test", KPI, first=9, price=1.4), forecast)
    assert "mean price is" in strangeness(small_log("test", KPI, first=9, price=1.7), forecast)
    assert "mean price is" in strangeness(small_log("test", KPI, first=9, price=0.5), forecast)
    renamed = type(test)(**{**vars(test), "segments": ("feed/head", "feed/tail")})
    assert strangeness(renamed, forecast) == "its segments are feed/head, search/head, test has feed/head, feed/tail"
    halved = type(test)(**{**vars(test), "offsets": np.ascontiguousarray(test.offsets[:, ::2])})
    assert strangeness(halved, forecast) == "its days have 48 slots, test has 24"


def small_forecast(log: AuctionLog) -> Forecast:
    market = RecordedMarket(log)
    return fit_forecast(market, market.recorded(np.arange(log.n_days)), 2.0)


def test_runs_for_different_campaigns_are_not_played_under_one_of_them_in_silence(
    store: Store, logs: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = logs("train"), logs("test")
    plain = store.trained(train)
    asked = idle_run(train, experiment=store.experiment, terms=LogTerms.model_validate({"max_cpa": 0.8}))
    with pytest.raises(
        InvalidConfig, match=f"run {plain} was trained for another campaign than run {asked}.*--forecast"
    ):
        store.evaluated(test, (f"ppo@{plain},{asked}",))
    for whose, said in ((plain, "0 of 3 days have a target"), (asked, "3 of 3 days have a target")):
        capsys.readouterr()
        store.evaluated(test, (f"ppo@{plain},{asked}",), forecast=whose)
        assert said in capsys.readouterr().out

"""The registry: an export is challenger; the alias champion moves only when paired days are won."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import mlflow
import numpy as np
import pytest

from bidpilot.agents.acting.agent import AgentDay
from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.bidding.bundle import load_bundle
from bidpilot.bidding.errors import InvalidConfig, PromotionRefused, RunNotFound
from bidpilot.envs.logs.storage import save_log
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.export.config import ExportConfig, PromoteConfig
from bidpilot.training.export.promote import Duel, latest_log, verdict
from bidpilot.training.export.promote import duel as fight
from bidpilot.training.export.promote import run as promote
from bidpilot.training.export.registry import Told, active, find_version
from bidpilot.training.export.run import run as export
from bidpilot.training.export.won import won_by
from bidpilot.training.setting.split import HoldOut
from bidpilot.training.tracking import current_store, download, find_run, latest_finished_run, open_run
from tests.training.export.test_won import ROW, bundle
from tests.training.small_logs import idle_run, small_log

pytestmark = pytest.mark.filterwarnings("ignore")  # of mlflow and of what it loads a model with
SMALL = PromoteConfig(name="duel", suites=("steady",), days=24)


def alias(name: str) -> str:
    return find_version(f"models:/duel@{name}").version


def test_a_version_tells_the_scores_of_its_policy_and_where_it_was_trained() -> None:
    with open_run("bidpilot", "ppo daily s0", tags={"setting": "daily"}) as run:
        run.log_metrics({"heldout/daily/ratio_iqm": 0.9791, "heldout/daily/ratio_vs_mpc": 0.0012}, 0)
    training = find_run(run.run_id)
    told = {}
    for agent in ("ppo", "adaptive"):
        bundle = Mock(manifest=Mock(agent=Mock(), origin=Mock(setting="daily")))
        bundle.manifest.agent.name, bundle.manifest.name = agent, "feed"
        told[agent] = Told.of(bundle, training)
    assert told["ppo"].tags["heldout/daily/ratio_iqm"] == "0.9791"
    assert "daily: R / R* 0.9791, +0.0012 beside mpc" in told["ppo"].description
    assert f"[ppo daily s0](/#/experiments/{run.experiment_id}/runs/{run.run_id})" in told["ppo"].description
    assert told["adaptive"].tags == {"source_run": run.run_id, "agent": "adaptive"}


def test_the_champion_is_whoever_won(run_id: str, tmp_path: Path) -> None:
    with pytest.raises(RunNotFound, match="duel"):
        promote(SMALL)
    export(ExportConfig(run=run_id, out=tmp_path / "pid", agent="pid", name="duel"))
    assert alias("challenger") == "1"
    promote(SMALL)  # against the plan, as there is no champion
    assert alias("champion") == "1"
    with pytest.raises(PromotionRefused, match="already"):
        promote(SMALL)
    export(ExportConfig(run=run_id, out=tmp_path / "plan", agent="plan", name="duel"))
    with pytest.raises(PromotionRefused, match="version 2 of duel is worse on steady"):
        promote(SMALL)
    assert (alias("challenger"), alias("champion")) == ("2", "1")
    export(ExportConfig(run=run_id, out=tmp_path / "mpc", agent="mpc", name="duel"))
    with pytest.raises(RunNotFound, match="no version of other was exported from run"):
        promote(SMALL.model_copy(update={"run": run_id, "name": "other"}))
    promote(SMALL.model_copy(update={"run": run_id[:20]}))  # the last version of the run
    assert alias("champion") == "3"
    tags = current_store().client().get_model_version("duel", "3").tags
    assert (tags["source_run"], tags["agent"]) == (run_id, "mpc")
    assert "heldout/steady/ratio_iqm" not in tags  # the run's scores are not those of a controller
    assert tags["promoted_because"].startswith("against version 1; steady:")
    exported = latest_finished_run("export")
    assert (exported.name, exported.tags["mlflow.parentRunId"]) == (f"export mpc@{run_id[:4]}", run_id)
    rows = json.loads(download(latest_finished_run("promote").run_id, "promotion.json").read_text())
    assert rows[0]["low"] > 0
    export(ExportConfig(run="models:/duel@champion", out=tmp_path / "served"))
    assert load_bundle(tmp_path / "served").manifest.agent.name == "mpc"
    with active(current_store()):
        model = mlflow.pyfunc.load_model("models:/duel@champion")
    bundle = load_bundle(tmp_path / "served")
    rows_in = bundle.golden.observations
    first_slot = AgentDay(agent_of(bundle), len(rows_in), len(bundle.manifest.segments))
    np.testing.assert_array_equal(model.predict(rows_in), first_slot.act(bundle.observation(rows_in)))
    assert model.metadata.signature is not None


def test_an_experiment_may_be_named_by_the_run_that_analysed_it() -> None:
    with open_run("bidpilot", "ab analyse decisions", kind="experiment") as run:
        run.log_json([ROW], "experiment.json")
    assert won_by(run.run_id, bundle("fresh", "ppo"), None).startswith("experiment x")
    with pytest.raises(RunNotFound):
        won_by("nobody", bundle("fresh", "ppo"), None)


def duel(low: float, high: float) -> Duel:
    return Duel("s", 10, 0.9, 0.9, (low + high) / 2, low, high, 10)


TOO_FEW = Duel("log", 6, 0.95, 0.9, 0.05, None, None, 2)


def test_days_too_few_to_judge_by_promote_nobody_unless_that_is_allowed() -> None:
    reason = verdict([duel(0.01, 0.02), TOO_FEW])
    assert reason.startswith("cannot be judged on log (2 of 3 groups of days)")
    assert "--allow-few" in reason
    assert verdict([duel(0.01, 0.02), TOO_FEW], allow_few=True) == ""
    assert verdict([duel(-0.01, 0.02), TOO_FEW], allow_few=True) == "is better on no suite"
    assert verdict([TOO_FEW], allow_few=True) == "is better on no suite"
    assert verdict([duel(-0.02, -0.01), TOO_FEW], allow_few=True) == "is worse on s"
    assert str(TOO_FEW) == "log: 0.9500 against 0.9000 on 6 days in 2 groups, difference +0.0500 (no interval)"


class Half:
    """An arena that leaves out every other of eight days, on which the new one has 0.1 more."""

    kept = np.arange(8) % 2 == 0

    def play(self, agent: float) -> Outcome:
        ratio = np.full(4, agent)
        zero = np.zeros(4)
        return Outcome(ratio, zero, np.zeros((4, 49)), zero, zero, zero, np.zeros((4, 3)), ratio, ratio)


def test_groups_are_counted_among_the_days_that_are_kept() -> None:
    units = np.array([0, 9, 1, 8, 2, 7, 2, 6])
    found = fight("s", Half(), units, 0.9, 0.8, 0)  # type: ignore[arg-type]
    assert (found.days, found.groups) == (4, 3)
    assert [found.low, found.difference, found.high] == pytest.approx([0.1] * 3)


def test_a_challenger_is_refused_on_two_days(run_id: str, tmp_path: Path) -> None:
    export(ExportConfig(run=run_id, out=tmp_path / "pid", agent="pid", name="short"))
    with pytest.raises(PromotionRefused, match=r"cannot be judged on steady \(2 of 3"):
        promote(PromoteConfig(name="short", suites=("steady",), days=2))


def test_days_that_were_trained_on_promote_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = small_log("whole", "conversion", units=8)
    save_log(whole, tmp_path / "whole")
    save_log(whole.select_days(np.arange(4)), tmp_path / "train")
    run_id = idle_run(tmp_path / "train", HoldOut(0.0))
    export(ExportConfig(run=run_id, out=tmp_path / "mpc", agent="mpc", name="seen"))
    with pytest.raises(InvalidConfig, match="none of other days"):
        promote(PromoteConfig(name="seen", log=tmp_path / "train"))
    with suppress(PromotionRefused):
        promote(PromoteConfig(name="seen", log=tmp_path / "whole"))
    told = capsys.readouterr().out
    assert "whole: 4 of its 8 days were trained on and are left out" in told
    assert re.search(r"whole: [\d.]+ against [\d.]+ on 4 days, difference", told)


def test_better_on_one_suite_and_worse_on_none_wins() -> None:
    assert verdict([duel(0.01, 0.02), duel(-0.01, 0.01)]) == ""
    assert verdict([duel(-0.01, 0.01)]) == "is better on no suite"
    assert verdict([duel(0.01, 0.02), duel(-0.02, -0.01)]) == "is worse on s"


def test_the_latest_of_several_logs_is_played(tmp_path: Path) -> None:
    assert latest_log(tmp_path) is None
    for k, name in enumerate(("b", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.json").touch()
        import os

        os.utime(tmp_path / name / "log.json", (k, k))
    assert latest_log(tmp_path) == tmp_path / "a"
    assert latest_log(tmp_path / "b") == tmp_path / "b"

"""A folder of campaigns: each planned and judged once, its fault its own, and played with whom was chosen for it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.features import feature_names
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.solvers.allocation import allocate
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.contestants import Contestant, play_fixed
from bidpilot.training.evaluation.ground import Trained, TrainingPart
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.evaluation.suites import synthetic_suite
from bidpilot.training.many import evaluate, train
from bidpilot.training.many.children import DIGEST, ON
from bidpilot.training.many.config import EvaluateManyConfig, TrainManyConfig
from bidpilot.training.many.judging import Judges
from bidpilot.training.many.members import members_of
from bidpilot.training.many.train import KIND
from bidpilot.training.tracking import current_store, download, find_run, finished_runs, open_run
from bidpilot.training.tracking.lineage import Lineage

pytestmark = pytest.mark.usefixtures("project")

DAYS = 12
SEGMENTS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two campaigns, and one whose target nothing meets."""
    made = tmp_path_factory.mktemp("campaigns")
    for name, more in (("large", "budget: 80"), ("small", "budget: 20"), ("never", "budget: 20\n  max_cpa: 1e-5")):
        (made / f"{name}.yaml").write_text(f"market: steady\ncampaign:\n  {more}\n  preference: [0.2, 0.3, 0.5]\n")
    (made / "notes.txt").write_text("not a campaign")
    return made


@pytest.fixture(scope="module")
def policy(project: Path) -> str:
    """A training whose policy bids a quarter of the plan, which no campaign should take."""
    width = 3 + SEGMENTS
    bias = np.zeros(width, np.float32)
    bias[0] = -0.9
    net = Mlp((np.zeros((len(feature_names(SEGMENTS)), width), np.float32),), (bias,))
    NetworkPolicy(net).save(project / "policy.npz")
    (project / "policy.json").write_text(json.dumps({"learner": "ppo"}))
    with open_run("bidpilot", "bad", {}, {"setting": "steady"}, kind="train") as tracked:
        for file in ("policy.npz", "policy.json"):
            tracked.log_artifact(project / file, "policy")
    return tracked.run_id


@pytest.fixture(scope="module")
def judged(folder: Path, policy: str) -> str:
    return train.run(TrainManyConfig(folder=folder, policy=policy, days=DAYS))


def rows_of(run_id: str, file: str) -> dict[str, Any]:
    return {row["campaign"]: row for row in json.loads(download(run_id, file).read_text())}


def children(kind: str) -> dict[str, Any]:
    return {run.tags["campaign"]: run for run in finished_runs(kind)}


def test_each_campaign_has_its_plan_and_the_one_who_bids_for_it(judged: str, policy: str) -> None:
    rows, runs = rows_of(judged, train.ROWS_FILE), children(KIND)
    assert list(rows) == ["large", "never", "small"] == sorted(runs)
    for name, budget in (("large", 80.0), ("small", 20.0)):
        row, run = rows[name], runs[name]
        plan = allocate(preset_forecast("steady"), Campaign(budget=budget, preference=(0.2, 0.3, 0.5)))
        assert row["spend"] == pytest.approx(plan.spend.sum(), rel=1e-9)
        assert row["conversion"] == pytest.approx(plan.kpi[2], rel=1e-9)
        assert row["choice"] in ("mpc", "adaptive")  # not the policy that leaves money
        assert "ppo falls behind" in row["why"]
        assert run.tags["mlflow.parentRunId"] == judged
        assert (run.tags["choice"], run.tags["source_run"]) == (row["choice"], policy)
        assert run.metrics["judged/ratio_iqm"] == row["ratio"]
        assert json.loads(download(run.run_id, "plan.json").read_text())["utility"] == plan.utility
        assert download(run.run_id, f"{name}.yaml").is_file()
    assert download(judged, "figures/campaigns.png").stat().st_size > 1000


def test_the_fault_of_a_campaign_is_its_own(judged: str) -> None:
    row = rows_of(judged, train.ROWS_FILE)["never"]
    assert row["choice"] is row["ratio"] is row["spend"] is None
    assert row["why"].startswith("InfeasibleCampaign")
    assert find_run(judged).metrics["faults"] == 1


def test_a_second_call_goes_on_where_the_first_stopped(
    judged: str, folder: Path, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A campaign that was done is not done again, one that has changed is."""
    done: list[str] = []
    does = Judges.__call__

    def seen(self: Judges, member: Any) -> Any:
        done.append(member.name)
        return does(self, member)

    monkeypatch.setattr(Judges, "__call__", seen)
    again = train.run(TrainManyConfig(folder=folder, policy=policy, days=DAYS))
    assert (done, rows_of(again, train.ROWS_FILE)) == ([], rows_of(judged, train.ROWS_FILE))
    client = current_store().client()
    client.delete_run(children(KIND)["small"].run_id)
    third = train.run(TrainManyConfig(folder=folder, policy=policy, days=DAYS))
    assert (done, rows_of(third, train.ROWS_FILE)) == (["small"], rows_of(judged, train.ROWS_FILE))


def test_held_out_days_are_the_suites_own_and_the_chosen_one_bids(judged: str, folder: Path) -> None:
    run_id = evaluate.run(EvaluateManyConfig(folder=folder, days=DAYS))
    rows = rows_of(run_id, evaluate.ROWS_FILE)
    chosen = rows_of(judged, train.ROWS_FILE)
    suite = synthetic_suite(SUITES["steady"], DAYS, 0)
    arena = type(suite.arena)(
        suite.arena.market, suite.arena.forecast, Campaign(budget=20.0, preference=(0.2, 0.3, 0.5)), suite.arena.days
    )
    expected = play_fixed(chosen["small"]["choice"], arena, suite.gains).ratio
    assert rows["small"]["agent"] == chosen["small"]["choice"]
    assert rows["small"]["ratio"] == interquartile_mean(expected)
    assert rows["small"]["days"] == DAYS
    assert rows["never"]["ratio"] is None
    assert find_run(run_id).metrics["campaigns"] == 3
    agents = json.loads(download(children("evaluated")["small"].run_id, evaluate.ROWS_FILE).read_text())
    assert {row["agent"] for row in agents} >= {"mpc", "mpc_informed"}


@pytest.mark.parametrize(
    ("change", "kept"),
    [({"campaign": "renamed"}, True), ({DIGEST: "of before the budget was raised"}, False), ({ON: "daily"}, False)],
)
def test_a_choice_is_of_the_same_campaign_on_the_same_market(
    change: dict[str, str], kept: bool, folder: Path, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the file is called, and for no other."""
    (member,) = (m for m in members_of(folder) if m.name == "small")
    tags = {"campaign": "small", DIGEST: member.digest, ON: "steady", "choice": "ppo", "source_run": policy}
    monkeypatch.setattr(evaluate, "finished_runs", lambda *_, **__: [SimpleNamespace(tags={**tags, **change})])
    (entry,) = evaluate._entries([member], EvaluateManyConfig(folder=folder))
    assert (entry.agent, entry.run) == ((f"ppo@{policy}", policy) if kept else ("mpc", None))


def test_a_policy_of_another_preset_is_refused_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_run("bidpilot", "weekday", {}, {"setting": "daily"}, kind="train") as tracked:
        pass
    before = len(finished_runs("train-many"))
    with pytest.raises(InvalidConfig, match=r"weekday.* was trained on daily.* large, never, small .*steady"):
        train.run(TrainManyConfig(folder=folder, policy=tracked.run_id, days=DAYS))
    assert len(finished_runs("train-many")) == before


def test_rows_of_another_training_or_version_are_not_taken_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a controller bids, which has the training's forecast."""
    member, config = members_of(folder)[0], EvaluateManyConfig(folder=folder)

    def key(run: str) -> str:
        part = TrainingPart("log", Lineage("digest", "part"), run=run)
        campaign = Campaign(budget=20.0)
        return evaluate._key(
            evaluate.Entry(member, "mpc", None, Trained(preset_forecast("steady"), campaign, part)), config
        )

    first = key("one")
    assert key("one") == first
    assert key("other") != first
    monkeypatch.setattr("bidpilot.training.many.children.__version__", "0.0.9")
    assert key("one") != first


def test_a_chosen_policy_of_other_segments_is_the_fault_of_its_campaign(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found before anybody plays."""
    monkeypatch.setattr(Contestant, "play", lambda *_: pytest.fail("played"))
    net = Mlp((np.zeros((len(feature_names(2)), 3 + 2), np.float32),), (np.zeros(3 + 2, np.float32),))
    (member,) = (m for m in members_of(folder) if m.name == "small")
    entry = evaluate.Entry(member, "ppo@other", "other", None)
    played = evaluate.Plays({"other": NetworkPolicy(net)}, 2, 0)(entry)
    assert played.row["ratio"] is None
    assert played.row["why"].startswith("PolicyMismatch: ")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "neither campaign files"),
        ({"a.yaml": "campaigns: []\nbudget: 3"}, "portfolio"),
        ({"a.yaml": "campaign: {budget: 3}", "a.yml": "campaign: {budget: 3}"}, "two campaigns"),
        ({"a.yaml": "campaign: {budget: 3, colour: red}"}, "a.yaml"),
    ],
)
def test_what_is_no_folder_of_campaigns_is_refused(files: dict[str, str], reason: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidConfig, match=reason):
        members_of(tmp_path)
    with pytest.raises(InvalidConfig, match="no folder"):
        members_of(tmp_path / "missing")

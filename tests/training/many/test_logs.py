"""A folder of logs: each has its own training, found or made, and is played under it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs.logs.shards import Shards
from bidpilot.envs.logs.storage import save_log
from bidpilot.training.many import evaluate, train
from bidpilot.training.many.config import EvaluateManyConfig, TrainManyConfig
from bidpilot.training.many.members import members_of
from bidpilot.training.setting.split import HoldOut
from bidpilot.training.tracking import download
from bidpilot.training.train.many import Training
from tests.training.small_logs import idle_run, small_log

pytestmark = pytest.mark.usefixtures("project")

WHOLE = small_log("one", "conversion", units=10, campaigns=("a", "b", "c", "d"))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One log, in two parts."""
    folder = tmp_path_factory.mktemp("logs")
    days = range(WHOLE.n_days)
    for name, own in (("early", days[:20]), ("late", days[20:])):
        save_log(WHOLE.select_days(list(own)), folder / "one" / name)
    Shards(name="one", parts=("early", "late")).save(folder / "one")
    return folder


def rows_of(run_id: str, file: str) -> dict[str, Any]:
    return {row["campaign"]: row for row in json.loads(download(run_id, file).read_text())}


def test_a_log_without_a_training_gets_one_and_keeps_it(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Training] = []

    def training(trainings: Sequence[Training], *_: object) -> Iterator[tuple[int, str]]:
        for place, one in enumerate(trainings):
            asked.append(one)
            yield place, idle_run(one.config.log, HoldOut(0.2), scale=-0.9)

    monkeypatch.setattr(train, "trained", training)
    alone = rows_of(train.run(TrainManyConfig(folder=logs, days=8, train=False)), train.ROWS_FILE)
    assert asked == []
    assert alone["one"]["policy"] is None
    first = train.run(TrainManyConfig(folder=logs, days=8, total_steps=96))
    assert [(t.config.log, t.config.total_steps) for t in asked] == [(logs / "one", 96)]
    assert asked[0].tags == {"mlflow.parentRunId": first}
    row = rows_of(first, train.ROWS_FILE)["one"]
    assert (row["on"], row["choice"] in ("mpc", "adaptive")) == ("one", True)
    again = train.run(TrainManyConfig(folder=logs, days=8, total_steps=96))
    assert len(asked) == 1
    assert rows_of(again, train.ROWS_FILE)["one"] == row

    other = logs.parent / "held out"
    save_log(small_log("two", "conversion", units=4, campaigns=("a",), first=40), other / "two")
    found = rows_of(evaluate.run(EvaluateManyConfig(folder=other)), evaluate.ROWS_FILE)["two"]
    assert (found["on"], found["days"], found["why"]) == ("two", 4, "")
    assert found["agent"] == row["choice"]  # not the policy, which buys nothing
    assert found["ratio"] > 0.9


def test_a_campaign_on_a_log_is_planned_on_it_and_not_evaluated_on_what_it_learnt(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"log: {logs / 'one'}\ncampaign:\n  budget: 4\n  preference: [0, 0, 1]\n")
    (member,) = members_of(tmp_path)
    setting = member.setting(0)
    assert (setting.name, setting.campaign.budget) == ("one", 4.0)
    assert member.shares == str((logs / "one").resolve())
    with pytest.raises(InvalidConfig, match="Put the log of other days in"):
        evaluate.run(EvaluateManyConfig(folder=tmp_path))


def test_a_policy_of_a_log_is_not_shared_by_presets(logs: Path) -> None:
    with pytest.raises(InvalidConfig, match="was trained on a log"):
        train.run(TrainManyConfig(folder=logs, policy=idle_run(logs / "one", HoldOut(0.2))))

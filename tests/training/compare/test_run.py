"""Two trainings beside each other: what differs, and the same days by whichever evaluations played them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from bidpilot.bidding.errors import InvalidConfig, RunNotFound
from bidpilot.training.cli import main
from bidpilot.training.compare.config import CompareConfig
from bidpilot.training.compare.days import played_by_both
from bidpilot.training.compare.run import run as compare
from bidpilot.training.report.runs import drawn
from bidpilot.training.report.tables import PairRow
from bidpilot.training.tracking import RunInfo, find_run, open_run
from bidpilot.training.train.config import TrainConfig

pytestmark = pytest.mark.usefixtures("project")


def training(config: TrainConfig, kind: str = "train", **tags: str) -> RunInfo:
    tags = {"setting": "daily", "learner": "ppo", "git.commit": "abc", **tags}
    with open_run("bidpilot", f"ppo daily s{config.seed}", tags=tags, kind=kind, config=config) as run:
        pass
    return find_run(run.run_id)


def evaluation(suite: str, days: str, ratio: Mapping[str, list[float]], kind: str = "evaluate") -> None:
    """An evaluation that played each of these runs; it names them by a tag, as an ablation does not."""
    rows = {f"ppo@{run}" if kind == "evaluate" else f"variant {k}": run for k, run in enumerate(ratio)}
    units = list(range(len(next(iter(ratio.values())))))
    record = {"suite": suite, "days": days, "units": units, "runs": rows, "ratio": {r: ratio[rows[r]] for r in rows}}
    tags = {"source_run": ",".join(ratio)} if kind == "evaluate" else {}
    with open_run("bidpilot", kind, tags=tags, kind=kind) as run:
        run.log_json(record, f"days/{suite}.json")


@pytest.fixture(scope="module")
def pair(project: Path) -> tuple[RunInfo, RunInfo]:
    """Two trainings that differ in seed, rate and package; the first is better by 0.01 on `daily`."""
    one = training(TrainConfig(), **{"version.torch": "2.13"})
    rate = TrainConfig.model_validate({"seed": 3, "ppo": {"learning_rate": 0.01}, "run_name": "other"})
    other = training(rate, **{"version.torch": "2.14"})
    evaluation("daily", "a", {one.run_id: [0.91, 0.92, 0.93, 0.94], other.run_id: [0.5] * 4})
    evaluation("daily", "a", {other.run_id: [0.90, 0.91, 0.92, 0.93]})  # played alone, later
    evaluation("daily", "few", {one.run_id: [0.0], other.run_id: [1.0]})
    evaluation("shift", "b", {one.run_id: [0.9] * 3})
    evaluation("shift", "c", {other.run_id: [0.9] * 3})  # of other days
    evaluation("steady", "d", {one.run_id: [0.9, 0.8], other.run_id: [0.95, 0.95]}, kind="ablation")
    return one, other


def test_days_are_the_same_where_their_digests_are_and_the_most_of_a_suite_count(pair: tuple[RunInfo, RunInfo]) -> None:
    found = {played.suite: played for played in played_by_both(*pair)}
    assert set(found) == {"daily", "steady"}
    row = found["daily"].row(("one", "other"), 0)
    assert (row["diff"], row["diff_low"], row["diff_high"]) == pytest.approx((0.01, 0.01, 0.01))
    assert found["daily"].scores == pytest.approx((0.925, 0.915))
    assert found["steady"].row(("one", "other"), 0)["diff"] == pytest.approx(-0.1)


def test_the_command_prints_and_draws_what_differs_and_by_how_much(
    pair: tuple[RunInfo, RunInfo], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = pair
    figure, file = tmp_path / "figures" / "pair.png", tmp_path / "pair.json"
    main(["compare", one.run_id, other.run_id, "--out", str(figure), "--json", str(file)])
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert lines["seed"] == ["0", "3"]
    assert lines["ppo.learning_rate"][1] == "0.01"
    assert lines["version.torch"] == ["2.13", "2.14"]
    assert not {"run_name", "rows", "git.commit", "recurrent_ppo.learning_rate"} & set(lines)
    assert lines["daily"][:3] == ["0.9250", "0.9150", "+0.0100"]
    assert lines["daily"][-2:] == ["better", "4"]
    assert figure.read_bytes().startswith(b"\x89PNG")
    written = json.loads(file.read_text())
    assert written["differences"]["seed"] == ["0", "3"]
    assert [row["suite"] for row in written["pairs"]] == ["daily", "steady"]


def test_where_no_days_are_shared_the_command_that_plays_them_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = training(TrainConfig()), training(TrainConfig(), setting="steady", log_digest="none")
    compare(CompareConfig(run=one.run_id, against=other.run_id))
    told = " ".join(capsys.readouterr().out.split())
    assert f"bidpilot evaluate --agents ppo@{one.run_id} ppo@{other.run_id} --suites daily steady" in told


def test_a_run_is_named_by_the_beginning_of_its_id_or_by_its_name(
    pair: tuple[RunInfo, RunInfo], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = pair
    file = tmp_path / "pair.json"
    main(["compare", one.run_id[:12], other.name, "--json", str(file)])
    assert json.loads(file.read_text())["runs"] == [one.run_id, other.run_id]


def test_a_run_is_held_against_another_training(pair: tuple[RunInfo, RunInfo]) -> None:
    with pytest.raises(InvalidConfig, match="same run"):
        compare(CompareConfig(run=pair[0].run_id, against=pair[0].run_id))
    with pytest.raises(RunNotFound, match="is of kind tune, not train"):
        compare(CompareConfig(run=pair[0].run_id, against=training(TrainConfig(), "tune").run_id))


def test_trainings_are_named_by_the_beginning_of_an_id_by_name_or_as_the_latest(
    pair: tuple[RunInfo, RunInfo], capsys: pytest.CaptureFixture[str]
) -> None:
    last = training(TrainConfig(seed=8))
    for one, other in ((pair[0].run_id[:12], "ppo daily s8"), ("latest", pair[0].run_id[:12])):
        compare(CompareConfig(run=one, against=other))
        told = capsys.readouterr().out.splitlines()[:2]
        assert [line.rpartition(" ")[2] for line in told] == (
            [last.run_id, pair[0].run_id] if one == "latest" else [pair[0].run_id, last.run_id]
        )


def test_a_difference_is_drawn_to_its_side_of_zero() -> None:
    row = PairRow(agent="a", against="b", suite="daily", diff=0.5, diff_low=0.25, diff_high=1.0, groups=9)
    line = drawn(row, reach=1.0)
    assert (line.index("|"), line.index("-"), line.index("o"), line.rindex("-")) == (20, 25, 30, 40)
    assert drawn(row | {"diff_low": None, "diff_high": None}, reach=1.0).replace(" ", "") == "|o"

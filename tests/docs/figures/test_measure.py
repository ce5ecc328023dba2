"""Commands are run once for each state of the code, and what is kept is the same wherever it was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs.figures.__main__ import main
from docs.figures.catalogue import MEASUREMENTS, Measurement, is_of_ppo
from docs.figures.measure import Ground, code_digest, is_current, measure
from docs.figures.record import Record, Records, Step


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = Record({"code": "c"}, [Step("one", 1.5), Step("two", None, [{"agent": "a", "iqm": 0.5}])])
    records = Records(tmp_path)
    records.keep("some", record)
    assert records["some"] == record
    assert list(records) == ["some"]


RUNS = ("a" * 32, "b" * 32)
SMALL = Measurement(
    "small",
    1,
    (
        "bidpilot train --seed 0",
        "bidpilot train --seed 1",
        "bidpilot evaluate --agents ppo@{runs} ppo@{run[1]} --json {json}",
        "python some.py {data}/some.txt",
    ),
    keeps=is_of_ppo,
    drops=("totals",),
)


class FakeShell:
    """Answers as the commands do, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, command: str) -> str:
        self.asked.append(command)
        if "train" in command:
            return f"run {RUNS[int(command[-1])]}: daily, 1 steps, 1 rows\n"
        if "some.py" in command:
            return 'loading\n{"name": "speed", "value": 2.0000004}\n'
        rows = [
            {"agent": f"ppo@{','.join(RUNS)}", "iqm": 0.123456789, "totals": [[1.0]], "seeds": 2},
            {"agent": "mpc", "against": f"ppo@{RUNS[1]}", "diff": 0.1},
            {"agent": "mpc", "against": "pid", "diff": 0.2},
        ]
        Path(command.split("--json ")[1]).write_text(json.dumps({"rows": rows[:1], "pairs": rows[1:]}))
        return "a table\n"


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "some.txt").write_text("1\n")
    return Ground(tmp_path / "data", tmp_path / "work", "code", FakeShell())


def test_commands_are_run_with_the_ids_of_their_trainings_and_rows_kept_without(ground: Ground) -> None:
    record = measure(SMALL, ground)
    shell = ground.shell
    assert isinstance(shell, FakeShell)
    assert f"--agents ppo@{RUNS[0]},{RUNS[1]} ppo@{RUNS[1]} " in shell.asked[2]
    assert record.steps[2].command == "bidpilot evaluate --agents ppo@RUN,RUN,RUN ppo@RUN --json rows.json"
    assert record.steps[2].rows == [
        {"agent": "ppo@0,1", "iqm": 0.123457, "seeds": 2},
        {"agent": "mpc", "against": "ppo@1", "diff": 0.1},
    ]
    assert record.steps[3].rows == [{"name": "speed", "value": 2.0}]
    assert record.made["runs"] == list(RUNS)
    assert record.made["data"] == {"some.txt": "4355a46b19d3"}  # sha256sum of "1\n"
    assert {"date", "machine", "python", "version.numpy"} <= set(record.made)


def test_what_has_ended_well_is_not_run_again_on_the_same_code(ground: Ground, tmp_path: Path) -> None:
    first = measure(SMALL, ground)
    shell = ground.shell
    assert isinstance(shell, FakeShell)
    assert measure(SMALL, ground).steps == first.steps
    assert len(shell.asked) == 4
    measure(SMALL, Ground(ground.data, tmp_path / "other", "other code", shell))
    assert len(shell.asked) == 8


def test_a_training_that_names_no_run_ends_the_measurement(ground: Ground) -> None:
    with pytest.raises(SystemExit, match="named 0 runs"):
        measure(SMALL, Ground(ground.data, ground.work, "code", lambda command: "done\n"))


def test_a_record_is_current_on_its_code_and_commands_alone(ground: Ground) -> None:
    record = measure(SMALL, ground)
    assert is_current(record, SMALL, "code")
    assert not is_current(record, SMALL, "other")
    assert not is_current(record, Measurement("small", 1, SMALL.commands[:2]), "code")


def test_the_command_says_what_there_is_and_leaves_recorded_data_that_are_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("docs.figures.__main__.write_all", lambda records: None)
    monkeypatch.setattr("docs.figures.measure.code_digest", lambda root: Records()["ipinyou"].made["code"])
    main(["--list"])
    told = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert list(told) == list(MEASUREMENTS)
    assert told["ipinyou"].endswith("of this code")
    main(["--only", "ipinyou", "--data", str(tmp_path / "away")])
    assert capsys.readouterr().out == "ipinyou: of this code\n"
    monkeypatch.setattr("docs.figures.measure.code_digest", lambda root: "other")
    main(["--only", "ipinyou", "--data", str(tmp_path / "away")])
    assert capsys.readouterr().out.startswith("ipinyou: left as it is, since there is no recorded data in")


def test_the_code_is_what_decides_figures(tmp_path: Path) -> None:
    (tmp_path / "bidding").mkdir()
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    files = ("constraints.txt", "bidding/rule.py", "docs/market.py", "docs/figures/words.py", "README.md")
    for name in files:
        (tmp_path / name).write_text("1")
    digests = [code_digest(tmp_path)]
    for name in files:
        (tmp_path / name).write_text("2")
        digests.append(code_digest(tmp_path))
    assert len(set(digests[:4])) == 4
    assert digests[3] == digests[4] == digests[5]

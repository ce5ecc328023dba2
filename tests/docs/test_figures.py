"""Figures: pages say what was measured and nothing else, by commands that the product knows, over three seeds."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import sys
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

import pytest

from bidpilot.training.cli.commands import COMMANDS
from bidpilot.training.cli.overlay import read_config
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.suites import synthetic_suite
from docs.figures.__main__ import main
from docs.figures.catalogue import MEASUREMENTS, Measurement, is_of_ppo
from docs.figures.measure import ROOT, Ground, code_digest, is_current, measure, typed
from docs.figures.pages import MARKS, PAGES, TEXTS, written
from docs.figures.record import POOLED, Record, Records, Step
from docs.figures.results import TEXTS as RESULTS
from docs.figures.words import LEARNED, judged, said, signed

PENDING = {"auctionnet"}
"""Measurements that the pages say are not made yet."""
MEASURED = re.compile(r"(?<![\w.])[+-]?\d+\.\d+(?![\w.]|\.\d)|\d+ ?%")
"""Numbers that look measured: decimals and shares."""
ALLOWED = (
    # what the reader needs, and the licence
    "Python 3.11 and",
    "Apache-2.0",
    # options and how they are defined
    "spread of exp(-1.5)",
    "95 % bootstrap interval",
    "gap is below 0.002",
    "97 % of it would need 0.99",
    "10, 50 and 90 %",
    # parameters of suites and presets
    "prices up by less than 20 %, it has 30 %; dispersions up by less than 10, 15 and 30 %, it has 21, 27 and 58 %",
    "a day-level deviation of 3 to 4 % and a calibration error of 5 %",
    "days that differ by 7 %",
)
"""The others."""
GENERATED = ("ablation.md",)
"""Pages that a command writes as a whole."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_what_was_measured(page: Path) -> None:
    assert written(page.read_text(), Records()) == page.read_text(), "python -m docs.figures --texts"


def test_every_text_is_in_a_page_and_every_measurement_in_a_text() -> None:
    marked = {name for page in PAGES for _, name, _, _ in MARKS.findall(page.read_text())}
    assert marked == set(TEXTS)
    records = Records()
    for page in PAGES:
        written(page.read_text(), records)
    assert records.read == set(records) == set(MEASUREMENTS) - PENDING


def test_marks_leave_markdown_as_it_is() -> None:
    """A comment that begins a line makes HTML of the whole line."""
    for page in PAGES:
        for found in MARKS.finditer(page.read_text()):
            begins_line = found.start() == 0 or found.string[found.start() - 1] == "\n"
            assert begins_line == found[3].startswith("\n") == found[3].endswith("\n"), found[0]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in GENERATED], ids=lambda page: page.name)
def test_no_number_that_looks_measured_is_written_by_hand(page: Path) -> None:
    assert MEASURED.findall(prose(page)) == []


def test_every_number_that_is_allowed_is_in_a_page() -> None:
    whole = " ".join(" ".join(page.read_text().split()) for page in PAGES)
    assert [phrase for phrase in ALLOWED if phrase not in whole] == []


def prose(page: Path) -> str:
    """The page without generated texts, code, comments and allowed phrases, in one line."""
    text = page.read_text()
    for taken in (MARKS, re.compile(r"```.*?```", re.DOTALL), re.compile(r"`[^`]*`")):
        text = taken.sub(" ", text)
    text = " ".join(text.split())
    for phrase in ALLOWED:
        text = text.replace(phrase, "")
    return text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("it has 0.9478 (0.9400 .. 0.9520)", ["0.9478", "0.9400", "0.9520"]),
        ("gains +0.0004, which is 2 % or 3%", ["+0.0004", "2 %", "3%"]),
        ("on 127.0.0.1:8080, version v2.6, 12 slots, 1e-3, seasons 2 and 3.", []),
    ],
)
def test_what_looks_measured(text: str, found: list[str]) -> None:
    assert MEASURED.findall(text) == found


@pytest.mark.parametrize("name", sorted(set(MEASUREMENTS) - PENDING))
def test_a_record_is_of_the_commands_of_the_catalogue(name: str) -> None:
    assert [step.command for step in Records()[name].steps] == list(map(typed, MEASUREMENTS[name].commands))


COMMAND_LINES = sorted({typed(command) for measurement in MEASUREMENTS.values() for command in measurement.commands})


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_every_command_is_one_that_there_is(line: str) -> None:
    program, *arguments = shlex.split(line.removeprefix("nice -n -15 "))
    if program == "python":
        assert (ROOT / arguments[0]).is_file()
        return
    assert program == "bidpilot"
    (command,) = [command for command in COMMANDS if command.name == arguments[0]]
    read_config(resolve_name(command.config), arguments[1:], prog=line)


def test_every_row_of_the_policy_is_of_three_trainings() -> None:
    found = {
        name: {row["seeds"] for row in record.rows if row.get("agent") in LEARNED and "seeds" in row}
        for name, record in Records().items()
    }
    trained = {m.name for m in MEASUREMENTS.values() if any("{runs}" in command for command in m.commands)} - PENDING
    assert {name: seeds for name, seeds in found.items() if seeds} == {name: {3} for name in trained}


def test_records_are_small() -> None:
    for name in Records():
        assert (Records().folder / f"{name}.jsonl").stat().st_size < 100_000


def pair(diff: float, low: float | None, high: float | None, suite: str = "daily") -> dict[str, Any]:
    return {"agent": "a", "against": "b", "suite": suite, "diff": diff, "diff_low": low, "diff_high": high}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (pair(0.0451, 0.0424, 0.0480), "gains 0.0451 on `daily` (0.0424 to 0.0480)"),
        (pair(-0.0018, -0.0023, -0.0014), "loses 0.0018 on `daily` (0.0014 to 0.0023)"),
        (pair(0.0004, -0.0002, 0.0009), "is level on `daily` (+0.0004, -0.0002 to +0.0009)"),
        (pair(0.0002, -0.00001, 0.0005), "is level on `daily` (+0.0002, 0.0000 to +0.0005)"),
        (pair(0.0004, 0.0, 0.0009), "is level on `daily` (+0.0004, 0.0000 to +0.0009)"),
        (pair(0.02, None, None), "is not judged on `daily` (+0.0200, of too few groups for an interval)"),
    ],
)
def test_the_word_is_the_intervals(row: dict[str, Any], words: str) -> None:
    assert judged([row]) == words
    assert said(row).split("(")[-1] == words.split("(")[-1]
    assert said(row).split()[:2] == words.split()[:2]


def test_suites_are_told_by_verdict_the_greatest_first() -> None:
    rows = [pair(0.1, 0.05, 0.2, "s"), pair(-0.3, -0.4, -0.2, "t"), pair(0.2, 0.1, 0.3, "u"), pair(0.0, -1.0, 1.0, "v")]
    most = "gains 0.2 on `u` (0.1 to 0.3) and 0.1 on `s` (0.1 to 0.2); it loses 0.3 on `t` (0.2 to 0.4)"
    assert judged(rows, 1, brief=True) == f"{most}; it is level on `v`"


def test_both_scores_of_the_auctionnet_protocol_stand_side_by_side(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for suite, shift in (("test", 0.0), ("test without targets", 0.1)):
        for agent, ratio, low in ((POOLED, 0.8, 0.7), ("ppo@0", 0.79, 0.7), ("mpc", 0.7, None)):
            row = {"agent": agent, "suite": suite, "iqm": ratio + shift, "ci_low": low, "ci_high": low, "days": 40}
            row |= {"score": 20.0, "realised_score": 19.0, "violation_rate": 0.25, "seeds": 3 if agent == POOLED else 1}
            rows.append(row)
        for other in ("mpc", "online_lp"):
            row = {
                "agent": POOLED,
                "against": other,
                "suite": suite,
                "diff": 0.1,
                "diff_low": shift - 0.05,
                "diff_high": 0.2,
            }
            rows.append(row)
    records = Records(tmp_path)
    records.keep("auctionnet", Record({}, [Step("x", None, rows)]))
    text = RESULTS["auctionnet"](records)
    assert text.startswith(
        "On 40 days of other advertisers than those of training; `ppo` is one policy over three training"
    )
    assert text.splitlines()[-2:] == [
        "| `ppo` | 0.800 (0.700 to 0.700) | 20.00 | 19.00 | 25 % | 0.900 (0.700 to 0.700) |",
        "| `mpc` | 0.700 (too few groups) | 20.00 | 19.00 | 25 % | 0.800 (too few groups) |",
    ]
    words = " ".join(RESULTS["auctionnet-pairs"](records).split())
    assert "under target costs it is level (+0.100, -0.050 to +0.200) beside `mpc` and is level" in words
    assert "under budgets alone it gains 0.100 (0.050 to 0.200) beside `mpc` and gains" in words


def test_zero_has_no_sign() -> None:
    assert [signed(-0.00004), signed(0.00004), signed(-0.00006)] == ["0.0000", "0.0000", "-0.0001"]


def test_a_difference_is_found_either_way_round() -> None:
    record = Record({}, [Step("x", None, [pair(0.2, 0.1, 0.4), pair(0.3, None, None, "shift")])])
    assert record.pair("a", "b", "daily") == pair(0.2, 0.1, 0.4)
    turned = record.pair("b", "a", "daily")
    assert (turned["agent"], turned["diff"], turned["diff_low"], turned["diff_high"]) == ("b", -0.2, -0.4, -0.1)
    assert record.pair("b", "a", "shift")["diff_high"] is None
    with pytest.raises(LookupError, match="0 rows"):
        record.pair("a", "c", "daily")


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
    measure(SMALL, ground, fresh=True)
    assert len(shell.asked) == 8
    measure(SMALL, Ground(ground.data, tmp_path / "other", "other code", shell))
    assert len(shell.asked) == 12


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
    main(["--list"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(MEASUREMENTS)
    main(["--only", "ipinyou", "--fresh", "--data", str(tmp_path / "away")])
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


@pytest.fixture(scope="module")
def gains_on_shift() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gains_on_shift", ROOT / "docs" / "gains_on_shift.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_gains_are_chosen_by_what_they_reach_and_compared_by_day(gains_on_shift: ModuleType) -> None:
    suite = synthetic_suite(SUITES["steady"], 8, 1)
    neutral, wild = {"gain": 1.0, "early": 0.0, "late": 0.0}, {"gain": 1.0, "early": -3.0, "late": -3.0}
    assert gains_on_shift.choose(suite, (wild, neutral)) == neutral
    rows = gains_on_shift.compare(wild, "plan", suite)
    (pair,) = [row for row in rows if (row["agent"], row.get("against")) == ("plan", "mpc_chosen")]
    mean = {name: suite_mean(suite, name, wild) for name in ("plan", "mpc")}
    assert pair["diff"] == pytest.approx(mean["plan"] - mean["mpc"], abs=1e-12)


def suite_mean(suite: Any, name: str, gains: dict[str, float]) -> float:
    from bidpilot.agents.acting.agent import controller_agent

    return float(suite.arena.play(controller_agent(name, gains if name == "mpc" else None)).ratio.mean())

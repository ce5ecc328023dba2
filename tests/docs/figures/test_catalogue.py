"""Commands of the catalogue are the product's own, and records are of them, small, and over three seeds."""

from __future__ import annotations

import shlex
from pkgutil import resolve_name

import pytest

from bidpilot.training.cli.overlay import read_config
from bidpilot.training.cli.program import find_command
from docs.figures.catalogue import MEASUREMENTS
from docs.figures.measure import ROOT, typed
from docs.figures.record import Records
from docs.figures.words import LEARNED


@pytest.mark.parametrize("name", list(Records()))
def test_a_record_is_of_the_commands_of_the_catalogue(name: str) -> None:
    assert [step.command for step in Records()[name].steps] == list(map(typed, MEASUREMENTS[name].commands))


COMMAND_LINES = sorted({typed(command) for measurement in MEASUREMENTS.values() for command in measurement.commands})


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_every_command_is_one_that_there_is(line: str) -> None:
    program, *arguments = shlex.split(line.removeprefix("nice -n -15 "))
    if program == "python":
        path = f"{arguments[1].replace('.', '/')}.py" if arguments[0] == "-m" else arguments[0]
        assert (ROOT / path).is_file()
        return
    assert program == "bidpilot"
    command, rest = find_command(arguments)
    read_config(resolve_name(command.config), rest, prog=line)


def test_every_row_of_the_policy_is_of_three_trainings() -> None:
    found = {
        name: {row["seeds"] for row in record.rows if row.get("agent") in LEARNED and "seeds" in row}
        for name, record in Records().items()
    }
    trains = ("bidpilot train", "bidpilot ablate")
    trained = {m.name for m in MEASUREMENTS.values() if any(command.startswith(trains) for command in m.commands)}
    assert {name for name, seeds in found.items() if seeds} <= trained
    assert {name: seeds for name, seeds in found.items() if seeds} == {name: {3} for name in found if found[name]}
    assert {"suites", "auctionnet", "auctionnet-left-out"} <= {name for name, seeds in found.items() if seeds}


def test_records_are_small() -> None:
    for name in Records():
        assert (Records().folder / f"{name}.jsonl").stat().st_size < 100_000

"""The program: it dispatches, answers `--help` without loading anything heavy, never shows a traceback."""

import gc
import os
import subprocess
import sys
from pkgutil import resolve_name
from typing import Any, get_type_hints

import pytest

from bidpilot.bidding.errors import EmptyLog
from bidpilot.training.cli import program
from bidpilot.training.cli.commands import COMMANDS, Command
from bidpilot.training.cli.config import Config
from bidpilot.training.tracking.config import UiConfig

_OPTIONAL = {"kind", "tags"}  # what other commands give `train` besides its configuration
_seen: list[UiConfig] = []


def record(config: UiConfig) -> None:
    _seen.append(config)


def fail(config: UiConfig) -> None:
    raise EmptyLog("the log holds no auction\n(0 rows): import another file")


def interrupt(config: UiConfig) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def with_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the functions above reachable as commands."""
    fake = {"record": record, "fail": fail, "interrupt": interrupt}
    table = tuple(Command(name, "x:UiConfig", f"x:{name}", "for the test") for name in fake)
    monkeypatch.setattr(program, "COMMANDS", table)
    monkeypatch.setattr(program, "resolve_name", lambda target: UiConfig if "UiConfig" in target else fake[target[2:]])


@pytest.mark.usefixtures("with_command")
def test_a_command_gets_its_resolved_configuration() -> None:
    _seen.clear()
    program.main(["record", "--port", "6001"])
    assert _seen == [UiConfig(port=6001)]


@pytest.mark.usefixtures("with_command")
def test_a_process_looks_for_no_garbage_while_it_loads_and_does_once_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: dict[str, bool] = {}
    fake = vars(program)["resolve_name"]

    def watched(target: str) -> Any:
        looked[target] = gc.isenabled()
        return (lambda config: looked.update(running=gc.isenabled())) if target == "x:record" else fake(target)

    monkeypatch.setattr(program, "resolve_name", watched)
    monkeypatch.setattr(sys, "argv", ["bidpilot", "record"])
    program.main()
    assert looked == {"x:UiConfig": False, "x:record": False, "running": True}


@pytest.mark.usefixtures("with_command")
def test_a_callers_error_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        program.main(["fail"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "bidpilot: the log holds no auction (0 rows): import another file\n"


@pytest.mark.usefixtures("with_command")
def test_ctrl_c_is_status_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        program.main(["interrupt"])
    assert caught.value.code == 130
    assert capsys.readouterr().err == "bidpilot: interrupted\n"


def test_a_reader_that_has_had_enough_ends_it_without_a_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as unread:
        command = [sys.executable, "-m", "bidpilot", "train", "--help"]
        done = subprocess.run(command, stdout=unread, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        program.main(["trian"])
    assert caught.value.code == 2
    assert "did you mean train?" in capsys.readouterr().err


def test_commands_that_share_a_word_are_listed_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    for given in (["ab"], ["ab", "--help"]):
        program.main(given)
        shown = capsys.readouterr().out
        assert all(f"\n  {name}" in shown for name in ("ab plan", "ab run", "ab analyse", "ab simulate"))
        assert "\n  train" not in shown


def test_a_second_word_that_is_misspelt_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        program.main(["ab", "analyze", "rows.json"])
    assert caught.value.code == 2
    assert "unknown command 'ab analyze': did you mean ab analyse?" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_runs_with_its_own_configuration(command: Command) -> None:
    config, target = resolve_name(command.config), resolve_name(command.run)
    assert issubclass(config, Config)
    (taken,) = get_type_hints(target).keys() - {"return", *_OPTIONAL}
    # `serve` is given what a server's own configuration does not hold: how options are typed.
    assert issubclass(config, get_type_hints(target)[taken])


def test_explaining_a_command_loads_nothing_heavy() -> None:
    heavy = {"torch", "stable_baselines3", "mlflow", "cvxpy", "numba", "polars", "matplotlib", "onnxruntime"}
    code = (
        "import sys; from pkgutil import resolve_name; from bidpilot.training.cli.commands import COMMANDS; "
        "[resolve_name(command.config) for command in COMMANDS]; "
        f"print(sorted({{m.partition('.')[0] for m in sys.modules}} & {heavy}))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from bidpilot.training.cli import main; main(['--help']); "
        "print(sorted({m.partition('.')[0] for m in sys.modules} & "
        "{'numpy', 'torch', 'mlflow', 'tyro', 'pydantic', 'yaml', 'polars', 'numba', 'matplotlib'}))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"\n  {command.name}" in shown for command in COMMANDS)
    assert shown.splitlines()[-1] == "[]"


def test_help_answers_at_once() -> None:
    code = "from bidpilot.training.cli import main; main(['--help'])"
    taken = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        after = os.times()
        taken.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(taken) < 0.3  # seconds of the processor, whatever else it does

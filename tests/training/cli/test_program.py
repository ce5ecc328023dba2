"""The program: it dispatches, answers `--help` without loading anything heavy, never shows a traceback."""

import subprocess
import sys
from pkgutil import resolve_name

import pytest

from bidpilot.bidding.errors import EmptyLog
from bidpilot.training.cli import commands, program
from bidpilot.training.cli.commands import COMMANDS, Command
from bidpilot.training.config import Config, UiConfig

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


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        program.main(["trian"])
    assert caught.value.code == 2
    assert "did you mean train?" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_configuration_exists(command: Command) -> None:
    assert issubclass(resolve_name(command.config), Config)


@pytest.mark.parametrize("name", ["import", "ui"])
def test_every_target_exists(name: str) -> None:
    (command,) = (entry for entry in commands.COMMANDS if entry.name == name)
    assert callable(resolve_name(command.run))


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from bidpilot.training.cli import main; main(['--help']); "
        "print(sorted({m.partition('.')[0] for m in sys.modules} & "
        "{'numpy', 'torch', 'mlflow', 'tyro', 'pydantic', 'yaml', 'polars', 'numba', 'matplotlib'}))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"\n  {command.name}" in shown for command in COMMANDS)
    assert shown.splitlines()[-1] == "[]"

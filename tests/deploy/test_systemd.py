"""The units: systemd takes them, the options are the commands' own, and what is not needed is closed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bidpilot.serving.config import ServeConfig
from bidpilot.training.cli.options import options_of
from bidpilot.training.rebalance.config import RebalanceConfig

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))


def setting(unit: str, name: str) -> str:
    text = (UNITS / unit).read_text().replace("\\\n", " ")
    found = re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
    assert len(found) == 1, (unit, name, found)
    return str(found[0])


def systemd(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (apt-get install systemd)")
    return subprocess.run(["systemd-analyze", *arguments], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as on a machine that has what they start."""
    for path in UNITS.iterdir():
        text = re.sub(r"^(ExecStart=)/opt/\S+", rf"\g<1>{sys.executable}", path.read_text(), flags=re.MULTILINE)
        (tmp_path / path.name).write_text(text)
    return tmp_path


def test_systemd_takes_them_without_a_word(installed: Path) -> None:
    done = systemd("verify", *(f"./{path.name}" for path in sorted(installed.iterdir())), cwd=installed)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_server_is_exposed_to_little(installed: Path) -> None:
    done = systemd("security", "--offline=yes", "--threshold=25", "./bidpilot.service", cwd=installed)
    if "unrecognized option" in done.stderr or "Unknown" in done.stderr:
        pytest.skip("this systemd does not look at units offline")
    assert done.returncode == 0, done.stdout[-400:]


@pytest.mark.parametrize(
    ("unit", "command", "model"),
    [("bidpilot.service", "serve", ServeConfig), ("bidpilot-rebalance.service", "rebalance", RebalanceConfig)],
)
def test_what_is_started_is_a_command_with_options_of_its_own(
    unit: str, command: str, model: type[ServeConfig | RebalanceConfig]
) -> None:
    words = shlex.split(setting(unit, "ExecStart"))
    assert words[1] == command
    known = {flag for option in options_of(model) for flag in option.flags}
    assert {word for word in words if word.startswith("--")} <= known


def test_a_stop_is_a_drain_that_has_its_time() -> None:
    assert setting("bidpilot.service", "KillSignal") == "SIGTERM"
    drain = ServeConfig.model_fields["drain"].default if "drain" in ServeConfig.model_fields else 0
    assert float(setting("bidpilot.service", "TimeoutStopSec")) >= 2 * drain + 10
    assert setting("bidpilot.service", "Restart") == "on-failure"


@pytest.mark.parametrize("unit", SERVICES)
def test_nobody_is_root_and_the_state_is_its_own(unit: str) -> None:
    assert setting(unit, "DynamicUser") == "yes"
    assert setting(unit, "StateDirectoryMode") == "0700"
    assert setting(unit, "ProtectSystem") == "strict"
    assert f"%S/{setting(unit, 'StateDirectory')}" in setting(unit, "ExecStart")


def test_the_timer_starts_the_night_before_midnight() -> None:
    assert (UNITS / "bidpilot-rebalance.timer").stem == (UNITS / "bidpilot-rebalance.service").stem
    assert setting("bidpilot-rebalance.timer", "OnCalendar").split()[1] > "23:00"

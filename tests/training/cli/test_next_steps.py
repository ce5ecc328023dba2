"""Plan, do, check, act: each command of the path names the next one as its last line, and that one can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any

import pytest

from bidpilot.training.cli import program
from bidpilot.training.cli.commands import COMMANDS
from bidpilot.training.cli.next_steps import STEPS, next_step
from bidpilot.training.cli.overlay import read_config

ROOT = Path(__file__).parents[3]
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("solve", {}, "ab plan --arm plan --out past.json"),
    ("train", {"log": None, "learner": "ppo"}, "ab plan --arm ppo@0123abcd --out past.json"),
    ("train", {"log": Path("logs/mine"), "learner": "ppo"}, "export 0123abcd --out bundle"),
    ("ab plan", {"arm": "ppo@x", "out": Path("p.json"), "past": None},
     "ab run --arms plan ppo@x --past p.json --out experiment.json"),
    ("ab plan", {"arm": "plan", "out": None, "past": None}, "ab run --arms plan mpc --out experiment.json"),
    ("ab run", {"out": Path("e.json"), "past": Path("p.json")}, "ab analyse e.json --past p.json"),
    ("ab run", {"out": None, "past": None}, "ab analyse UNITS.json"),
    ("ab analyse", {"rows": Path("e.json")}, "report RUN --out report.html"),
    ("ab analyse", {"rows": ROOT}, f"report {ROOT} --out report.html"),
    ("report", {"source": "0123abcd"}, "promote --won RESULT"),
    ("report", {"source": str(ROOT)}, "promote --won RESULT"),
    ("promote", {}, "weekly DECISIONS"),
    ("weekly", {"log": Path("decisions")}, "profiles propose decisions --platform PLATFORM --out platforms.yaml"),
    ("profiles propose", {"out": Path("p.yaml"), "platform": "shorts"}, "solve CAMPAIGN.yaml --profile p.yaml#shorts"),
    ("profiles propose", {"out": None, "platform": "x"}, "solve CAMPAIGN.yaml --profile platforms.yaml#x"),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "follows"), [("go on", "ab analyse"), ("won", "report"), ("lost", "report")])
def test_an_experiment_that_has_not_ended_is_looked_at_again(verdict: str, follows: str) -> None:
    step = next_step("ab analyse", SimpleNamespace(rows=Path("rows.json")), {"verdict": verdict})
    assert step is not None
    assert step.startswith(f"bidpilot {follows} ")


@pytest.mark.parametrize(("command", "config", "follows"), CASES)
def test_a_command_names_the_next_one_which_can_be_typed(command: str, config: dict[str, Any], follows: str) -> None:
    assert next_step(command, SimpleNamespace(**config), "0123abcdef") == f"bidpilot {follows}"
    words = shlex.split(follows)
    found = [known for known in COMMANDS if words[: len(known.name.split())] == known.name.split()]
    assert found or words[0] in STEPS
    for known in found:
        read_config(resolve_name(known.config), words[len(known.name.split()) :], prog=follows)


def test_the_path_is_a_circle_through_every_command_of_it() -> None:
    """Whatever is followed from `solve` on comes to `solve` again, past all that have a next step but `train`."""
    after = {command: follows for command, _, follows in reversed(CASES)}
    at, passed = "solve", []
    while at not in passed:
        passed.append(at)
        at = next(name for name in sorted(STEPS, key=len, reverse=True) if after[at].startswith(name))
    assert at == "solve"
    assert set(passed) | {"train"} == set(STEPS)


def test_commands_off_the_path_name_none() -> None:
    assert next_step("import", SimpleNamespace()) is None


def test_the_documented_path_is_this_one() -> None:
    page = (ROOT / "docs" / "plan_do_check_act.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([^`]+)` \| `bidpilot ([^`]+)` \|", page, re.MULTILINE)
    assert {command for command, _ in named} == set(STEPS)
    for command, follows in named:
        assert any(c == command and f.split()[0] == follows.split()[0] for c, _, f in CASES)


def test_the_last_line_of_a_command_is_the_next_one(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def weekly(config: Any) -> None:
        print("what it found")

    monkeypatch.setattr(program, "_loaded", lambda command: weekly)
    program.main(["weekly", "decisions"])
    assert capsys.readouterr().out.splitlines() == [
        "what it found",
        "next: bidpilot profiles propose decisions --platform PLATFORM --out platforms.yaml",
    ]

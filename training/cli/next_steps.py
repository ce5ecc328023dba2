"""Plan, do, check, act: what each command of the path names as the next one, when it has ended well.

    plan    solve a campaign, or train            then  ab plan
    do      ab plan, ab run, or a served experiment     ab analyse
    check   ab analyse, report                          promote
    act     promote, weekly, profiles propose           solve, with the new weights

Hints stand here alone, so that the path can be read and changed in one place. A word in capitals is to be filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

_REPORT: Final = "report.html"


def next_step(command: str, config: Any, result: object = None) -> str | None:
    """The command that follows; None where `command` is not of the path.

    Args:
        command: name of the command that has ended well.
        config: its configuration.
        result: what it gave.
    """
    step = STEPS.get(command)
    return None if step is None else f"bidpilot {step(config, result)}"


def _after_solve(_config: Any, _result: object) -> str:
    return "ab plan --arm plan --out past.json"


def _after_train(config: Any, result: object) -> str:
    run = str(result)[:8]
    if config.log is not None:  # an experiment on what a log taught is served, not simulated
        return f"export {run} --out bundle"
    return f"ab plan --arm {config.learner}@{run} --out past.json"


def _after_ab_plan(config: Any, _result: object) -> str:
    past = config.out or config.past
    return f"ab run --arms plan {config.arm if config.arm != 'plan' else 'mpc'}" + _option("past", past) + _UNITS


def _after_ab_run(config: Any, _result: object) -> str:
    return f"ab analyse {config.out or 'UNITS.json'}" + _option("past", config.past)


def _after_ab_analyse(config: Any, result: object) -> str:
    if isinstance(result, Mapping) and result.get("verdict") == "go on":
        return f"ab analyse {config.rows}"  # after the next unit
    return f"report {config.rows if Path(config.rows).is_dir() else 'RUN'} --out {_REPORT}"


def _after_report(_config: Any, _result: object) -> str:
    return "promote --won RESULT"  # of `ab analyse`: it refuses who has not won


def _after_promote(_config: Any, _result: object) -> str:
    return "weekly DECISIONS"


def _after_weekly(config: Any, _result: object) -> str:
    return f"profiles propose {config.log} --platform PLATFORM --out platforms.yaml"


def _after_propose(config: Any, _result: object) -> str:
    return f"solve CAMPAIGN.yaml --profile {config.out or 'platforms.yaml'}#{config.platform}"


def _option(name: str, value: object) -> str:
    return "" if value is None else f" --{name} {value}"


_UNITS: Final = " --out experiment.json"

STEPS: Final[Mapping[str, Callable[[Any, object], str]]] = MappingProxyType(
    {
        "solve": _after_solve,
        "train": _after_train,
        "ab plan": _after_ab_plan,
        "ab run": _after_ab_run,
        "ab analyse": _after_ab_analyse,
        "report": _after_report,
        "promote": _after_promote,
        "weekly": _after_weekly,
        "profiles propose": _after_propose,
    }
)
"""By the command that has ended: what comes after it, from its configuration and what it gave."""

"""What the UI says of a run in words: its name, and a description with result and next command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bidpilot.agents.learners.catalogue import learner_of
from bidpilot.training.tracking.find import RunInfo
from bidpilot.training.tracking.metrics import RATIO, held_out, scored_suites

NOTE: Final = "mlflow.note.content"
"""The tag that the UI shows as a run's description."""
PARENT: Final = "mlflow.parentRunId"
"""The tag that puts a run below another one."""

_SHOWN = 4  # digits of a run's id in a name
_LISTED = 3  # names that a name lists
_BREAK = "  \n"  # of a line, in Markdown: the UI shows the first few lines of a description alone


def named_run(learner: str, runs: Sequence[str]) -> str:
    """A learner with its runs, short enough for a name: `NAME@d706`, `NAME@d706+2` for three seeds."""
    more = f"+{len(runs) - 1}" if len(runs) > 1 else ""
    return f"{learner}@{runs[0][:_SHOWN]}{more}"


def listed(names: Sequence[str], what: str) -> str:
    """Names joined by +, or how many there are: `daily+steady`, `17 suites`."""
    return "+".join(names) if len(names) <= _LISTED else f"{len(names)} {what}"


def note(what: str, on: str, results: Sequence[str], commands: Sequence[str]) -> str:
    """A description in Markdown: what was done, on what, what came out, which commands follow."""
    parts = [f"**What:** {what}. **On:** {on}."]
    parts += ["**Result:** " + _BREAK.join(results)] if results else []
    parts += ["**Next:** " + _BREAK.join(f"`{command}`" for command in commands)] if commands else []
    return "\n\n".join(parts)


def training_note(run: RunInfo) -> str:
    """Of a training run as it stands now, so that what evaluations write back is in it."""
    learner, setting = learner_of(run.tags), run.tags.get("setting", "?")
    named = f"{learner}@{run.run_id}"
    results = scored(run)
    if "choice" in run.tags:
        results.append(f"exported by default: {run.tags['choice']}")
    where = f"--suites {setting}" if run.tags.get("log_digest", "none") == "none" else "--log TESTLOG"
    commands = [f"bidpilot evaluate --agents {named} {where}", f"bidpilot export {run.run_id} --out bundle"]
    seed = f", seed {run.params['seed']}" if "seed" in run.params else ""
    return note(f"training of {learner}{seed}", setting, results, commands)


def scored(run: RunInfo) -> list[str]:
    """The held-out scores of a training run, a line for each suite."""
    return [_scored(run, suite) for suite in scored_suites(run.metrics)]


def _scored(run: RunInfo, suite: str) -> str:
    """The headline of a training run on a suite, in words."""
    values = {key: run.metrics.get(held_out(suite, key)) for key in (f"{RATIO}_low", f"{RATIO}_high", "ratio_vs_mpc")}
    low, high, beside = values.values()
    within = "" if low is None or high is None else f" ({low:.4f} to {high:.4f})"
    paired = "" if beside is None else f", {beside:+.4f} beside mpc"
    days = f", {run.metrics.get(held_out(suite, 'days'), 0):.0f} held-out days"
    return f"{suite}: R / R* {run.metrics[held_out(suite)]:.4f}{within}{paired}{days}"

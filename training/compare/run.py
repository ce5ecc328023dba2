"""`bidpilot compare`: two trainings beside each other, on the terminal and as a figure."""

from __future__ import annotations

from rich.console import Console

from bidpilot.agents.learners.catalogue import learner_of
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.compare.config import CompareConfig
from bidpilot.training.compare.days import played_by_both
from bidpilot.training.compare.differences import differences
from bidpilot.training.report.differences import difference_bands
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.runs import comparison_table, difference_table
from bidpilot.training.report.tables import print_table
from bidpilot.training.tracking import LATEST, RunInfo, latest_finished_run, resolve_run
from bidpilot.training.tracking.story import named_run


def run(config: CompareConfig) -> None:
    """Print what differs between two trainings and their paired difference on held-out days; draw that.

    Raises:
        RunNotFound, AmbiguousRun: no such training, or several.
        InvalidConfig: both are the same run.
    """
    one, other = (_training(run) for run in (config.run, config.against))
    if one.run_id == other.run_id:
        raise InvalidConfig(f"{config.run} and {config.against} are the same run. Name two.")
    console, names = Console(), _names(one, other)
    for name, training in zip(names, (one, other), strict=True):
        console.print(f"{name}: {training.name}, run {training.run_id}", soft_wrap=True)
    differ = differences(one, other)
    if differ:
        print_table(difference_table(differ, names), console)
    else:
        console.print("nothing differs in configuration, in what they learnt from, or in the code that trained them")
    played = played_by_both(one, other)
    rows = [days.row(names, config.seed) for days in played]
    write_json(config.json_file, {"runs": [one.run_id, other.run_id], "differences": differ, "pairs": rows})
    if not played:
        console.print(
            f"no evaluation has played both on the same days; play them: {_command(one, other)}", soft_wrap=True
        )
        return
    print_table(comparison_table(rows, [days.scores for days in played], [len(d.one) for d in played]), console)
    write_figure(config.out, difference_bands(rows, f"{names[0]} minus {names[1]}, on days that both were played on"))


def _training(reference: str) -> RunInfo:
    return latest_finished_run() if reference == LATEST else resolve_run(reference)


def _names(one: RunInfo, other: RunInfo) -> tuple[str, str]:
    """Short names that tell two runs apart."""
    first, second = (named_run(learner_of(run.tags), [run.run_id]) for run in (one, other))
    return (first, second) if first != second else (f"@{one.run_id[:8]}", f"@{other.run_id[:8]}")


def _command(one: RunInfo, other: RunInfo) -> str:
    """The evaluation that plays both."""
    agents = " ".join(f"{learner_of(run.tags)}@{run.run_id}" for run in (one, other))
    on_log = [run for run in (one, other) if run.tags.get("log_digest", "none") != "none"]
    suites = (
        "--log TESTLOG"
        if on_log
        else f"--suites {' '.join(dict.fromkeys((one.tags['setting'], other.tags['setting'])))}"
    )
    return f"bidpilot evaluate --agents {agents} {suites}"

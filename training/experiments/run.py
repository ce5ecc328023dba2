"""`bidpilot ab run` plays an experiment; `bidpilot ab analyse` says what one has shown."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from bidpilot.bidding.campaign.scalarisation import check_preference
from bidpilot.training.cli.config import Config, changed
from bidpilot.training.experiments.analysis import Analysis, analyse
from bidpilot.training.experiments.config import AnalyseConfig, RunConfig
from bidpilot.training.experiments.decisions import decision_units
from bidpilot.training.experiments.files import read_units, write_units
from bidpilot.training.experiments.ground import arms_of, stream, suite_ground
from bidpilot.training.experiments.play import play
from bidpilot.training.experiments.units import PREFERENCE, Units
from bidpilot.training.report.experiments import ExperimentRow, path_figure, print_experiment
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.progress import waiting
from bidpilot.training.tracking import open_run


def run(config: RunConfig) -> ExperimentRow:
    """Play an experiment, keep its units, and say what it has shown.

    Raises:
        InvalidExperiment: it cannot be played on the suite, or the past cannot be used.
        UnknownSuite, UnknownAgent, RunNotFound, AmbiguousRun: from a name.
    """
    console = Console()
    past = None if config.past is None else read_units(config.past)
    ground, gains = suite_ground(config.suite)
    arms = arms_of(config.arms, gains, config.experiment)
    number = config.days // 2 if config.design == "switchback" else config.days
    with waiting(console, f"playing {config.days} days of {config.suite}"):
        rng = stream("days", config.suite, config.seed)
        units = play(ground, arms, max(number, 1), rng, config.design, config.treated_share)
    if config.out is not None:
        write_units(config.out, units)
    found = analyse(units, config.terms(), past)
    _tell(found, config, f"ab run {config.suite}", (config.json_file, config.figure, config.experiment), console)
    if config.out is not None:
        console.print(f"units written to {config.out}", soft_wrap=True)
    return found.row


def run_analyse(config: AnalyseConfig) -> ExperimentRow:
    """Read an experiment's units and say what it has shown.

    Raises:
        InvalidExperiment: units or past cannot be read or compared.
        NoFilesMatched: the folder holds no decision log.
    """
    console = Console()
    units = _units(config)
    found = analyse(units, config.terms(), None if config.past is None else _past(config, config.past))
    _tell(
        found, config, f"ab analyse {config.rows.name}", (config.json_file, config.figure, config.experiment), console
    )
    return found.row


def _units(config: AnalyseConfig) -> Units:
    if config.rows.is_dir():
        preference = config.preference or PREFERENCE
        check_preference(preference)
        return decision_units(config.rows, config.arms, preference)
    return read_units(config.rows, config.arms)


def _past(config: AnalyseConfig, past: Path) -> Units:
    if past.is_dir():
        return decision_units(past, config.arms, config.preference or PREFERENCE)
    return read_units(past)


def _tell(
    found: Analysis, config: Config, name: str, places: tuple[Path | None, Path | None, str], console: Console
) -> None:
    """Print, draw, log and write what was found; `places`: files of rows and figure, and the MLflow experiment."""
    json_file, figure_file, experiment = places
    look = found.look
    ends = (look.told(value) for value in (look.path.estimate, look.low, look.high))
    figure = path_figure(found.row, *ends)
    tags = {"verdict": found.row["verdict"]}
    with open_run(experiment, name, changed(config), tags, kind="experiment", config=config) as tracked:
        row = found.row
        measures = {"difference": row["difference"], "low": row["low"], "high": row["high"], "p": row["p"]}
        values = {f"experiment/{key}": value for key, value in measures.items() if value is not None}
        tracked.log_metrics(values | {"experiment/after": float(row["after"])}, 0)
        tracked.log_json([row], "experiment.json")
        tracked.log_figure(figure, "figures/experiment.png")
    print_experiment(found.row, console)
    write_json(json_file, [found.row])
    write_figure(figure_file, figure)

"""`bidpilot ab run` plays an experiment; `bidpilot ab analyse` says what one has shown."""

from __future__ import annotations

from dataclasses import replace
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
from bidpilot.training.experiments.served import ServedExperiment, served_experiment
from bidpilot.training.experiments.units import PREFERENCE, Units
from bidpilot.training.importing.run import reads_plain
from bidpilot.training.report.experiments import BundleRow, ExperimentRow, path_figure, print_experiment
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
    served = _served(config.rows, config)
    units = _units(config.rows, config, served)
    found = analyse(
        units,
        config.terms(),
        None if config.past is None else _units(config.past, config, _served(config.past, config)),
    )
    if served is not None:
        found = replace(found, row=_of_bundles(found.row, served))
    _tell(
        found, config, f"ab analyse {config.rows.name}", (config.json_file, config.figure, config.experiment), console
    )
    return found.row


def _of_bundles(row: ExperimentRow, served: ServedExperiment) -> ExperimentRow:
    """What was found, with the bundles of the arms: `promote` asks for them."""
    arms = (served.arm(name) for name in (row["control"], row["treated"]))
    bundles = [BundleRow(arm=arm.name, run=arm.run, agent=arm.agent, digest=arm.digest) for arm in arms]
    return ExperimentRow(**(row | {"experiment": served.name, "bundles": bundles}))


def _served(path: Path, config: AnalyseConfig) -> ServedExperiment | None:
    """The experiment of a decision log; None where there is none, or where campaigns are named in place of its arms."""
    served = served_experiment(path, config.of) if path.is_dir() else None
    if served is not None and config.arms and not set(config.arms) & {arm.name for arm in served.arms}:
        return None
    return served


def _units(path: Path, config: AnalyseConfig, served: ServedExperiment | None) -> Units:
    if not path.is_dir():
        return read_units(path, config.arms if path == config.rows else ())
    preference = config.preference or PREFERENCE
    check_preference(preference)
    return decision_units(path, config.arms, preference, served, reads_plain(config.key_file))


def _tell(
    found: Analysis, config: Config, name: str, places: tuple[Path | None, Path | None, str], console: Console
) -> None:
    """Print, draw, log and write what was found; `places`: files of rows and figure, and the MLflow experiment."""
    json_file, figure_file, experiment = places
    look = found.look
    ends = (look.told(value) for value in (look.path.estimate, look.low, look.high))
    figure = path_figure(found.row, *ends)
    tags = {"verdict": found.row["verdict"]}
    if (served := found.row["experiment"]) is not None:
        tags |= {"served": served} | {f"{b['arm']}_run": b["run"] for b in found.row["bundles"]}
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

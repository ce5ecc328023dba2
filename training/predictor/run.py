"""`bidpilot fit-predictor`: learn rates from a decision log, judge them on its last days, write them for a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from rich.console import Console

from bidpilot.bidding.errors import EmptyLog, InvalidConfig
from bidpilot.envs.logs.manifest import MANIFEST_FILE
from bidpilot.envs.logs.won import won_of
from bidpilot.serving.prediction.rates import Rates
from bidpilot.training.cli.config import changed
from bidpilot.training.importing.incidents import beside, read_incidents
from bidpilot.training.importing.run import plain_with
from bidpilot.training.predictor.calibration import Judged, judge
from bidpilot.training.predictor.config import FitPredictorConfig
from bidpilot.training.predictor.rates import rates_of
from bidpilot.training.predictor.tallies import tallies, views_are_told
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.predictor import calibration_figure, print_calibration
from bidpilot.training.report.progress import waiting
from bidpilot.training.tracking import open_run

if TYPE_CHECKING:
    from bidpilot.envs.logs.incidents import UnderIncident
    from bidpilot.serving.prediction.rates import RatesFile


def run(config: FitPredictorConfig) -> list[Judged]:
    """Learn, judge, write; how the rates do on the days that were held out, none where there are none.

    Raises:
        EmptyLog: nothing was won.
        InvalidConfig: more days were to be held out than leave one to learn from.
        NotALog, NoFilesMatched, UnreadableFile, MissingColumn: the log cannot be read.
    """
    console = Console()
    with waiting(console, f"reading {config.log}"):
        won = won_of(config.log, _incidents(config), plain_with(config.key_file))
    if not won.height:
        raise EmptyLog(f"{config.log} holds no exposure that was won and billed: there is nothing to learn from.")
    days = sorted(won["date"].unique())
    held = _held_out(config, days)
    viewed = views_are_told(won)
    rates = rates_of(tallies(won, viewed), days)
    judged = _judged(won, days[: len(days) - held], days[len(days) - held :], viewed, config.out) if held else []
    write_json(config.out, rates.model_dump(mode="json"))
    _tell(config, rates, judged, held, viewed, console)
    return judged


def _incidents(config: FitPredictorConfig) -> list[UnderIncident]:
    """Those of the server's folder; an imported log has left theirs out."""
    if config.keep_incident_slots or (config.incidents is None and (config.log / MANIFEST_FILE).is_file()):
        return []
    folders = beside([config.log]) if config.incidents is None else [config.incidents]
    return [one for folder in folders for one in read_incidents(folder)]


def _held_out(config: FitPredictorConfig, days: list[str]) -> int:
    if config.held_out is None:
        return max(len(days) // 5, 1) if len(days) > 1 else 0
    if config.held_out >= len(days):
        raise InvalidConfig(
            f"--held-out {config.held_out} leaves none of the log's {len(days)} days to learn from. Hold out fewer; 0 "
            "judges nothing."
        )
    return config.held_out


def _judged(won: pl.DataFrame, before: list[str], after: list[str], viewed: bool, out: Path) -> list[Judged]:
    earlier, later = (won.filter(pl.col("date").is_in(days)) for days in (before, after))
    learned = rates_of(tallies(earlier, viewed), before)
    return judge(Rates(learned, learned.sources, out), tallies(later, viewed))


def _tell(
    config: FitPredictorConfig, rates: RatesFile, judged: list[Judged], held: int, viewed: bool, console: Console
) -> None:
    """Print, draw and log what was learned."""
    title = f"{config.log.name}: calibration on its last {held} days, learned from those before"
    with open_run(
        config.experiment, f"predictor of {config.log.name}", changed(config), kind="predictor", config=config
    ) as tracked:
        measures = {f"predictor/{row['kpi']}/{name}": row[name] for row in judged for name in ("ratio", "slope")}
        numbers = {name: value for name, value in measures.items() if isinstance(value, float)}
        tracked.log_metrics(numbers | {"predictor/wins": float(rates.wins)}, 0)
        tracked.log_artifact(config.out)
        if judged:
            figure = calibration_figure(judged, title)
            tracked.log_json(judged, "calibration.json")
            tracked.log_figure(figure, "figures/calibration.png")
            write_figure(config.figure, figure)
    if judged:
        print_calibration(judged, title, console)
        write_json(config.json_file, judged)
    else:
        console.print("nothing was held out, so that nothing was judged: give a log of several days", soft_wrap=True)
    if not viewed:
        console.print("no view was told: exposure is what the server expected", soft_wrap=True)
    for kpi, by in rates.strength.items():
        words = ", ".join(f"{level} {'endless' if value is None else f'{value:,.0f}'}" for level, value in by.items())
        console.print(f"{kpi}: exposures that weigh as much as what is around them: {words}", soft_wrap=True)
    console.print(
        f"rates of {rates.wins:,} exposures on {rates.days} days written to {config.out}; next: bidpilot serve BUNDLE "
        f"--predictor-file {config.out}",
        soft_wrap=True,
    )

"""`bidpilot ab plan`: how long an experiment takes, and what it can find."""

from __future__ import annotations

from rich.console import Console

from bidpilot.training.cli.config import changed
from bidpilot.training.experiments.config import PlanConfig
from bidpilot.training.experiments.files import read_units, write_units
from bidpilot.training.experiments.ground import arms_of, stream, suite_ground
from bidpilot.training.experiments.past import Past
from bidpilot.training.experiments.play import play
from bidpilot.training.experiments.power import least_effect, units_needed
from bidpilot.training.experiments.units import Design, Units
from bidpilot.training.report.experiments import PlanRow, plan_table
from bidpilot.training.report.files import write_json
from bidpilot.training.report.progress import waiting
from bidpilot.training.report.tables import print_table
from bidpilot.training.tracking import open_run


def run(config: PlanConfig) -> list[PlanRow]:
    """Learn from past units; print, log and write a row for each design and metric.

    Raises:
        InvalidExperiment: past units cannot be read, are too few, or cannot be played on the suite.
        UnknownSuite, UnknownAgent: from a name.
    """
    console = Console()
    past = _past(config, console)
    rows = [row for units in past for row in plan_rows(units, config)]
    if config.out is not None:
        write_units(config.out, past[0])
    with open_run(config.experiment, "ab plan", changed(config), kind="experiment", config=config) as tracked:
        tracked.log_metrics({_metric(row): float(row["days"]) for row in rows if row["days"] is not None}, 0)
        tracked.log_json(rows, "plan.json")
    where = config.suite if config.past is None else str(config.past)
    print_table(
        plan_table(rows, f"Experiments on {where}, a look after every unit", config.effect, config.power), console
    )
    if config.out is not None:
        console.print(f"past units written to {config.out}", soft_wrap=True)
    write_json(config.json_file, rows)
    return rows


def plan_rows(units: Units, config: PlanConfig) -> list[PlanRow]:
    """What past units of one design tell: the primary metric with and without CUPED, and the realised one."""
    past, unit = Past.of(units), 2 if units.design == "switchback" else 1
    metrics = {
        "expected KPI, less covariates": past.adjusted,
        "expected KPI": past.plain,
        "realised KPI": past.realised,
    }
    if past.cuped is None:
        metrics.pop("expected KPI, less covariates")
    rows = []
    for metric, std in metrics.items():
        needed, median = (units_needed(std, config.effect, config.alpha, power) for power in (config.power, 0.5))
        rows.append(
            PlanRow(
                design=units.design,
                metric=metric,
                std=std,
                days=None if needed is None else unit * needed,
                median_days=None if median is None else unit * median,
                durations=list(config.durations),
                least_effects=[_least(std, days // unit, config) for days in config.durations],
            )
        )
    return rows


def _least(std: float, units: int, config: PlanConfig) -> float | None:
    """The least effect that so many units find; None where they are fewer than any experiment has."""
    found = least_effect(std, units, config.alpha, config.power) if units > 0 else float("inf")
    return None if found == float("inf") else found


def _past(config: PlanConfig, console: Console) -> list[Units]:
    """Past units of the design that the file has; played ones of both."""
    if config.past is not None:
        return [read_units(config.past)]
    ground, gains = suite_ground(config.suite)
    arms = arms_of((config.arm, config.arm), gains, config.experiment)
    designs: tuple[tuple[Design, int], ...] = (("split", config.days), ("switchback", max(config.days // 2, 1)))
    found = []
    with waiting(console, f"playing {config.days} past days of {config.suite}"):
        for design, units in designs:
            rng = stream("past", config.suite, config.seed)
            found.append(play(ground, arms, units, rng, design, config.treated_share))
    return found


def _metric(row: PlanRow) -> str:
    return f"{row['design']}/{row['metric'].replace(',', '').replace(' ', '_')}/days"

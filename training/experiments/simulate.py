"""`bidpilot ab simulate`: how often experiments err, and how soon they find what is there, each against its bar."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from rich.console import Console

from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.training.cli.config import changed
from bidpilot.training.experiments import ratio
from bidpilot.training.experiments.config import SimulateConfig
from bidpilot.training.experiments.ground import arms_of, stream, suite_ground
from bidpilot.training.experiments.past import Past
from bidpilot.training.experiments.play import play
from bidpilot.training.experiments.sequence import BURN_IN
from bidpilot.training.experiments.simulation import (
    Found,
    drawn,
    endings,
    found_at_the_end,
    found_by_peeking,
    found_by_sequence,
    looks,
    mismatches,
)
from bidpilot.training.experiments.verdict import Columns, Verdict
from bidpilot.training.report.experiments import SimulatedRow, simulated_figure, simulated_table
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.progress import waiting
from bidpilot.training.report.tables import print_table
from bidpilot.training.tracking import open_run

EQUAL_BAR: Final = 0.05
"""Experiments on equal arms that may find a difference."""
DAYS_BAR: Final = 15.0
"""Median days until an effect of 2 % is found, at most."""
SEQUENCE: Final = "interval that holds at every look"
PEEKED: Final = "t-test, a look after every day"
LATE: Final = f"t-test, a look after every day from day {BURN_IN} on"
ONCE: Final = "t-test, one look at the end"
HARM: Final = "stop for harm"
SPLIT: Final = "test of the split"
EQUAL: Final = "equal arms"


def run(config: SimulateConfig) -> list[SimulatedRow]:
    """Play the pool, draw the experiments; print, draw, log and write a row for each method and truth.

    Raises:
        InvalidExperiment: an experiment cannot be played on the suite.
        UnknownSuite, UnknownAgent: from a name.
    """
    console = Console()
    with waiting(console, f"playing a pool of {config.pool} days of {config.suite}"):
        pool, users = _pool(config)
    rows, paths = simulated(pool, users, config)
    by_look = {where: found.by_look for where, found in paths.items()}
    figure = simulated_figure(by_look, config.effect, config.alpha)
    with open_run(config.experiment, "ab simulate", changed(config), kind="experiment", config=config) as tracked:
        tracked.log_metrics({"equal_arms/found": rows[0]["found"]}, 0)
        tracked.log_json(rows, "simulated.json")
        tracked.log_figure(figure, "figures/experiments.png")
    title = f"{config.experiments} experiments of {config.days} days on {config.suite}, seed {config.seed}"
    print_table(simulated_table(rows, title), console)
    write_json(config.json_file, rows)
    write_figure(config.figure, figure)
    return rows


def simulated(
    pool: Columns, users: int, config: SimulateConfig
) -> tuple[list[SimulatedRow], dict[tuple[str, str], Found]]:
    """Rows of experiments drawn from a pool (N, 2) with `users` a day, and what each method found by each day."""
    terms, found = config.terms(), {}
    effects = {EQUAL: 0.0, f"{config.effect:+.0%}": config.effect, f"{-config.harm:+.0%}": -config.harm}
    stops: dict[str, Found] = {}
    for place, (truth, effect) in enumerate(effects.items()):
        rng = np.random.default_rng([config.seed, place])
        columns = drawn(pool, config.experiments, config.days, effect, rng)
        look, path = looks(columns, terms)
        found[SEQUENCE, truth] = found_by_sequence(look)
        found[PEEKED, truth] = found_by_peeking(path, terms.alpha)
        found[LATE, truth] = found_by_peeking(path, terms.alpha, BURN_IN)
        found[ONCE, truth] = found_at_the_end(path, terms.alpha)
        stops[truth] = _stopped(columns, config)
    rows = [_row(method, truth, one) for (method, truth), one in found.items() if not truth.startswith("-")]
    rows += [_row(HARM, truth, one) for truth, one in stops.items()]
    rng = np.random.default_rng([config.seed, len(effects)])
    for share in (0.5, 0.51):
        broken = mismatches(share, config.experiments, config.days, users, rng)
        rows.append(_row(SPLIT, f"{share:.0%} of users", broken))
    return [_judged(row, config) for row in rows], found


def _stopped(columns: Columns, config: SimulateConfig) -> Found:
    """Experiments that a guardrail stopped before anything else ended them."""
    ended, after = endings(columns, config.terms())
    harmed = ended == list(Verdict).index(Verdict.harmed)
    at = np.where(harmed, after, np.inf)
    days = np.arange(1, config.days + 1)
    median = float(np.median(at))
    return Found(float(harmed.mean()), median if np.isfinite(median) else None, (at[:, None] <= days).mean(axis=0))


def _row(method: str, truth: str, found: Found) -> SimulatedRow:
    return SimulatedRow(method=method, truth=truth, found=found.share, median=found.median, bar=None, met=None)


def _judged(row: SimulatedRow, config: SimulateConfig) -> SimulatedRow:
    """The row with its bar, where it has one."""
    where = row["method"], row["truth"]
    if where == (SEQUENCE, EQUAL):
        return row | {"bar": f"at most {EQUAL_BAR:.0%}", "met": row["found"] <= EQUAL_BAR}
    if where == (SPLIT, "50% of users"):
        return row | {"bar": f"at most {ratio.ALPHA:.0%}", "met": row["found"] <= ratio.ALPHA}
    if where == (SEQUENCE, "+2%") and config.effect == 0.02:
        return row | {
            "bar": f"at most {DAYS_BAR:.0f} days",
            "met": row["median"] is not None and row["median"] <= DAYS_BAR,
        }
    return row


def _pool(config: SimulateConfig) -> tuple[Columns, int]:
    """What experiments are drawn from, less what the other half of the days explains; and the users of a mean day."""
    ground, gains = suite_ground(config.suite)
    arms = arms_of((config.arm, config.arm), gains, config.experiment)
    units = play(ground, arms, config.pool, stream("pool", config.suite, config.seed))
    half = config.pool // 2
    past = Past.of(units.at(np.arange(half)))
    columns = Columns.of(units.at(np.arange(half, config.pool)), past)
    if not (columns.primary > 0).all():
        raise InvalidExperiment(f"a day of {config.suite} brings nothing. Use a suite whose days all do.")
    return replace(columns, tests_split=True), int(units.assigned.sum(axis=1).mean())

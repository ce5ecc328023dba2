"""`bidpilot limit`: what can be reached at most without knowing the future, beside controllers on the same days."""

from __future__ import annotations

import json
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.contestants import TOLD
from bidpilot.training.evaluation.names import KNOWABLE
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.suites import named_suites, synthetic_suite
from bidpilot.training.evaluation.traffic import unfiltered
from bidpilot.training.limit.bound import PathWatch, Relaxation, check_suite
from bidpilot.training.limit.config import LimitConfig
from bidpilot.training.limit.day import Path
from bidpilot.training.limit.rows import limit_rows
from bidpilot.training.report.limit import LimitRow, limit_plot, print_limit
from bidpilot.training.report.progress import steps, waiting
from bidpilot.training.tracking import open_run
from bidpilot.training.tracking.metrics import held_out

PLAYED: Final = (MPC.name, "adaptive", KNOWABLE)
"""Whose days stand beside the bound."""


def run(config: LimitConfig) -> None:
    """Play the controllers, solve the relaxed problem of every day; print, log and write the rows.

    Raises:
        UnknownSuite: no such suite.
        NoLimit: the bound does not hold for it.
    """
    (record,) = named_suites((config.suite,))
    check_suite(record)
    console = Console()
    with open_run(config.experiment, f"limit {record.name}", changed(config), kind="limit", config=config) as tracked:
        with waiting(console, f"making {config.days} days of {record.name} ready"):
            suite = synthetic_suite(record, config.days, config.seed, filter_of=unfiltered)
        ratios: dict[str, NDArray[np.float64]] = {}
        paths: dict[str, Path] = {}
        with steps(console, len(PLAYED)) as step:
            for name in PLAYED:
                step(f"playing {name} on {suite.name}")
                ratios[name], paths[name] = play_path(suite.arena, name)
        limits = Relaxation(suite.arena, record, seed=config.seed).limits(paths)
        rows = limit_rows(suite.name, limits, ratios, config.seed)
        tracked.log_metrics(_metrics(rows), 0)
        tracked.log_json(rows, "limit.json")
        tracked.log_figure(limit_plot(rows), "figures/limit.png")
    print_limit(rows, console)
    if config.json_file is not None:
        config.json_file.parent.mkdir(parents=True, exist_ok=True)
        config.json_file.write_text(json.dumps(rows, indent=1) + "\n")
        console.print(f"rows written to {config.json_file}")


def play_path(arena: Arena, name: str) -> tuple[NDArray[np.float64], Path]:
    """R / R* (D,) of a controller or of a reference that is told more, and what it did."""
    watch = PathWatch(arena)
    agent = controller_agent(MPC.name if name in TOLD else name)
    outcome = arena.play(agent, TOLD.get(name), watch=watch)
    return outcome.ratio, watch.path()


def _metrics(rows: list[LimitRow]) -> dict[str, float]:
    suite = rows[0]["suite"]
    found = {held_out(suite, "bound_mean"): rows[0]["bound"]}
    for row in rows:
        measures = {"ratio_mean": row["mean"], "room": row["room"]}
        found |= {held_out(suite, measure, row["agent"]): value for measure, value in measures.items()}
    return found

"""`bidpilot off-policy check`: estimates of many candidates against the truth of the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from rich.console import Console

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs import seeding
from bidpilot.training.cli.config import changed
from bidpilot.training.off_policy.candidate import Candidate, Days, estimated_days
from bidpilot.training.off_policy.config import CheckConfig
from bidpilot.training.off_policy.estimators import Array
from bidpilot.training.off_policy.overlap import TooLittleOverlap
from bidpilot.training.off_policy.rows import daily, estimate_rows
from bidpilot.training.off_policy.served import ServedLog
from bidpilot.training.off_policy.simulated import daily_ground
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.off_policy import TruthRow, TruthTotal, truth_figure, truth_table
from bidpilot.training.report.progress import steps
from bidpilot.training.report.tables import print_table
from bidpilot.training.tracking import open_run

EXPLORED: Final = "explored"
PLAIN: Final = "not explored"
METRICS: Final = ("spend", "conversion", "utility")


def run(config: CheckConfig) -> list[TruthTotal]:
    """Estimate every candidate on a log of its own, explored and not; print, draw, log and write how that did.

    Raises:
        InvalidConfig: factors and shares do not fit together.
    """
    console = Console()
    if len(config.factors) != len(config.shares) or abs(sum(config.shares) - 1.0) > 1e-6:
        raise InvalidConfig(
            f"{len(config.factors)} factors need as many shares that sum to 1; got {config.shares}. Give both."
        )
    rows = _rows(config, console)
    totals = total(rows)
    figure = truth_figure(rows, "utility")
    with open_run(config.experiment, "off-policy check", changed(config), kind="off-policy", config=config) as tracked:
        tracked.log_json({"rows": rows, "totals": totals}, "truth.json")
        tracked.log_figure(figure, "figures/truth.png")
    title = f"{config.candidates} candidates on logs of {config.days} days, seed {config.seed}"
    print_table(truth_table(totals, title), console)
    write_json(config.json_file, [*totals, *rows])
    write_figure(config.figure, figure)
    return totals


def _rows(config: CheckConfig, console: Console) -> list[TruthRow]:
    ground = daily_ground(config.auctions)
    order = np.argsort(config.factors)
    ways = {
        EXPLORED: (np.array(config.factors)[order], np.array(config.shares)[order]),
        PLAIN: (np.ones(1), np.ones(1)),
    }
    rng = seeding.stream(seeding.suite_domain("off-policy truth"), config.seed)
    held = ground.days(config.truth_days, rng)
    logged = {way: ground.served(held, *how, rng).totals for way, how in ways.items()}
    rows: list[TruthRow] = []
    with steps(console, config.candidates) as step:
        for place in range(config.candidates):
            step(f"candidates from the {place // 10 * 10 + 1}th on")
            own = seeding.stream(seeding.suite_domain("off-policy candidate"), config.seed * 100_000 + place)
            candidate = ground.candidate(own, config.spread)
            truth = ground.truth(candidate, held)
            days = ground.days(config.days, own)
            for way, how in ways.items():
                served = ground.served(days, *how, own)
                found = estimated_days(served, candidate, own, config.copies, config.most_weight)
                rows += _judged(served, candidate, found, (truth, logged[way]), way, config)
    return rows


def _judged(
    served: ServedLog,
    candidate: Candidate,
    found: Days,
    truths: tuple[tuple[Array, Array], tuple[Array, Array]],
    way: str,
    config: CheckConfig,
) -> list[TruthRow]:
    refused = None
    try:
        found.overlap.check(config.most_beyond, config.least_effective)
    except TooLittleOverlap as error:
        refused = str(error)
    told = {row["metric"]: row for row in estimate_rows(served, found, candidate.campaign, config.doubt)}
    rows = []
    for metric in METRICS:
        row = told[metric]
        rows.append(
            TruthRow(
                candidate=candidate.arm.name,
                log=way,
                refused=refused,
                beyond=found.overlap.beyond,
                effective=found.overlap.effective,
                metric=metric,
                truth=_true_change(metric, truths, candidate, found),
                change=None if refused else row["change"],
                low=None if refused else row["change_low"],
                high=None if refused else row["change_high"],
            )
        )
    return rows


def _true_change(
    metric: str, truths: tuple[tuple[Array, Array], tuple[Array, Array]], candidate: Candidate, found: Days
) -> float:
    means = []
    for spend, kpi in truths:
        ideal = np.tile(found.ideal[0], (len(spend), 1))
        above, _ = daily(metric, spend, kpi, np.ones_like(spend), candidate.campaign, ideal)
        means.append(float(above.mean()))
    return means[0] / means[1] - 1.0


def total(rows: Sequence[TruthRow]) -> list[TruthTotal]:
    """How the estimates of each way of logging and metric did."""
    found = []
    for way in dict.fromkeys(row["log"] for row in rows):
        for metric in METRICS:
            here = [row for row in rows if row["log"] == way and row["metric"] == metric]
            told = [row for row in here if row["change"] is not None]
            table = np.array([[row["truth"], row["change"], row["low"], row["high"]] for row in told], np.float64)
            truth, change, low, high = table.reshape(-1, 4).T
            gap = change - truth
            found.append(
                TruthTotal(
                    log=way,
                    metric=metric,
                    candidates=len(here),
                    refused=len(here) - len(told),
                    covered=int(((low <= truth) & (truth <= high)).sum()),
                    bias=float(gap.mean()) if told else None,
                    error=float(np.sqrt((gap**2).mean())) if told else None,
                    width=float((high - low).mean()) if told else None,
                )
            )
    return found

"""Tables of an evaluation for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from rich.console import Console
from rich.table import Table


class AgentRow(TypedDict):
    """One agent on one suite; the keys are those of the JSON file."""

    agent: str
    suite: str
    iqm: float  # interquartile mean of R / R*
    ci_low: float  # 95 % bootstrap interval of iqm
    ci_high: float
    p5: float  # 5th percentile of R / R* over days
    spend_share: float  # spend / budget, mean over days, in [0, 1]
    violation_rate: float  # share of days on which a constraint is missed by more than a thousandth
    violation_size: float  # the worst relative excess of a day, mean over days
    days: int


class PairRow(TypedDict):
    """The paired difference of two agents on one suite."""

    agent: str
    against: str
    suite: str
    diff: float  # of R / R*, agent minus against
    diff_low: float  # 95 % bootstrap interval of diff
    diff_high: float


def agent_table(rows: Sequence[AgentRow]) -> Table:
    """One line per agent and suite, the best of a suite first, suites apart."""
    table = Table(title="R / R* on held-out days", title_justify="left")
    for name in ("suite", "agent"):
        table.add_column(name)
    missed = any(row["violation_rate"] > 0 for row in rows)
    for name in ("iqm", "95 % interval", "p5", "spend", *(("violates",) if missed else ()), "days"):
        table.add_column(name, justify="right", no_wrap=True)
    for suite in dict.fromkeys(row["suite"] for row in rows):
        here = sorted((row for row in rows if row["suite"] == suite), key=lambda row: -row["iqm"])
        for place, row in enumerate(here):
            table.add_row(
                suite if place == 0 else "",
                row["agent"],
                f"{row['iqm']:.4f}",
                f"{row['ci_low']:.4f} .. {row['ci_high']:.4f}",
                f"{row['p5']:.3f}",
                f"{row['spend_share']:.1%}",
                *((f"{row['violation_rate']:.0%} by {row['violation_size']:.1%}",) if missed else ()),
                str(row["days"]),
                end_section=place == len(here) - 1,
            )
    return table


def pair_table(rows: Sequence[PairRow]) -> Table:
    """One line per pair and suite; `undecided` where the interval holds zero."""
    table = Table(title="Paired differences of R / R*", title_justify="left")
    for name in ("suite", "agent", "against"):
        table.add_column(name)
    for name in ("difference", "95 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        table.add_row(
            row["suite"],
            row["agent"],
            row["against"],
            f"{row['diff']:+.4f}",
            f"{row['diff_low']:+.4f} .. {row['diff_high']:+.4f}",
            _verdict(row),
        )
    return table


def print_tables(agents: Sequence[AgentRow], pairs: Sequence[PairRow] = (), console: Console | None = None) -> None:
    """Print both tables, to the process's standard output where no console is given."""
    console = console or Console()
    console.print(agent_table(agents))
    if pairs:
        console.print(pair_table(pairs))


def _verdict(row: PairRow) -> str:
    if row["diff_low"] > 0.0:
        return "better"
    return "worse" if row["diff_high"] < 0.0 else "undecided"

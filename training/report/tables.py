"""Rows and tables of an evaluation, for the terminal and the JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from rich.console import Console
from rich.table import Table

_WIDEST = 200  # columns of text


class Marks(TypedDict, total=False):
    """What is told of an agent on a suite beside its numbers; `evaluate` gives all of it."""

    run: str | None  # id of the training run that was played, with commas between seeds; None for what is not learned
    forecast: str  # whose forecast all agents had on a log, in words; empty where a suite has one of its own
    forecast_run: str | None  # id of the training run that it is of
    forecast_log: str | None  # digest of the log that it was fitted on
    trained_on: int  # days that the policy or the forecast learnt from
    other_market: bool  # the policy or the forecast was made for another market


class AgentRow(Marks):
    """One agent on one suite; the keys are those of the JSON file."""

    agent: str
    suite: str
    iqm: float  # interquartile mean of R / R*
    ci_low: float  # 95 % bootstrap interval of iqm
    ci_high: float
    p5: float  # 5th percentile of R / R* over days
    gap_closed: float | None  # share of the gap from mpc to mpc_informed; None where that is below 0.002
    spend_share: float  # spend / budget, mean over days, in [0, 1]
    violation_rate: float  # share of days on which a constraint is missed by more than a thousandth
    violation_size: float  # the worst relative excess of a day, mean over days
    roughness: float  # mean absolute change of the log bid on the mean auction between slots
    constant_rule: float | None  # the same for the best constant rule in hindsight; None without first price
    days: int
    seeds: int  # trainings that the row is the mean of, day by day


class PairRow(TypedDict):
    """The paired difference of two agents on one suite."""

    agent: str
    against: str
    suite: str
    diff: float  # of R / R*, agent minus against
    diff_low: float  # 95 % bootstrap interval of diff
    diff_high: float


class PreferenceFrontRow(TypedDict):
    """One agent's front on one suite."""

    agent: str
    suite: str
    hypervolume_share: float  # of the hindsight optimum's front, above (0, 0, 0)
    worst_loss: float  # the most of the optimum's utility that is missed at a preference, a share
    worst_preference: list[float]  # (3,) where that is
    mean_loss: float  # the same, mean over preferences
    totals: list[list[float]]  # (15, 3) x / z at each preference, mean over days
    days: int
    seeds: int  # trainings that the row is the mean of


def short_name(agent: str) -> str:
    """`NAME@` and the first 8 digits of its run, `+2` where two more runs are pooled with it."""
    base, at, runs = agent.partition("@")
    first, *others = runs.split(",")
    return f"{base}{at}{first[:8]}" + (f"+{len(others)}" if others else "")


def agent_table(rows: Sequence[AgentRow]) -> Table:
    """One line per agent and suite, the best of a suite first, suites apart."""
    table = Table(title=_title(rows), title_justify="left")
    for name in ("suite", "agent"):
        table.add_column(name)
    seen, foreign = any(row.get("trained_on") for row in rows), any(row.get("other_market") for row in rows)
    missed, pooled = any(row["violation_rate"] > 0 for row in rows), any(row["seeds"] > 1 for row in rows)
    marks = (*(("trained on",) if seen else ()), *(("made for",) if foreign else ()))
    optional = (*(("violates",) if missed else ()), "days", *(("seeds",) if pooled else ()), *marks)
    for name in ("iqm", "95 % interval", "p5", "gap closed", "spend", *optional):
        table.add_column(name, justify="right", no_wrap=True)
    for suite in dict.fromkeys(row["suite"] for row in rows):
        here = sorted((row for row in rows if row["suite"] == suite), key=lambda row: -row["iqm"])
        for place, row in enumerate(here):
            table.add_row(
                suite if place == 0 else "",
                short_name(row["agent"]),
                f"{row['iqm']:.4f}",
                f"{row['ci_low']:.4f} .. {row['ci_high']:.4f}",
                f"{row['p5']:.3f}",
                "-" if row["gap_closed"] is None else f"{row['gap_closed']:.0%}",
                f"{row['spend_share']:.1%}",
                *((f"{row['violation_rate']:.0%} by {row['violation_size']:.1%}",) if missed else ()),
                str(row["days"]),
                *((str(row["seeds"]),) if pooled else ()),
                *((str(row.get("trained_on", 0)),) if seen else ()),
                *(("another market" if row.get("other_market") else "",) if foreign else ()),
                end_section=place == len(here) - 1,
            )
    table.caption = "\n".join(_captions(rows)) or None
    return table


def _title(rows: Sequence[AgentRow]) -> str:
    """That days are held out, or how many are not."""
    most: dict[str, tuple[int, int]] = {}
    for row in rows:
        most[row["suite"]] = max(most.get(row["suite"], (0, 0)), (row.get("trained_on", 0), row["days"]))
    seen = [f"{count} of the {days} days of {suite} were trained on" for suite, (count, days) in most.items() if count]
    return f"R / R*, not held out: {', '.join(seen)}" if seen else "R / R* on held-out days"


def _captions(rows: Sequence[AgentRow]) -> list[str]:
    """Whose forecast was played, where a row tells of it, and what the best constant rule has."""
    forecasts = dict.fromkeys((row["suite"], row["forecast"]) for row in rows if row.get("forecast"))
    lines = [f"forecast on {suite}: {forecast}" for suite, forecast in forecasts]
    rules = {row["suite"]: row["constant_rule"] for row in rows if row["constant_rule"] is not None}
    if rules:
        told = ", ".join(f"{value:.4f} on {suite}" for suite, value in rules.items())
        lines.append(f"the best constant rule in hindsight: {told}, where R* pays less than one's own bid")
    return lines


def preference_front_table(rows: Sequence[PreferenceFrontRow]) -> Table:
    """One line per agent and suite, the most hypervolume of a suite first."""
    table = Table(title="Fronts over 15 preferences, beside the hindsight optimum", title_justify="left")
    for name in ("suite", "agent"):
        table.add_column(name)
    for name in ("hypervolume", "worst loss", "at", "mean loss", "days", "seeds"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in sorted(rows, key=lambda row: (row["suite"], -row["hypervolume_share"])):
        table.add_row(
            row["suite"],
            short_name(row["agent"]),
            f"{row['hypervolume_share']:.1%}",
            f"{row['worst_loss']:.1%}",
            " ".join(f"{weight:.2f}" for weight in row["worst_preference"]),
            f"{row['mean_loss']:.1%}",
            str(row["days"]),
            str(row["seeds"]),
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
            short_name(row["agent"]),
            short_name(row["against"]),
            f"{row['diff']:+.4f}",
            f"{row['diff_low']:+.4f} .. {row['diff_high']:+.4f}",
            _verdict(row),
        )
    return table


def print_tables(agents: Sequence[AgentRow], pairs: Sequence[PairRow] = (), console: Console | None = None) -> None:
    """Print both tables, to the process's standard output where no console is given."""
    print_table(agent_table(agents), console)
    if pairs:
        print_table(pair_table(pairs), console)


def print_preference_fronts(rows: Sequence[PreferenceFrontRow], console: Console | None = None) -> None:
    """Print the table of fronts, to the process's standard output where no console is given."""
    print_table(preference_front_table(rows), console)


def print_table(table: Table, console: Console | None) -> None:
    """Print a table in its full width: a narrow terminal wraps it, a file keeps every name."""
    console = console or Console()
    wide = Console(file=console.file, width=_WIDEST)
    wide.width = max(console.width, wide.measure(table).maximum)
    wide.print(table)


def _verdict(row: PairRow) -> str:
    if row["diff_low"] > 0.0:
        return "better"
    return "worse" if row["diff_high"] < 0.0 else "undecided"

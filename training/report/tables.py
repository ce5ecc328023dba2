"""Rows and tables of an evaluation, for the terminal and the JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bidpilot.training.report.ends import ends, too_few

_WIDEST = 200  # columns of text
BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
TOO_FEW = "too few"
"""The verdict where there are too few groups of days for an interval."""


class Marks(TypedDict, total=False):
    """What is told of an agent on a suite beside its numbers; `evaluate` gives all of it."""

    run: str | None  # id of the training run that was played, with commas between seeds; None for what is not learned
    forecast: str  # whose forecast all agents had on a log, in words; empty where a suite has one of its own
    forecast_run: str | None  # id of the training run that it is of
    forecast_log: str | None  # digest of the log that it was fitted on
    trained_on: int  # days that the policy or the forecast learnt from
    other_market: bool  # the policy or the forecast was made for another market
    traffic: str  # what filters its traffic: `detector`, `told` which is invalid, or `none`


class AgentRow(Marks):
    """One agent on one suite; the keys are those of the JSON file."""

    agent: str
    suite: str
    iqm: float  # interquartile mean of R / R*
    ci_low: float | None  # 95 % interval of iqm; None below three groups
    ci_high: float | None
    mean: float  # of R / R*, which the bad days count in
    mean_low: float | None  # 95 % interval of mean; None below three groups
    mean_high: float | None
    p5: float  # 5th percentile of R / R* over days
    gap_closed: float | None  # share of the gap from mpc to mpc_informed; None where that is below 0.002
    knowable_closed: float | None  # the same from mpc to knowable; None: not played, or below 0.001
    filter_closed: float | None  # the same from mpc without a filter of traffic to mpc_filtered; None: not played
    spend_share: float  # spend / budget, mean over days, in [0, 1]
    violation_rate: float  # share of days on which a constraint is missed by more than a thousandth
    violation_size: float  # the worst relative excess of a day, mean over days
    roughness: float  # mean absolute change of the log bid on the mean auction between slots
    to_bound: float | None  # interquartile mean of R over the certified bound at market prices; None where that is R*
    days: int
    groups: int  # of days that share a period, each seen once by the intervals; as many as days where none does
    seeds: int  # trainings that the row is the mean of, day by day


class PairRow(TypedDict):
    """The paired difference of two agents on one suite."""

    agent: str
    against: str
    suite: str
    diff: float  # of R / R*, agent minus against
    diff_low: float | None  # 95 % interval of diff; None below three groups
    diff_high: float | None
    groups: int  # of days, as in `AgentRow`


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


def verdict(row: PairRow) -> str:
    """What an interval says: undecided where it holds zero, too few where there is none."""
    if row["diff_low"] is None or row["diff_high"] is None:
        return TOO_FEW
    if row["diff_low"] > 0.0:
        return BETTER
    return WORSE if row["diff_high"] < 0.0 else UNDECIDED


def decided(row: PairRow) -> bool:
    """Whether the interval of a difference leaves out zero."""
    return verdict(row) in (BETTER, WORSE)


def agent_table(rows: Sequence[AgentRow]) -> Table:
    """One line per agent and suite, the best of a suite first, suites apart."""
    table = Table(title=_title(rows), title_justify="left", caption_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("suite", "agent"):
        table.add_column(name, no_wrap=True)
    seen, foreign = any(row.get("trained_on") for row in rows), any(row.get("other_market") for row in rows)
    missed, pooled = any(row["violation_rate"] > 0 for row in rows), any(row["seeds"] > 1 for row in rows)
    bounded = any(row["to_bound"] is not None for row in rows)
    optional = (*(("to bound",) if bounded else ()), *(("violates",) if missed else ()))
    grouped = any(row["groups"] != row["days"] or row["ci_low"] is None for row in rows)
    tempted = any(row["filter_closed"] is not None for row in rows)
    knowable = any(row["knowable_closed"] is not None for row in rows)
    marks = (*(("trained on",) if seen else ()), *(("made for",) if foreign else ()))
    last = (*(("groups",) if grouped else ()), *(("seeds",) if pooled else ()), *marks)
    for name in (
        "iqm",
        "95 % interval",
        "mean",
        "95 % interval",
        "p5",
        "gap",
        *(("knowable",) if knowable else ()),
        *(("filter",) if tempted else ()),
        "spend",
        *optional,
        "days",
        *last,
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for suite in dict.fromkeys(row["suite"] for row in rows):
        here = sorted((row for row in rows if row["suite"] == suite), key=lambda row: -row["iqm"])
        for place, row in enumerate(here):
            table.add_row(
                suite if place == 0 else "",
                short_name(row["agent"]),
                f"{row['iqm']:.4f}",
                ends(row["ci_low"], row["ci_high"], ".4f"),
                f"{row['mean']:.4f}",
                ends(row["mean_low"], row["mean_high"], ".3f"),
                f"{row['p5']:.3f}",
                _share(row["gap_closed"]),
                *((_share(row["knowable_closed"]),) if knowable else ()),
                *((_share(row["filter_closed"]),) if tempted else ()),
                f"{row['spend_share']:.1%}",
                *(("-" if row["to_bound"] is None else f"{row['to_bound']:.4f}",) if bounded else ()),
                *((f"{row['violation_rate']:.0%} by {row['violation_size']:.1%}",) if missed else ()),
                str(row["days"]),
                *((str(row["groups"]),) if grouped else ()),
                *((str(row["seeds"]),) if pooled else ()),
                *((str(row.get("trained_on", 0)),) if seen else ()),
                *(("another market" if row.get("other_market") else "",) if foreign else ()),
                end_section=place == len(here) - 1,
            )
    table.caption = "\n".join(_captions(rows)) or None
    return table


def _share(value: float | None) -> str:
    """A share of a gap; a dash where there is none to tell, or none of it is closed."""
    return "-" if value is None or value < 0 else f"{value:.0%}"


def _title(rows: Sequence[AgentRow]) -> str:
    """That days are held out, or how many are not."""
    most: dict[str, tuple[int, int]] = {}
    for row in rows:
        most[row["suite"]] = max(most.get(row["suite"], (0, 0)), (row.get("trained_on", 0), row["days"]))
    seen = [f"{count} of the {days} days of {suite} were trained on" for suite, (count, days) in most.items() if count]
    return f"R / R*, not held out: {', '.join(seen)}" if seen else "R / R* on held-out days"


def _captions(rows: Sequence[AgentRow]) -> list[str]:
    """Whose forecast was played, where a row tells of it, and what columns mean."""
    forecasts = dict.fromkeys((row["suite"], row["forecast"]) for row in rows if row.get("forecast"))
    lines = [f"forecast on {suite}: {forecast}" for suite, forecast in forecasts]
    notes = ["iqm: interquartile mean; p5: 5th percentile"]
    if any(row["gap_closed"] is not None for row in rows):
        notes.append("gap: share closed from mpc to mpc_informed")
    if any(row["knowable_closed"] is not None for row in rows):
        notes.append("knowable: share closed from mpc to knowable")
    if any(row["filter_closed"] is not None for row in rows):
        notes.append("filter: share closed from mpc without a filter of traffic to mpc_filtered")
    if any(row["to_bound"] is not None for row in rows):
        notes.append("to bound: R over the bound at market prices, which no first-price bid reaches")
    few = {row["suite"]: row["groups"] for row in rows if row["ci_low"] is None}
    return [*lines, "; ".join((*notes, *too_few(few)))]


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
    """One line per pair and suite; `undecided` where the interval holds zero, `too few` where there is none."""
    table = Table(title="Paired differences of R / R*", title_justify="left", caption_justify="left")
    for name in ("suite", "agent", "against"):
        table.add_column(name, no_wrap=True)
    for name in ("difference", "95 % interval", "groups"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        table.add_row(
            row["suite"],
            short_name(row["agent"]),
            short_name(row["against"]),
            f"{row['diff']:+.4f}",
            ends(row["diff_low"], row["diff_high"], "+.4f"),
            str(row["groups"]),
            verdict(row),
        )
    few = {row["suite"]: row["groups"] for row in rows if row["diff_low"] is None}
    table.caption = "; ".join(("mean over days of agent minus against; undecided: the interval holds 0", *too_few(few)))
    return table


def pairs_against(name: str, rows: Sequence[PairRow]) -> list[PairRow]:
    """The pairs of an agent with each other, as what the others have more than it."""
    turned = [_turned(row) if row["agent"] == name else row for row in rows]
    return [row for row in turned if row["against"] == name]


def _turned(row: PairRow) -> PairRow:
    """The same difference seen from the other agent."""
    low, high = (None if end is None else -end for end in (row["diff_high"], row["diff_low"]))
    other = {"agent": row["against"], "against": row["agent"]}
    return PairRow(**{**row, **other, "diff": -row["diff"], "diff_low": low, "diff_high": high})  # type: ignore[typeddict-item]


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

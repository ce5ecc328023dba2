"""Tables and picture of many campaigns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bidpilot.training.report.ends import ends
from bidpilot.training.report.style import INK, colours, new_figure, tidy
from bidpilot.training.report.tables import print_table

if TYPE_CHECKING:
    from bidpilot.training.many.evaluate import EvaluatedRow
    from bidpilot.training.many.judging import JudgedRow

_NAMED = 60  # campaigns whose names a picture has room for


def print_judged(rows: Sequence[JudgedRow], console: Console) -> None:
    """A line for each campaign: its plan, who is to bid, and what that has on the days that judged."""
    table = _table(("budget", "planned spend", "exposures", "interactions", "conversions"), ("choice",))
    for row in rows:
        planned = (row["budget"], row["spend"], row["exposure"], row["interaction"], row["conversion"])
        if row["choice"] is None:
            continue
        numbers = ["" if value is None else f"{value:.4g}" for value in planned]
        table.add_row(row["campaign"], row["on"], *numbers, row["choice"], *_score(row), str(row["days"]))
    print_table(table, console)
    _print_faults([(row["campaign"], row["why"]) for row in rows if row["choice"] is None], console)


def print_evaluated(rows: Sequence[EvaluatedRow], console: Console) -> None:
    """A line for each campaign: who bid, and what that had on held-out days."""
    table = _table((), ("agent",))
    for row in rows:
        if row["ratio"] is not None:
            table.add_row(row["campaign"], row["on"], row["agent"], *_score(row), str(row["days"]))
    print_table(table, console)
    _print_faults([(row["campaign"], row["why"]) for row in rows if row["ratio"] is None], console)


def _print_faults(faults: Sequence[tuple[str, str]], console: Console) -> None:
    """A line for each campaign that could not be played."""
    for campaign, why in faults:
        console.print(f"{campaign}: {why}", soft_wrap=True)


def _table(numbers: Sequence[str], names: Sequence[str]) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("campaign", "on"):
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for name in names:
        table.add_column(name, no_wrap=True)
    for name in ("R / R*", "beside mpc", "95 % interval", "days"):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _score(row: JudgedRow | EvaluatedRow) -> tuple[str, str, str]:
    beside = "" if row["vs_mpc"] is None else f"{row['vs_mpc']:+.4f}"
    return f"{row['ratio']:.4f}", beside, ends(row["vs_low"], row["vs_high"], "+.4f")


def many_plot(ratios: Mapping[str, tuple[float, float]], where: str) -> Figure:
    """R / R* of each campaign, the lowest first, and what it has more than `mpc`; `ratios` holds both by campaign."""
    names = sorted(ratios, key=lambda name: ratios[name][0])
    figure = new_figure(8.0, 1.6 + 0.22 * min(len(names), _NAMED))
    left, right = (tidy(axes) for axes in figure.subplots(1, 2, sharey=True))
    places, shades = range(len(names)), colours(["choice", "mpc"])
    left.plot([ratios[name][0] for name in names], places, "o", markersize=4, color=shades["choice"])
    right.plot([ratios[name][1] for name in names], places, "o", markersize=4, color=shades["choice"])
    right.axvline(0.0, color=shades["mpc"], linewidth=1.0)
    left.set_xlabel("R / R*, interquartile mean over days")
    right.set_xlabel("mean R / R* less that of mpc")
    if len(names) <= _NAMED:
        left.set_yticks(places, names)
    else:
        left.set_ylabel(f"{len(names)} campaigns, the lowest R / R* first")
    left.set_title(f"{len(names)} campaigns, {where}", color=INK, loc="left", fontsize=10)
    return figure

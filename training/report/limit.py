"""Rows, table and figure of a limit: the bound beside what agents have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bidpilot.training.report.ends import ends
from bidpilot.training.report.style import INK, colours, new_figure, tidy
from bidpilot.training.report.tables import print_table


class LimitRow(TypedDict):
    """One agent under the bound; means of R / R* with 95 % intervals, None below three days."""

    suite: str
    agent: str
    bound: float  # that no policy passes on average
    bound_low: float | None
    bound_high: float | None
    mean: float  # what the agent has
    mean_low: float | None
    mean_high: float | None
    room: float  # bound less what the agent has with its penalties: the most that can be won over it
    room_low: float | None
    room_high: float | None
    penalty: float  # of the agent; 0 within its interval, as it does not know the future
    penalty_low: float | None
    penalty_high: float | None
    days: int


def print_limit(rows: Sequence[LimitRow], console: Console) -> None:
    """Print the bound, and below it a line for each agent."""
    first = rows[0]
    bound = f"{first['bound']:.4f} ({ends(first['bound_low'], first['bound_high'], '.4f')})"
    title = f"{first['suite']}: no policy that does not know the future has a mean R / R* above {bound}"
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("agent", no_wrap=True)
    for name in ("mean", "95 % interval", "can be won at most", "95 % interval", "penalty", "95 % interval", "days"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["agent"],
            f"{row['mean']:.4f}",
            ends(row["mean_low"], row["mean_high"], ".4f"),
            f"{row['room']:.4f}",
            ends(row["room_low"], row["room_high"], ".4f"),
            f"{row['penalty']:+.4f}",
            ends(row["penalty_low"], row["penalty_high"], "+.4f"),
            str(row["days"]),
        )
    print_table(table, console)


def limit_plot(rows: Sequence[LimitRow]) -> Figure:
    """What can be won at most over each agent, with its 95 % interval; a dot alone where there is none."""
    figure = new_figure(8.0, 1.2 + 0.5 * len(rows))
    axes, shades = tidy(figure.add_subplot()), colours([row["agent"] for row in rows])
    for place, row in enumerate(rows):
        axes.plot(row["room"], place, "o", color=shades[row["agent"]])
        if row["room_low"] is not None and row["room_high"] is not None:
            axes.plot([row["room_low"], row["room_high"]], [place, place], color=shades[row["agent"]], linewidth=2)
    axes.set_yticks(range(len(rows)), [row["agent"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(left=0.0)
    axes.set_xlabel("R / R* that can be won over it at most, mean over days")
    axes.set_title(f"{rows[0]['suite']}: below the bound of what can be known", color=INK, loc="left")
    return figure

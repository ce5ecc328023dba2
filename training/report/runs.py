"""Tables of two trainings beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE
from rich.table import Table

from bidpilot.training.report.ends import ends, too_few
from bidpilot.training.report.tables import PairRow, verdict

_WIDTH = 41  # characters of a drawn interval, zero in the middle


def difference_table(differ: Mapping[str, tuple[str, str]], names: tuple[str, str]) -> Table:
    """What differs, a line per option."""
    table = Table(title="What differs", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for column in ("", *names):
        table.add_column(column, overflow="fold")
    for name, values in sorted(differ.items()):
        table.add_row(name, *values)
    return table


def comparison_table(rows: Sequence[PairRow], scores: Sequence[tuple[float, float]], days: Sequence[int]) -> Table:
    """Paired differences with their intervals, a line per suite, drawn on one scale for all of them.

    Args:
        rows: the first run against the second on each suite.
        scores: interquartile means of R / R* of both.
        days: how many both were played on.
    """
    first, second = rows[0]["agent"], rows[0]["against"]
    reach = max(abs(value) for row in rows for value in _ends(row)) or 1.0
    scale = f"-{1000 * reach:.1f}{'0':^{_WIDTH - 12}}+{1000 * reach:.1f}"
    table = Table(title="On held-out days", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("suite", no_wrap=True)
    for column in (first, second, "difference", "95 % interval"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(scale, no_wrap=True)
    table.add_column("")
    table.add_column("days", justify="right")
    for row, (one, other), count in zip(rows, scores, days, strict=True):
        table.add_row(
            row["suite"],
            f"{one:.4f}",
            f"{other:.4f}",
            f"{row['diff']:+.4f}",
            ends(row["diff_low"], row["diff_high"], "+.4f"),
            drawn(row, reach),
            verdict(row),
            str(count),
        )
    few = {row["suite"]: row["groups"] for row in rows if row["diff_low"] is None}
    legend = f"R / R*, interquartile mean; difference: {first} minus {second}, mean over days, drawn in thousandths"
    table.caption = "\n".join((legend, *too_few(few)))
    return table


def drawn(row: PairRow, reach: float) -> str:
    """A difference (o) in its interval (-), and zero (|), on a line from -reach to reach."""
    low, high = _ends(row)
    line = [" "] * _WIDTH
    first, last = (_place(value, reach) for value in (low, high))
    line[first : last + 1] = "-" * (last + 1 - first)
    line[_place(0.0, reach)] = "|"
    line[_place(row["diff"], reach)] = "o"
    return "".join(line)


def _ends(row: PairRow) -> tuple[float, float]:
    low, high = row["diff_low"], row["diff_high"]
    return (row["diff"] if low is None else low, row["diff"] if high is None else high)


def _place(value: float, reach: float) -> int:
    return round((value / reach + 1.0) / 2.0 * (_WIDTH - 1))

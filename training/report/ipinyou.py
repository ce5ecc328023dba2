"""Tables of a published protocol for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TypedDict

from rich.table import Table

from bidpilot.training.report.ends import ends


class ProtocolRow(TypedDict):
    """One bidder at one budget share; the keys are those of the JSON file."""

    agent: str
    share: float | None  # c0; None: summed over all
    clicks: int
    expected: float  # clicks by the predicted rates
    cost: int  # the log's integers
    win_rate: float  # in [0, 1]


class ProtocolPair(TypedDict):
    """A bidder's clicks minus another's, over all episodes and budget shares."""

    agent: str
    against: str
    kind: str  # "expected clicks" or "clicks"
    diff: float
    diff_low: float | None  # 95 % interval, by episode; None where there are too few of them
    diff_high: float | None
    groups: int  # episodes


def protocol_table(rows: Sequence[ProtocolRow], title: str) -> Table:
    """One line per bidder and budget share, the best of a share first, the sums last."""
    table = Table(title=title, title_justify="left")
    for name in ("c0", "agent"):
        table.add_column(name)
    for name in ("expected clicks", "clicks", "cost", "win rate"):
        table.add_column(name, justify="right", no_wrap=True)
    for share in dict.fromkeys(row["share"] for row in rows):
        here = sorted((row for row in rows if row["share"] == share), key=lambda row: -row["expected"])
        for place, row in enumerate(here):
            table.add_row(
                ("sum" if share is None else str(Fraction(share).limit_denominator(1000))) if place == 0 else "",
                row["agent"],
                f"{row['expected']:.2f}",
                str(row["clicks"]),
                f"{row['cost']:,}",
                f"{row['win_rate']:.2%}",
                end_section=place == len(here) - 1,
            )
    return table


def protocol_pairs(pairs: Sequence[ProtocolPair]) -> Table:
    """One line per pair and kind of clicks."""
    table = Table(title="Paired differences over all episodes and budget shares", title_justify="left")
    for name in ("agent", "against", "of"):
        table.add_column(name)
    for name in ("difference", "95 % interval", "episodes"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in pairs:
        bounds = ends(row["diff_low"], row["diff_high"], "+.2f")
        table.add_row(row["agent"], row["against"], row["kind"], f"{row['diff']:+.2f}", bounds, str(row["groups"]))
    return table

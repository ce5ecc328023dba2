"""A market whose bidders are all one policy, as a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bidpilot.training.report.ends import ends
from bidpilot.training.report.style import INK, colours, new_figure, tidy
from bidpilot.training.report.tables import print_table, short_name


class MarketRow(TypedDict):
    """One market; the keys are those of the JSON file."""

    all: str  # who all bidders are
    bidders: int
    days: int
    price: float  # mean that is paid for an auction, currency
    price_low: float | None
    price_high: float | None
    price_swing: float  # standard deviation over mean of the slots' prices
    ratio: float | None  # R / R*, R* at the prices that came about
    ratio_low: float | None
    ratio_high: float | None
    ratio_p10: float | None  # of the tenth of bidders that does worst
    gini: float  # of what the bidders of a day have for their money
    money_left: float  # share of budgets


def print_market(rows: Sequence[MarketRow], console: Console) -> None:
    """Print a line for each market."""
    title = f"A market of {rows[-1]['bidders']} bidders who are all the same, {rows[0]['days']} days"
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("all", no_wrap=True)
    heads = ("paid", "95 % interval", "swing", "R / R*", "95 % interval", "p10", "gini", "money left")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            short_name(row["all"]),
            f"{row['price']:.4f}",
            ends(row["price_low"], row["price_high"], ".4f"),
            f"{row['price_swing']:.2f}",
            "-" if row["ratio"] is None else f"{row['ratio']:.4f}",
            ends(row["ratio_low"], row["ratio_high"], ".4f"),
            "-" if row["ratio_p10"] is None else f"{row['ratio_p10']:.4f}",
            f"{row['gini']:.3f}",
            f"{row['money_left']:.1%}",
        )
    print_table(table, console)
    console.print("paid: for an auction; swing: of its mean over slots; R*: hindsight at the prices that came about")
    console.print("p10: the bidder that a tenth does worse than; gini: of what bidders have, 0 is alike")
    if rows[0]["ratio"] is None:
        console.print(f"{rows[0]['all']}: the market's own, by their kinds of pacing, with budgets of their own")


def market_figure(price: Mapping[str, NDArray[np.float64]], ratio: Mapping[str, NDArray[np.float64]]) -> Figure:
    """What is paid for an auction in each slot (T,), and each bidder's R / R* (N,) from the worst to the best."""
    figure = new_figure(10.0, 3.8)
    left, right = (tidy(axes) for axes in figure.subplots(1, 2))
    shade = colours(list(price))
    for who, curve in price.items():
        hours = 24.0 * np.arange(len(curve) + 1) / len(curve)
        left.step(hours, np.append(curve, curve[-1]), where="post", color=shade[who], label=short_name(who))
    for who, ratios in ratio.items():
        right.plot(np.sort(ratios), np.arange(1, len(ratios) + 1), color=shade[who], marker=".", label=short_name(who))
    left.set_title("paid for an auction, currency", color=INK, loc="left", fontsize=10)
    left.set_xlabel("hour", color=INK)
    left.set_ylim(bottom=0)
    left.legend(frameon=False, fontsize=8)
    right.set_title("bidders whose mean R / R* is at most this", color=INK, loc="left", fontsize=10)
    right.set_xlabel("R / R* at the prices that came about", color=INK)
    return figure

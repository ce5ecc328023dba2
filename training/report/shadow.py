"""Table and figure of a shadow policy beside the live one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bidpilot.training.report.ends import ends
from bidpilot.training.report.style import INK, new_figure, tidy
from bidpilot.training.report.tables import print_table

_SHADE = "#0072b2"
_CLEAR = 0.02  # share of auctions of which it is unclear who would have won, up to which nothing is said


class DifferenceRow(TypedDict):
    """One measure; the keys are those of the JSON file. Differences are relative to what the live policy has."""

    measure: str
    live: float
    least: float  # of the shadow, where every auction that is unclear goes to others
    most: float  # where it wins them all
    difference: float | None  # the middle of both; None where the live policy has nothing
    low: float | None  # ends of the interval, 95 %, over blocks and over what is unclear; None: too few blocks
    high: float | None


class ShadowRow(TypedDict):
    """One campaign; the keys are those of the JSON file."""

    campaign: str
    days: int
    auctions: int  # that are compared
    not_compared: int  # without a bid of the shadow
    same_bids: float  # share of auctions
    same_results: float  # share of auctions that both win or both lose for certain
    unclear: float  # share of auctions of which nobody knows whether the shadow would have won
    ratios: list[float | None]  # quantiles of the shadow's bid over the live one's
    block: str  # day or hour
    blocks: int
    differences: list[DifferenceRow]


def print_shadow(rows: Sequence[ShadowRow], quantiles: Sequence[float], console: Console) -> None:
    """Print agreement and differences of each campaign, with notes on what they do not say."""
    table = Table(title="bids of the shadow beside those made", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("campaign", no_wrap=True)
    for name in ("auctions", "same bid", "same result", "unclear", *(f"ratio {q:.0%}" for q in quantiles)):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        shares = (row["same_bids"], row["same_results"], row["unclear"])
        ratios = ("-" if ratio is None else f"{ratio:.3f}" for ratio in row["ratios"])
        table.add_row(row["campaign"], f"{row['auctions']:,}", *(f"{share:.1%}" for share in shares), *ratios)
    print_table(table, console)
    table = Table(title="what it would have bought", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("campaign", "measure"):
        table.add_column(name, no_wrap=True)
    for name in ("live", "shadow at least", "at most", "difference", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        for d in row["differences"]:
            middle = "-" if d["difference"] is None else f"{d['difference']:+.2%}"
            amounts = (f"{d[key]:,.5g}" for key in ("live", "least", "most"))
            table.add_row(row["campaign"], d["measure"], *amounts, middle, ends(d["low"], d["high"], "+.2%"))
    print_table(table, console)
    for row in rows:
        for note in notes(row):
            console.print(f"note: {row['campaign']}: {note}", soft_wrap=True)


def notes(row: ShadowRow) -> list[str]:
    """What the numbers of a campaign do not say."""
    found = [f"intervals are over {row['blocks']} {row['block']}s"]
    if row["block"] == "hour":
        found[0] += ": hours of a day are alike, so that they are too narrow. Log more days"
    if row["not_compared"]:
        found.append(f"{row['not_compared']:,} auctions have no bid of the shadow and are left out")
    if row["unclear"] > _CLEAR:
        found.append(f"of {row['unclear']:.0%} of auctions no price is told, and the shadow may have won them or not")
    spend = row["differences"][0]
    if spend["difference"] is not None and spend["difference"] > 0:
        found.append("it would have spent more, and its money have ended sooner than this says")
    found.append(
        "it was told what the live policy spent and won, not what it would have itself: an experiment shows it"
    )
    return found


def shadow_figure(rows: Sequence[ShadowRow], quantiles: Sequence[float]) -> Figure:
    """Quantiles of the ratio of bids, and the differences with their intervals, a line of panels for each campaign."""
    figure = new_figure(9.0, 2.6 * len(rows) + 0.4)
    grid = figure.subplots(len(rows), 2, squeeze=False)
    for (left, right), row in zip(grid, rows, strict=True):
        axes = tidy(left)
        known = [(q, ratio) for q, ratio in zip(quantiles, row["ratios"], strict=True) if ratio is not None]
        axes.axvline(1.0, color=INK, linewidth=1)
        axes.plot([ratio for _, ratio in known], [100 * q for q, _ in known], "o-", color=_SHADE)
        axes.set_title(f"{row['campaign']}: {row['same_bids']:.0%} of bids are the same", loc="left", fontsize=10)
        axes.set_xlabel("shadow's bid over the live one's")
        axes.set_ylabel("% of bids below")
        axes = tidy(right)
        shown = [d for d in row["differences"] if d["difference"] is not None]
        at = np.arange(len(shown))[::-1]
        axes.axvline(0.0, color=INK, linewidth=1)
        for y, d in zip(at, shown, strict=True):
            if d["low"] is not None and d["high"] is not None:
                axes.plot([100 * d["low"], 100 * d["high"]], [y, y], color=_SHADE, linewidth=2)
            axes.plot([100 * (d["difference"] or 0.0)], [y], "o", color=_SHADE)
        axes.set_yticks(at, [d["measure"] for d in shown])
        axes.set_xlabel(f"difference, %, over {row['blocks']} {row['block']}s")
    return figure

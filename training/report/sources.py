"""The review of a log's sources: rows, the printed table, and the heat map of sources by slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypedDict

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bidpilot.bidding.kpi import KPI
from bidpilot.training.report.checks import finite
from bidpilot.training.report.style import INK, new_figure
from bidpilot.training.report.tables import print_table

MOST_SOURCES: Final = 64
"""Sources that a heat map shows: the most refused, then those that cost the most."""


class SourceRow(TypedDict):
    """One source on one day; the keys are those of the JSON file."""

    day: str
    source: int
    status: str  # when the day ended: open, doubted, limited or refused
    since: int | None  # slot; None where it is open again, or bid on at a discount
    requests: int
    refused: int  # of these
    first_refused: int | None  # slot
    invalid: int | None  # of the requests, by the log; None where it marks none
    probability: float  # that what it sends is invalid, when the day ended
    views: float  # told, and expected of valid traffic
    views_expected: float
    interactions: float
    interactions_expected: float
    saved: float  # currency that is spent without the detector on what it refuses
    why: str
    would_clear: str


class ServerRow(TypedDict):
    """What a bid server refused of one source in one slot, over all days and campaigns of its decision log."""

    source: int
    slot: int
    refused: int


class Review(TypedDict):
    """All of a log; the keys are those of the JSON file."""

    log: str
    forecast: str  # whose
    days: int
    outcomes: str  # `recorded`, or `drawn` from the predictions, where the log has none
    budget: float  # of all days, currency
    spend_unfiltered: float
    spend: float
    saved: float  # currency that is spent without the detector on what it refuses
    refused: float  # share of requests
    invalid_spend_unfiltered: float | None  # on what the log marks as invalid; None where it marks none
    invalid_spend: float | None
    kpis_per_currency_unfiltered: list[float]  # (3,) of valid traffic
    kpis_per_currency: list[float]
    by_server: list[ServerRow] | None  # no part of the log's requests; None where it was not served, or nothing refused
    sources: list[SourceRow]  # refused, limited or doubted, the most money saved first


def print_review(found: Review, top: int, console: Console | None = None) -> None:
    """Print what the detector saves, and the `top` sources and days by what they save."""
    console = console or Console()
    for line in _summary(found):
        console.print(line, soft_wrap=True, highlight=False)
    if found["sources"]:
        print_table(_table(found["sources"][:top], found), console)
    if found["by_server"]:
        print_table(_server_table(found["by_server"], top), console)


def _summary(found: Review) -> list[str]:
    lines = [
        f"{found['log']}: {found['days']} days, forecast of {found['forecast']}",
        f"{found['refused']:.2%} of requests would have been refused, for which {found['saved']:.4g} of "
        f"{found['spend_unfiltered']:.4g} spent went",
    ]
    if found["by_server"]:
        count = sum(row["refused"] for row in found["by_server"])
        lines.append(f"the bid server refused {count} requests beside, which the log does not hold")
    if found["outcomes"] == "drawn":
        lines.append(
            "the log holds no outcomes: views and interactions are drawn from its predictions, and prove nothing"
        )
    before, after = found["invalid_spend_unfiltered"], found["invalid_spend"]
    if before is not None and after is not None:
        lines.append(
            f"on traffic that the log marks as invalid: {before:.4g} spent without the detector, {after:.4g} with"
        )
        pairs = zip(KPI, found["kpis_per_currency_unfiltered"], found["kpis_per_currency"], strict=True)
        bought = ", ".join(f"{kpi} {without:.4g} and {behind:.4g}" for kpi, without, behind in pairs)
        lines.append(f"valid KPIs per currency without and with: {bought}")
    if not found["sources"]:
        lines.append("no source was refused, limited or doubted")
    return lines


def _table(rows: Sequence[SourceRow], found: Review) -> Table:
    """One line per source and day, and what is known of it."""
    left = len(found["sources"]) - len(rows)
    table = Table(title="Sources by the money they would have saved", title_justify="left", box=SIMPLE)
    marked = any(row["invalid"] is not None for row in rows)
    for name in ("day", "source", "when it ended"):
        table.add_column(name, no_wrap=True)
    for name in ("refused", "from slot", *(("invalid",) if marked else ()), "saved"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("why", "what would clear it"):
        table.add_column(name, max_width=60)
    for row in rows:
        table.add_row(
            row["day"],
            str(row["source"]),
            row["status"],
            f"{row['refused']} of {row['requests']}",
            "-" if row["first_refused"] is None else str(row["first_refused"]),
            *((str(row["invalid"]),) if marked else ()),
            f"{row['saved']:.4g}",
            f"{row['why']}; probability {row['probability']:.2f}",
            row["would_clear"],
        )
    if left > 0:
        table.caption = f"and {left} more, in the files"
    return table


def _server_table(rows: Sequence[ServerRow], top: int) -> Table:
    """One line per source that the server refused, the most refused first, and how many in each slot."""
    slots: dict[int, list[ServerRow]] = {}
    for row in rows:
        slots.setdefault(row["source"], []).append(row)
    order = sorted(slots, key=lambda source: -sum(row["refused"] for row in slots[source]))
    table = Table(title="Refused by the bid server, not among the above", title_justify="left", box=SIMPLE)
    for name in ("source", "refused"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("slot: refused", max_width=100)
    for source in order[:top]:
        of_source = slots[source]
        cells = ", ".join(f"{row['slot']}: {row['refused']}" for row in of_source)
        table.add_row(str(source), str(sum(row["refused"] for row in of_source)), cells)
    if len(order) > top:
        table.caption = f"and {len(order) - top} more sources, in the files"
    return table


def source_map(
    refused: ArrayLike, suspicion: ArrayLike, spend: ArrayLike, title: str, by_server: ArrayLike | None = None
) -> Figure:
    """Heat maps of sources (rows) by slot: share of requests refused, suspicion, spend without the detector.

    Args:
        refused: (C, T) in [0, 1].
        suspicion: (C, T) in [0, 1].
        spend: (C, T) currency.
        title: of the figure.
        by_server: (C, T) requests that a bid server refused, a map of its own and first in order; None: no such map.

    Raises:
        ValueError: where one is empty or not finite.
    """
    refused, suspicion, spend = (
        finite(name, values, 2) for name, values in (("refused", refused), ("suspicion", suspicion), ("spend", spend))
    )
    kinds: list[tuple[str, NDArray[np.float64], float | None]] = [
        ("requests refused, share", refused, 1.0), ("suspicion", suspicion, 1.0), ("spend, currency", spend, None),
    ]  # fmt: skip
    by = [-spend.sum(axis=1), -refused.max(axis=1)]
    if by_server is not None:
        served = finite("by_server", by_server, 2)
        kinds.append(("refused by the server, requests", served, None))
        by.append(-served.sum(axis=1))
    order = np.lexsort(by)[:MOST_SOURCES]
    figure = new_figure(4.5 * len(kinds), 1.6 + 0.12 * len(order))
    panels = figure.subplots(1, len(kinds), sharey=True)
    for axes, (name, values, most) in zip(panels, kinds, strict=True):
        shown = axes.imshow(values[order], cmap="Blues", vmin=0.0, vmax=most, aspect="auto", interpolation="nearest")
        axes.set_title(name, color=INK, loc="left", fontsize=10)
        axes.set_xlabel("slot")
        axes.tick_params(colors=INK, labelsize=7)
        axes.set_yticks(range(len(order)), [str(source) for source in order])
        figure.colorbar(shown, ax=axes)
    panels[0].set_ylabel("source")
    figure.suptitle(title, color=INK, x=0.01, ha="left")
    return figure

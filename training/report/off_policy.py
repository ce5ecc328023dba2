"""Tables and figures of off-policy estimates, and of how they do against the truth of the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.table import Table

from bidpilot.training.report.ends import ends
from bidpilot.training.report.style import INK, new_figure, small_multiples, tidy

_SHADE, _MISSED = "#0072b2", "#d55e00"


class OffPolicyRow(TypedDict):
    """A metric of a candidate on served days, a mean of days; the keys are those of the JSON file."""

    metric: str
    logged: float | None  # what the log's own bids brought
    candidate: float | None
    low: float | None  # ends of the 95 % interval
    high: float | None
    change: float | None  # relative to what was logged
    change_low: float | None
    change_high: float | None


class TruthRow(TypedDict):
    """A candidate in the simulator, where the truth is known; the keys are those of the JSON file."""

    candidate: str
    log: str  # how it was logged: explored or not
    refused: str | None  # why there is no estimate
    beyond: float  # share of its wins that the model alone answers for
    effective: float  # share of auctions that tell of it, by weight
    metric: str
    truth: float | None  # relative change to what was logged, of many more days
    change: float | None
    low: float | None
    high: float | None


class TruthTotal(TypedDict):
    """How estimates of one metric did; the keys are those of the JSON file."""

    log: str
    metric: str
    candidates: int
    refused: int
    covered: int  # truths within the interval, of candidates that were not refused
    bias: float | None  # mean of estimate less truth, of the logged mean
    error: float | None  # root mean square of the same
    width: float | None  # mean width of the interval


def estimate_table(rows: Sequence[OffPolicyRow], title: str) -> Table:
    """A line per metric."""
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("metric", no_wrap=True)
    for name in ("logged", "candidate", "95 %", "change", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["metric"],
            _number(row["logged"], ".4g"),
            _number(row["candidate"], ".4g"),
            ends(row["low"], row["high"], ".4g"),
            _number(row["change"], "+.1%"),
            ends(row["change_low"], row["change_high"], "+.1%"),
        )
    table.caption = "means of days like the log's; KPIs are those predicted of what is won"
    return table


def estimate_figure(rows: Sequence[OffPolicyRow]) -> Figure:
    """The change of each metric with its interval, per cent."""
    figure = new_figure(7.0, 0.4 * len(rows) + 1.2)
    axes = tidy(figure.add_subplot())
    axes.axvline(0.0, color=INK, linewidth=1)
    for y, row in enumerate(rows):
        if row["change"] is not None and row["change_low"] is not None and row["change_high"] is not None:
            axes.plot((100 * row["change_low"], 100 * row["change_high"]), (y, y), color=_SHADE, linewidth=2)
            axes.plot(100 * row["change"], y, "o", color=_SHADE)
    axes.set_yticks(range(len(rows)), [row["metric"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("% of what was logged, with 95 % intervals")
    return figure


def truth_table(totals: Sequence[TruthTotal], title: str) -> Table:
    """A line per log and metric."""
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("log", "metric"):
        table.add_column(name, no_wrap=True)
    for name in ("candidates", "refused", "covered", "bias", "error", "width of the interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in totals:
        judged = row["candidates"] - row["refused"]
        share = f"{row['covered'] / judged:.0%}" if judged else "-"
        numbers = (_number(row["bias"], "+.2%"), _number(row["error"], ".2%"), _number(row["width"], ".2%"))
        table.add_row(row["log"], row["metric"], str(row["candidates"]), str(row["refused"]), share, *numbers)
    table.caption = (
        "covered: of candidates that were not refused, those whose true change to what was logged lies within the 95 % "
        "interval; bias, error and width in per cent of what was logged"
    )
    return table


def truth_figure(rows: Sequence[TruthRow], metric: str) -> Figure:
    """Estimates of candidates against the truth, a panel per way of logging; in colour those whose interval misses."""
    here = [row for row in rows if row["metric"] == metric]
    figure, panels = small_multiples(list(dict.fromkeys(row["log"] for row in here)), 4.6, 4.2)
    for name, panel in panels.items():
        found = [row for row in here if row["log"] == name and row["change"] is not None]
        for row in found:
            truth, low, high = (100 * (row[key] or 0.0) for key in ("truth", "low", "high"))
            shade = _SHADE if low <= truth <= high else _MISSED
            panel.plot((truth, truth), (low, high), color=shade, linewidth=1, alpha=0.7)
            panel.plot(truth, 100 * (row["change"] or 0.0), ".", color=shade)
        if found:
            reach = np.array([100 * (row["truth"] or 0.0) for row in found])
            panel.plot((reach.min(), reach.max()), (reach.min(), reach.max()), color=INK, linewidth=0.8)
        panel.set_xlabel(f"true change of {metric}, %")
        panel.set_ylabel("estimate with its 95 % interval, %")
    return figure


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"

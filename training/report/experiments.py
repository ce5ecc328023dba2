"""Tables and figures of experiments: what they can find, what one has shown, and how often many of them err."""

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
from bidpilot.training.report.style import INK, new_figure, small_multiples, tidy
from bidpilot.training.report.tables import print_table

Array = NDArray[np.float64]
_SHARES = ("invalid share",)
_SHADES = ("#0072b2", "#d55e00", "#e69f00", "#777777")


class PlanRow(TypedDict):
    """A design and a metric; the keys are those of the JSON file."""

    design: str
    metric: str
    std: float  # of a unit's log ratio
    days: int | None  # until the effect is found with the power that was asked for; None: beyond all reason
    median_days: int | None  # the same for one half
    durations: list[int]  # days
    least_effects: list[float | None]  # that each of them finds; None: too short for any


class MetricRow(TypedDict):
    """One metric; the keys are those of the JSON file. Differences are relative, but that of `invalid share`."""

    metric: str
    control: float | None  # mean of a unit, or the rate over all; None where there is none
    treated: float | None
    difference: float | None
    low: float | None  # ends of the interval that holds at every look; None where there is none yet
    high: float | None
    evidence: float  # e-value of a difference: 20 stands for alpha 0.05
    p: float  # at any time: the least of 1 / e-value so far, at most 1
    harmed_after: int | None  # units until it was proven worse than is tolerated


class BundleRow(TypedDict):
    """The bundle of an arm that was served."""

    arm: str
    run: str  # that it was exported of
    agent: str
    digest: str


class ExperimentRow(TypedDict):
    """An experiment as it stands; the keys are those of the JSON file."""

    control: str
    treated: str
    design: str
    units: int
    verdict: str
    after: int  # units that the verdict comes after
    difference: float | None  # of the primary metric, relative, as its row has it
    low: float | None
    high: float | None
    p: float
    split_evidence: float | None  # e-value of other shares than were meant; None where it cannot be tested
    variance_left: float | None  # share of the variance that covariates leave; None without any
    covariates: list[str]
    metrics: list[MetricRow]
    notes: list[str]
    experiment: str | None  # its name, where it was served
    bundles: list[BundleRow]  # of control and treated arm, where it was served


class SimulatedRow(TypedDict):
    """A method on many experiments of one truth; the keys are those of the JSON file."""

    method: str
    truth: str
    found: float  # share that it called different, harmful or broken
    median: float | None  # days until then, over all; None where fewer than half were
    bar: str | None
    met: bool | None


def plan_table(rows: Sequence[PlanRow], title: str, effect: float, power: float) -> Table:
    """One line per design and metric."""
    table = _table(title)
    for name in ("design", "metric"):
        table.add_column(name, no_wrap=True)
    durations = rows[0]["durations"]
    named = ("sd of a unit", f"days for {effect:.1%}", "median", *(f"{days} days find" for days in durations))
    for name in named:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["design"],
            row["metric"],
            f"{row['std']:.4f}",
            _optional(row["days"], "d"),
            _optional(row["median_days"], "d"),
            *(_optional(least, ".1%") for least in row["least_effects"]),
        )
    table.caption = (
        f"days until the effect is found with probability {power:.0%}, and with one half; effects that so many days "
        f"find with probability {power:.0%}; a unit is a day, of a switchback two"
    )
    return table


def print_experiment(row: ExperimentRow, console: Console) -> None:
    """Print the metrics of an experiment, the test of its split, notes, and the verdict last."""
    title = f"{row['treated']} against {row['control']}, {row['design']}, {row['units']} units"
    table = _table(title)
    table.add_column("metric", no_wrap=True)
    for name in (
        row["control"],
        row["treated"],
        "difference",
        "at every look",
        "e-value",
        "p at any time",
        "guardrail",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for metric in row["metrics"]:
        table.add_row(*_metric_cells(metric))
    print_table(table, console)
    split = row["split_evidence"]
    if split is not None:
        console.print(f"split: e-value of other shares than were meant {split:.3g}", soft_wrap=True)
    if row["variance_left"] is not None:
        named = ", ".join(row["covariates"])
        console.print(
            f"what was offered ({named}) left {row['variance_left']:.0%} of the past differences' variance unexplained",
            soft_wrap=True,
        )
    for note in row["notes"]:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(f"verdict after {row['after']} units: {row['verdict']}", soft_wrap=True)


def path_figure(row: ExperimentRow, difference: Array, low: Array, high: Array) -> Figure:
    """The relative difference of the primary metric (T,) after each unit, with its interval; infinite: none yet."""
    figure = new_figure(8.0, 4.0)
    axes = tidy(figure.add_subplot())
    units, known = np.arange(1, len(difference) + 1), np.isfinite(low) & np.isfinite(high)
    axes.axhline(0.0, color=INK, linewidth=1)
    axes.plot(units, 100 * difference, color=_SHADES[0], label="difference")
    least, most = (100 * np.where(known, end, np.nan) for end in (low, high))
    label = "interval that holds at every look"
    axes.fill_between(units, least, most, color=_SHADES[0], alpha=0.2, linewidth=0, label=label)
    if row["verdict"] != "go on":
        axes.axvline(row["after"], color=_SHADES[1], linestyle="--", linewidth=1, label=row["verdict"])
    axes.set_xlabel("units")
    axes.set_ylabel("% of the control's expected KPI")
    axes.set_title(f"{row['treated']} against {row['control']}", color=INK, loc="left")
    axes.legend(frameon=False, fontsize=9)
    return figure


def simulated_table(rows: Sequence[SimulatedRow], title: str) -> Table:
    """One line per method and truth, with its bar."""
    table = _table(title)
    for name in ("method", "truth"):
        table.add_column(name, no_wrap=True)
    for name in ("found", "median days", "bar", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        met = "" if row["met"] is None else "met" if row["met"] else "missed"
        table.add_row(
            row["method"], row["truth"], f"{row['found']:.1%}", _optional(row["median"], ".0f"), row["bar"] or "", met
        )
    table.caption = (
        "found: share of experiments that are called different, harmful or broken at some look; experiments draw days "
        "of a played pool with replacement, with halves of a day dealt to the arms by a coin: days share nothing, and "
        "an effect is the same share of every day"
    )
    return table


def simulated_figure(found: Mapping[tuple[str, str], Array], effect: float, alpha: float) -> Figure:
    """Share of experiments (T,) that each method has called different by each day, by method and truth.

    The first truth is that of equal arms, the second an effect.
    """
    truths = list(dict.fromkeys(truth for _, truth in found))[:2]
    titles = dict(zip(truths, ("equal arms: false alarms", f"an effect of {effect:.0%}: found"), strict=True))
    figure, panels = small_multiples(list(titles.values()), 5.2, 3.6)
    for truth, title in titles.items():
        methods = [method for method, of in found if of == truth]
        for method, shade in zip(methods, _SHADES, strict=False):
            by_look = found[method, truth]
            if "one look" in method:
                panels[title].plot(len(by_look), 100 * by_look[-1], "o", color=shade, label=method)
            else:
                panels[title].plot(np.arange(1, len(by_look) + 1), 100 * by_look, color=shade, label=method)
        panels[title].set_xlabel("days")
        panels[title].set_ylabel("% of experiments")
    first = panels[titles[truths[0]]]
    first.axhline(100 * alpha, color=INK, linestyle="--", linewidth=1)
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def _metric_cells(metric: MetricRow) -> list[str]:
    form = ".2%" if metric["metric"] in _SHARES else ".4g"
    harmed = metric["harmed_after"]
    return [
        metric["metric"],
        _optional(metric["control"], form),
        _optional(metric["treated"], form),
        _optional(metric["difference"], "+.2%"),
        ends(metric["low"], metric["high"], "+.2%"),
        f"{metric['evidence']:.3g}",
        f"{metric['p']:.3g}",
        "kept" if harmed is None else f"harm after {harmed}",
    ]


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))


def _optional(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"

"""Tables and figures of what-if scenarios, and of how often their intervals covered what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypedDict

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.table import Table

from bidpilot.training.report.style import INK, small_multiples

Ends = tuple[float, float] | None
"""Ends of an interval; None where too little is known."""

NAMES: Final = {
    "spend": "spend",
    "exposure": "exposure",
    "interaction": "interaction",
    "conversion": "conversion",
    "counted": "conversions counted",
    "cpa": "CPA",
    "roi": "ROI",
    "tail_share": "long-tail share",
    "utility": "utility",
}
"""What tables call the metrics."""
_SHADES: Final = {"base": INK, "budget": "#0072b2", "max_cpa": "#d55e00", "min_roi": "#d55e00", "rates": "#e69f00"}
_PREFERENCE: Final = "#009e73"


class ScenarioRow(TypedDict):
    """A metric of a scenario; the keys are those of the JSON file."""

    scenario: str
    group: str  # base, budget, max_cpa, min_roi, preference or rates
    relative: float  # change of budget, target or rates
    metric: str
    mean: float | None  # over the horizon's days; of a ratio, of their sums
    mean_80: Ends
    mean_95: Ends
    day: float | None  # median of days
    day_80: Ends  # of one day to come
    day_95: Ends
    change: float | None  # of the mean, relative to the base on the same days; None for the base
    change_80: Ends
    change_95: Ends


class CheckRow(TypedDict):
    """How often intervals of one kind covered what happened on held-out days; the keys are those of the JSON file."""

    scenario: str
    metric: str
    kind: str  # one day, mean of the horizon's days, or change
    level: float
    covered: int
    of: int  # days, or runs of days


class CoverageRow(TypedDict):
    """Coverage of one kind of interval of one metric, over all scenarios; the keys are those of the JSON file."""

    kind: str
    metric: str
    level: float
    covered: float  # share
    worst: float  # share of the scenario that was covered least
    scenario: str  # that one
    of: int  # days, or runs of days, of all scenarios


def base_table(rows: Sequence[ScenarioRow], title: str, horizon: int) -> Table:
    """The base: a line per metric."""
    table = _table(title, ("metric",), (f"mean of {horizon} days", "80 %", "95 %", "one day", "80 %", "95 %"))
    for row in rows:
        if row["group"] == "base":
            mean = (_number(row["mean"]), _ends(row["mean_80"]), _ends(row["mean_95"]))
            day = (_number(row["day"]), _ends(row["day_80"]), _ends(row["day_95"]))
            table.add_row(NAMES[row["metric"]], *mean, *day)
    table.caption = (
        "intervals of days to come that are drawn as the forecast's were: of the mean of so many, and of one; KPIs "
        "are expected of valid exposures, conversions counted are drawn or recorded; CPA and ROI are by the expected"
    )
    return table


def change_table(rows: Sequence[ScenarioRow], metrics: Sequence[str]) -> Table:
    """Every other scenario: a line each, with the change of each metric and its 95 % interval."""
    table = _table("what if: change of the mean, with 95 % intervals", ("scenario",), [NAMES[m] for m in metrics])
    for name, of in by_scenario(rows).items():
        if of[metrics[0]]["group"] != "base":
            table.add_row(name, *(_change(of[metric]) for metric in metrics))
    table.caption = "per cent of what the campaign brings as it is, on the same days"
    return table


def coverage_rows(rows: Sequence[CheckRow]) -> list[CoverageRow]:
    """A row per kind, metric and level."""
    groups: dict[tuple[str, str, float], list[CheckRow]] = {}
    for row in rows:
        groups.setdefault((row["kind"], row["metric"], row["level"]), []).append(row)
    found = []
    for (kind, metric, level), here in groups.items():
        worst = min(here, key=lambda row: row["covered"] / row["of"])
        found.append(
            CoverageRow(
                kind=kind,
                metric=metric,
                level=level,
                covered=sum(row["covered"] for row in here) / sum(row["of"] for row in here),
                worst=worst["covered"] / worst["of"],
                scenario=worst["scenario"],
                of=sum(row["of"] for row in here),
            )
        )
    return found


def check_table(rows: Sequence[CoverageRow], title: str) -> Table:
    """A line per kind and metric: coverage over all scenarios, and of the worst one."""
    table = _table(title, ("interval of", "metric"), ("80 %", "worst", "95 %", "worst", "cases"))
    lines: dict[tuple[str, str], list[CoverageRow]] = {}
    for row in rows:
        lines.setdefault((row["kind"], row["metric"]), []).append(row)
    for (kind, metric), here in lines.items():
        cells = [f"{row[key]:.1%}" for row in here for key in ("covered", "worst")]
        table.add_row(kind, NAMES[metric], *cells, f"{here[0]['of']:,}")
    table.caption = (
        "share of held-out days, or of means over runs of days, within the intervals; worst of the scenarios"
    )
    return table


def by_scenario(rows: Sequence[ScenarioRow]) -> dict[str, dict[str, ScenarioRow]]:
    """Rows by scenario and metric, in order."""
    found: dict[str, dict[str, ScenarioRow]] = {}
    for row in rows:
        found.setdefault(row["scenario"], {})[row["metric"]] = row
    return found


def what_if_figure(rows: Sequence[ScenarioRow], metrics: Sequence[str], horizon: int) -> Figure:
    """A panel per metric, a line per scenario: the mean over the horizon with its 80 % and 95 % intervals."""
    found = by_scenario(rows)
    titles = {NAMES[metric]: metric for metric in metrics}
    figure, panels = small_multiples(list(titles), 3.4, 0.25 * len(found) + 1.0)
    for place, (title, metric) in enumerate(titles.items()):
        panel = panels[title]
        for y, of in enumerate(found.values()):
            _interval(panel, y, of[metric])
        base = next(iter(found.values()))[metric]["mean"]
        if base is not None:
            panel.axvline(base, color=INK, linestyle="--", linewidth=0.8)
        panel.set_yticks(range(len(found)), list(found) if place % 4 == 0 else [""] * len(found))
        panel.invert_yaxis()
    words = f"mean of {horizon} days to come; thick: 80 % interval, thin: 95 %; dashed: the campaign as it is"
    figure.supxlabel(words, fontsize=9, color=INK)
    return figure


def _interval(panel: Axes, y: int, row: ScenarioRow) -> None:
    shade = _SHADES.get(row["group"], _PREFERENCE)
    for ends, width in ((row["mean_95"], 1.0), (row["mean_80"], 3.0)):
        if ends is not None:
            panel.plot(ends, (y, y), color=shade, linewidth=width)
    if row["mean"] is not None:
        panel.plot(row["mean"], y, "o", color=shade, markersize=4)


def _change(row: ScenarioRow) -> str:
    if row["change"] is None:
        return "-"
    ends = row["change_95"]
    low, high = ("", "") if ends is None else (f" ({100 * ends[0]:+.1f}", f"..{100 * ends[1]:+.1f})")
    return f"{100 * row['change']:+.1f}{low}{high}"


def _table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, no_wrap=True)
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _ends(ends: Ends) -> str:
    return "-" if ends is None else f"{ends[0]:.4g} .. {ends[1]:.4g}"

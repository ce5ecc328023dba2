"""Charts drawn as SVG that stands in a page: no font, no address and no id is of anything outside of it.

Letters are paths, so that they fit where they were measured. Ink and grid take the page's own colours, so that a figure
is read on a dark page as on a light one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bidpilot.training.report.style import GRID, INK, new_figure, tidy
from bidpilot.training.reporting.charts.chart import COLOURS, HOUR, Bars, Chart, Group, Lines, Points, Series

_WIDTH: Final = 4.2  # inches: as wide as a telephone shows at the size it was drawn in
_HEIGHT: Final = 2.7
_ROW: Final = 0.26  # inches of a lying bar
_SMALL: Final = 8
_MOST_TICKS: Final = 8
_LETTERS, _GAP = 52, 2  # that labels beside each other have room for, and between two of them
_BEFORE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_SPACES = re.compile(r'\s+xmlns(?::\w+)?="[^"]*"')
_SIZE = re.compile(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>')


def svg(chart: Chart, place: str) -> str:
    """The chart as an `svg` element; `place` is a name that no other chart of the page has."""
    with mpl.rc_context(
        {"svg.fonttype": "path", "svg.hashsalt": place, "font.size": _SMALL, "axes.unicode_minus": True}
    ):
        match chart:
            case Bars():
                figure = _bars(chart)
            case Lines():
                figure = _lines(chart)
            case Points():
                figure = _points(chart)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return inlined(out.getvalue(), chart.title, place)


def inlined(text: str, title: str, place: str) -> str:
    """SVG of a file as an element of a page: without what belongs to a file, with ids of its own."""
    text = _SPACES.sub("", _METADATA.sub("", _BEFORE.sub("", text)))
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\bid="([^"]+)"', rf'id="{place}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{place}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{place}-\1)", text)
    text = text.replace(INK, "currentColor").replace(GRID, "var(--grid)")
    head = f'<svg viewBox="\\1" role="img" aria-label="{escape(title, quote=True)}" class="figure">'
    return _SIZE.sub(head.replace("\\1", _SIZE.search(text).group(1)).replace("\\", r"\\"), text, count=1)  # type: ignore[union-attr]


def _axes(title: str, height: float = _HEIGHT) -> tuple[Figure, Axes]:
    figure = new_figure(_WIDTH, height)
    axes = tidy(figure.add_subplot())
    axes.tick_params(labelsize=_SMALL)
    axes.set_title(title, color=INK, loc="left", fontsize=9, wrap=True)
    return figure, axes


def _legend(figure: Figure, axes: Axes, series: Sequence[Series | Group]) -> None:
    if len(series) > 1:
        handles, names = axes.get_legend_handles_labels()
        columns = 2 if max(map(len, names)) > 16 else min(len(names), 4)
        figure.legend(
            handles, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=_SMALL, labelcolor=INK
        )


def _bars(chart: Bars) -> Figure:
    places, count = np.arange(len(chart.labels), dtype=np.float64), len(chart.series)
    height = max(_HEIGHT * 0.6, _ROW * len(places) * (1 + 0.5 * (count - 1)) + 1.0) if chart.lying else _HEIGHT
    figure, axes = _axes(chart.title, height)
    thick = 0.8 / count
    for k, series in enumerate(chart.series):
        at = places + (k - (count - 1) / 2) * thick
        values = np.array([np.nan if v is None else v for v in series.values], np.float64)
        draw = axes.barh if chart.lying else axes.bar
        draw(at, np.nan_to_num(values), thick, color=COLOURS[k % len(COLOURS)], label=series.name)
        _whiskers(axes, at, values, series, chart.lying)
    names = [label if len(label) <= 24 else f"{label[:23]}…" for label in chart.labels]
    if chart.lying:
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(chart.unit, color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=_counted(chart)))
    else:
        step = _every(names)
        axes.set_xticks(places[::step], names[::step])
        axes.grid(visible=False, axis="x")
        axes.set_ylabel(chart.unit, color=INK)
    _legend(figure, axes, chart.series)
    return figure


def _every(names: Sequence[str]) -> int:
    """Of how many labels beside each other one is written, so that none runs into the next."""
    widest = max(map(len, names), default=0) + _GAP
    return max(-(-len(names) // _MOST_TICKS), -(-len(names) * widest // _LETTERS), 1)


def _counted(chart: Bars) -> bool:
    """Whether all bars are counts, between which there are no ticks."""
    return all(float(v).is_integer() for series in chart.series for v in series.values if v is not None)


def _whiskers(axes: Axes, at: np.ndarray, values: np.ndarray, series: Series, lying: bool) -> None:
    if series.low is None or series.high is None:
        return
    ends = zip(at, values, series.low, series.high, strict=True)
    for place, value, low, high in ends:
        if low is None or high is None or not np.isfinite(value):
            continue
        if lying:
            axes.plot([low, high], [place, place], color=INK, linewidth=1.2)
        else:
            axes.plot([place, place], [low, high], color=INK, linewidth=1.2)


def _lines(chart: Lines) -> Figure:
    figure, axes = _axes(chart.title)
    x = np.array(chart.x, np.float64)
    for k, series in enumerate(chart.series):
        colour, values = COLOURS[k % len(COLOURS)], _numbers(series.values)
        style = "--" if series.name in chart.dashed else "-"
        marker = "o" if len(x) <= _MOST_TICKS else ""
        axes.plot(x, values, style, marker=marker, markersize=4, color=colour, linewidth=1.6, label=series.name)
        if series.low is not None and series.high is not None:
            axes.fill_between(x, _numbers(series.low), _numbers(series.high), color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel(chart.x_name, color=INK)
    axes.set_ylabel(chart.unit, color=INK)
    if chart.x_name == HOUR:
        axes.set_xticks(range(0, 25, 6))
    if chart.labels is not None:
        step = -(-len(x) // 4) if len(x) > 4 else 1
        axes.set_xticks(x[::step], chart.labels[::step])
    _legend(figure, axes, chart.series)
    return figure


def _points(chart: Points) -> Figure:
    figure, axes = _axes(chart.title, _HEIGHT + 0.3)
    for k, group in enumerate(chart.groups):
        hollow, colour = group.marker in ("s", "D"), COLOURS[k % len(COLOURS)]
        look = {"facecolors": "none", "linewidths": 1.6} if hollow else {"facecolors": colour}
        size = {"o": 26, "s": 80, "D": 80, "*": 130}[group.marker]
        axes.scatter(
            group.x, group.y, s=size, marker=group.marker, edgecolors=colour, label=group.name, zorder=3 + k, **look
        )
    axes.set_xlabel(chart.x_name, color=INK)
    axes.set_ylabel(chart.y_name, color=INK)
    _legend(figure, axes, chart.groups)
    return figure


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], np.float64)

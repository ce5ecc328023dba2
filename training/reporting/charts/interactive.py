"""Charts for plotly, which stands in the page once and draws them there."""

from __future__ import annotations

from typing import Any, Final

from bidpilot.training.reporting.charts.chart import COLOURS, HOUR, Bars, Chart, Group, Lines, Points, Series
from bidpilot.training.reporting.errors import PlotlyMissing

_SYMBOLS: Final = {"o": "circle", "s": "square-open", "D": "diamond-open", "*": "star"}


def library() -> str:
    """The text of plotly.js, several megabytes.

    Raises:
        PlotlyMissing: plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise PlotlyMissing(
            "--interactive needs plotly, which is not installed. pip install 'bidpilot[plotly]', or leave it out: the "
            "figures are drawn then."
        ) from error
    return str(get_plotlyjs())


def spec(chart: Chart) -> dict[str, Any]:
    """What plotly is to draw: `data` and `layout`, as plain values."""
    match chart:
        case Bars():
            data, x, y = [_bar(chart, k, series) for k, series in enumerate(chart.series)], "", chart.unit
            x, y = (chart.unit, "") if chart.lying else (x, y)
        case Lines():
            data = [trace for k, series in enumerate(chart.series) for trace in _line(chart, k, series)]
            x, y = chart.x_name, chart.unit
        case Points():
            data, x, y = [_group(k, group) for k, group in enumerate(chart.groups)], chart.x_name, chart.y_name
    layout: dict[str, Any] = {
        "title": {"text": chart.title, "font": {"size": 14}, "x": 0, "xanchor": "left"},
        "margin": {"l": 56, "r": 12, "t": 40, "b": 48},
        "showlegend": len([trace for trace in data if trace.get("showlegend", True)]) > 1,
        "legend": {"orientation": "h", "y": -0.36, "yanchor": "top"},
        "xaxis": {"title": {"text": x}, "automargin": True},
        "yaxis": {"title": {"text": y}, "automargin": True},
        "barmode": "group",
    }
    if isinstance(chart, Bars):
        # labels stay labels, also where they look like numbers or dates
        layout["yaxis" if chart.lying else "xaxis"] |= {"type": "category"} | (
            {"autorange": "reversed"} if chart.lying else {}
        )
    if isinstance(chart, Lines) and chart.x_name == HOUR:
        layout["xaxis"] |= {"tickvals": [0, 6, 12, 18, 24]}
    if isinstance(chart, Lines) and chart.labels is not None:
        layout["xaxis"] |= {"tickvals": list(chart.x), "ticktext": list(chart.labels)}
    return {"data": data, "layout": layout}


def _bar(chart: Bars, k: int, series: Series) -> dict[str, Any]:
    labels, values = list(chart.labels), list(series.values)
    trace: dict[str, Any] = {"type": "bar", "name": series.name, "marker": {"color": COLOURS[k % len(COLOURS)]}}
    trace |= {"x": values, "y": labels, "orientation": "h"} if chart.lying else {"x": labels, "y": values}
    if series.low is not None and series.high is not None:
        ends = list(zip(values, series.low, series.high, strict=True))
        up = [0.0 if v is None or high is None else high - v for v, _, high in ends]
        down = [0.0 if v is None or low is None else v - low for v, low, _ in ends]
        error = {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "width": 0}
        trace["error_x" if chart.lying else "error_y"] = error
    return trace


def _line(chart: Lines, k: int, series: Series) -> list[dict[str, Any]]:
    colour, x = COLOURS[k % len(COLOURS)], list(chart.x)
    dash = "dash" if series.name in chart.dashed else "solid"
    base = {"type": "scatter", "mode": "lines", "x": x}
    line = base | {"name": series.name, "y": list(series.values), "line": {"color": colour, "dash": dash}}
    if series.low is None or series.high is None:
        return [line]
    quiet = base | {"hoverinfo": "skip", "showlegend": False, "line": {"width": 0}}
    low = quiet | {"y": list(series.low)}
    high = quiet | {"y": list(series.high), "fill": "tonexty", "fillcolor": f"{colour}33"}
    return [low, high, line]


def _group(k: int, group: Group) -> dict[str, Any]:
    marker = {"symbol": _SYMBOLS[group.marker], "size": 14 if group.marker != "o" else 7}
    marker["color"] = COLOURS[k % len(COLOURS)]
    return {"type": "scatter", "mode": "markers", "name": group.name, "x": list(group.x), "y": list(group.y)} | {
        "marker": marker
    }

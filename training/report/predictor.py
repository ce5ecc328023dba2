"""The calibration of a predictor: the printed table, and its curves."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bidpilot.training.predictor.calibration import Judged
from bidpilot.training.report.style import INK, small_multiples
from bidpilot.training.report.tables import print_table

_SHADE = "#0072b2"


def print_calibration(judged: Sequence[Judged], title: str, console: Console) -> None:
    """Print a line per KPI."""
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("KPI", no_wrap=True)
    for name in ("exposures", "expected", "brought", "ratio, 95 %", "ratio before", "slope", "error", "error of all"):
        table.add_column(name, justify="right")
    for row in judged:
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        table.add_row(
            row["kpi"],
            f"{row['exposures']:,}",
            f"{row['expected']:,.4g}",
            f"{row['brought']:,.4g}",
            ratio,
            _short(row["ratio_before"]),
            _short(row["slope"]),
            f"{row['error']:.5g}",
            f"{row['error_of_all']:.5g}",
        )
    print_table(table, console)


def calibration_figure(judged: Sequence[Judged], title: str) -> Figure:
    """What exposures brought against what was expected of them, a panel per KPI; on the line it is as expected."""
    figure, panels = small_multiples([row["kpi"] for row in judged], 3.4, 3.2)
    for row in judged:
        axes, bins = panels[row["kpi"]], row["bins"]
        most = 1.05 * max(max(b["high"], b["expected"]) for b in bins) or 1.0
        axes.plot([0, most], [0, most], color=INK, linewidth=1, linestyle=":")
        expected, brought = [b["expected"] for b in bins], [b["brought"] for b in bins]
        axes.vlines(expected, [b["low"] for b in bins], [b["high"] for b in bins], color=_SHADE, alpha=0.5, linewidth=3)
        axes.plot(expected, brought, color=_SHADE, marker="o", markersize=4, linewidth=1.5)
        axes.set_xlabel("expected of an exposure")
        axes.set_ylabel("brought, 95 %")
    figure.suptitle(title, color=INK)
    return figure


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"

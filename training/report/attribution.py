"""Figure of one explained decision: bars of what moved each entry of the action, by group and by feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from bidpilot.training.report.checks import finite
from bidpilot.training.report.style import INK, new_figure, tidy

_PARTS = ("#0072b2", "#d55e00")  # the network (or the whole agent), and the re-plan under it
_BARS = 10  # single features shown per entry
_FEW = 4  # bars that a panel has room for at least, so that one is not as high as the panel
LEAST: Final = 1e-3
"""Share of the action below which what moved it is left out."""


@dataclass(frozen=True)
class Bars:
    """One panel."""

    title: str
    labels: Sequence[str]  # (N,)
    values: ArrayLike  # (P, N) per part of the agent, in units of the action


@dataclass(frozen=True)
class Table:
    """A panel of coloured cells below the bars."""

    title: str
    rows: Sequence[str]  # (R,)
    columns: Sequence[str]  # (C,)
    values: ArrayLike  # (R, C) in units of the action


def attribution_figure(
    panels: Sequence[Sequence[Bars]], parts: Sequence[str], title: str, table: Table | None
) -> Figure:
    """Rows of bar panels on one scale, the largest bar on top, and a table of cells below where there is one.

    What moved an entry by less than a thousandth of the action's range is left out.

    Args:
        panels: rows of panels, each row of the same length.
        parts: names of the P parts that bars are stacked of.
        title: what is shown.
        table: the cells; None for none.

    Raises:
        ValueError: where a panel is empty or not finite.
    """
    rows, columns = len(panels), len(panels[0])
    figure = new_figure(4.4 * columns, 3.4 * rows + (2.8 if table else 0.4))
    heights = [3.4] * rows + ([2.6] if table else [])
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    shared: Axes | None = None
    for r, row in enumerate(panels):
        for c, bars in enumerate(row):
            axes = figure.add_subplot(grid[r, c], sharex=shared)
            shared = shared or axes
            _draw_bars(axes, bars, parts)
    if len(parts) > 1:
        figure.axes[0].legend(frameon=False, fontsize=8, loc="best")
    if table is not None:
        _draw_table(figure, figure.add_subplot(grid[rows, :]), table)
    figure.suptitle(title, color=INK, x=0.01, ha="left")
    return figure


def _draw_bars(axes: Axes, bars: Bars, parts: Sequence[str]) -> None:
    values = finite(bars.title, bars.values, 2)
    size = np.abs(values).sum(axis=0)
    order = np.array([i for i in np.argsort(size, kind="stable") if size[i] >= LEAST][-_BARS:], np.int64)
    tidy(axes)
    for p, part in enumerate(parts):
        # What points the same way is stacked; what points the other way starts from the middle again.
        start = np.where(np.sign(values[:p]) == np.sign(values[p]), values[:p], 0.0).sum(axis=0)
        axes.barh(range(len(order)), values[p, order], left=start[order], color=_PARTS[p], label=part)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set_ylim(len(order) - max(len(order), _FEW) - 0.6, len(order) - 0.4)
    axes.set_yticks(range(len(order)), [bars.labels[i] for i in order])
    axes.set_title(bars.title, color=INK, loc="left", fontsize=10)
    axes.set_xlabel("share of the action, in [-1, 1]")
    if not len(order):
        axes.set_ylim(-0.6, 0.4)
        axes.text(0.5, 0.5, "nothing above a thousandth", transform=axes.transAxes, ha="center", color=INK, fontsize=9)


def _draw_table(figure: Figure, axes: Axes, table: Table) -> None:
    values: NDArray[np.float64] = finite(table.title, table.values, 2)
    reach = float(np.abs(values).max()) or 1.0
    image = axes.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    axes.set_yticks(range(len(table.rows)), table.rows, fontsize=8)
    axes.set_xticks(range(len(table.columns)), table.columns, fontsize=8, rotation=20, ha="right")
    axes.set_title(table.title, color=INK, loc="left", fontsize=10)
    figure.colorbar(image, ax=axes, label="share of the action")

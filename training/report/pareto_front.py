"""Figure of a Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bidpilot.bidding.kpi import KPI
from bidpilot.solvers.pareto import ParetoFront
from bidpilot.training.report.checks import finite
from bidpilot.training.report.style import INK, new_figure, tidy

_SHADES = "cividis"  # told apart by colour-blind readers
_OWN, _KNEE = "#d55e00", "#009e73"


def pareto_panels(front: ParetoFront, own: Sequence[float], title: str = "Pareto front") -> Figure:
    """The front in a panel for each pair of KPIs, in shares of the ideal point.

    With three KPIs the third is the colour: a point that looks dominated in one panel is rich in that one. Ends are
    squares, the knee a diamond, the campaign's own plan `own` (3,) a star.

    Raises:
        ValueError: where fewer than two KPIs have values.
    """
    if len(front.active) < 2:
        raise ValueError("a front needs two KPIs: the forecast has values of one only")
    star = finite("own", own, 1)
    pairs = list(combinations(front.active, 2))
    figure = new_figure(3.9 * len(pairs) + 0.4, 4.3)
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for panel, (x, y) in zip(panels, pairs, strict=True):
        _panel(tidy(panel), front, star, x, y)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle(title, color=INK, x=0.01, ha="left")
    return figure


def _panel(panel: Axes, front: ParetoFront, own: NDArray[np.float64], x: int, y: int) -> None:
    shares = np.array([p.share for p in front.points])
    ends = np.array([p.share for p in front.ends])
    third = next((j for j in front.active if j not in (x, y)), None)
    if third is None:
        order = np.argsort(shares[:, x])
        panel.plot(shares[order, x], shares[order, y], "o-", color="#0072b2", markersize=6, label="plan")
    else:
        dots = panel.scatter(shares[:, x], shares[:, y], c=shares[:, third], cmap=_SHADES, s=44, label="plan", zorder=3)
        bar = panel.figure.colorbar(dots, ax=panel, location="top", shrink=0.9)
        bar.set_label(f"{KPI[third]}, share of the ideal point", fontsize=8)
        bar.ax.tick_params(labelsize=8)
    for points, marker, colour, label in (
        (ends, "s", INK, "most of one KPI"),
        (front.knee.share[None], "D", _KNEE, "knee"),
    ):
        panel.scatter(
            points[:, x],
            points[:, y],
            marker=marker,
            s=115,
            facecolors="none",
            edgecolors=colour,
            linewidths=1.6,
            zorder=4,
            label=label,
        )
    panel.scatter(own[x], own[y], marker="*", s=150, color=_OWN, label="the campaign's own plan", zorder=5)
    panel.set_xlabel(f"{KPI[x]}, share of the ideal point")
    panel.set_ylabel(f"{KPI[y]}, share of the ideal point")

"""The figure of fronts: what agents attain at each preference, beside the hindsight optimum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bidpilot.bidding.kpi import KPI
from bidpilot.training.report.checks import finite
from bidpilot.training.report.style import INK, colours, small_multiples
from bidpilot.training.report.tables import short_name


@dataclass(frozen=True)
class PreferenceFront:
    """Mean totals in ideal points, x / z, at P preferences."""

    suite: str
    preference: NDArray[np.float64]  # (P, 3)
    exact: NDArray[np.float64]  # (P, 3) of the hindsight optimum
    attained: Mapping[str, NDArray[np.float64]]  # agent to (P, 3)


def preference_front_plot(front: PreferenceFront) -> Figure:
    """A panel per pair of KPIs; a grey stroke leads from what the optimum has to what each agent attains.

    Raises:
        ValueError: where a front is empty or not finite.
    """
    exact = finite("hindsight optimum", front.exact, 2)
    shades = colours(list(front.attained))
    pairs = {f"{KPI[i]}, {KPI[j]}": (i, j) for i, j in combinations(range(3), 2)}
    figure, panels = small_multiples(list(pairs), 3.8, 3.6)
    for name, panel in panels.items():
        i, j = pairs[name]
        for agent, points in front.attained.items():
            values = finite(agent, points, 2)
            panel.plot([exact[:, i], values[:, i]], [exact[:, j], values[:, j]], color="#cccccc", linewidth=0.7)
            panel.plot(values[:, i], values[:, j], "o", color=shades[agent], markersize=4, label=short_name(agent))
        panel.plot(exact[:, i], exact[:, j], "+", color=INK, markersize=7, label="hindsight optimum")
        panel.set_xlabel(f"{KPI[i]}, x / z")
        panel.set_ylabel(f"{KPI[j]}, x / z")
    handles, labels = next(iter(panels.values())).get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(f"Totals x over preferences, in ideal points z: {front.suite}", color=INK, x=0.01, ha="left")
    return figure

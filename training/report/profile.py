"""The figure of performance profiles: how often each agent reaches a given share of the hindsight optimum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from bidpilot.training.report.checks import finite
from bidpilot.training.report.style import INK, colours, small_multiples


def performance_profile(
    ratios: Mapping[str, Mapping[str, ArrayLike]],
    title: str = "Performance profiles: share of days above a given R / R*",
) -> Figure:
    """A panel per suite: the share of days on which each agent's R / R* is above the abscissa.

    A curve further right is better; where it leaves 1 stands the worst day (Agarwal et al. 2021, figure 4, with
    days in the place of runs).

    Args:
        ratios: suite to agent to (D,) R / R* of each day.
        title: what is shown.

    Raises:
        ValueError: where there is no suite, or an agent has no days or values that are not finite.
    """
    days = {
        suite: {name: finite(f"{name} on {suite}", values, 1) for name, values in agents.items()}
        for suite, agents in ratios.items()
    }
    if not any(days.values()):
        raise ValueError("no agent to draw: give R / R* of at least one")
    names = list(dict.fromkeys(name for agents in days.values() for name in agents))
    shades = colours(names)
    figure, panels = small_multiples(list(days), 3.6, 2.7)
    for suite, panel in panels.items():
        for name, values in days[suite].items():
            panel.ecdf(values, complementary=True, color=shades[name], linewidth=1.6, label=name)
        pooled = np.concatenate(list(days[suite].values()))
        # A few hopeless days must not press all the curves against the right edge.
        panel.set_xlim(float(np.quantile(pooled, 0.01)) - 0.005, min(1.0, float(pooled.max())) + 0.005)
        panel.set_ylim(0.0, 1.02)
        panel.set_xlabel("R / R*")
        panel.set_ylabel("share of days above")
    drawn = {line.get_label(): line for panel in panels.values() for line in panel.lines}
    labels = [str(name) for name in drawn]
    figure.legend(drawn.values(), labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle(title, color=INK, x=0.01, ha="left")
    return figure

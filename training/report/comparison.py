"""Figures that compare agents: the distribution over days, and intervals per suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from bidpilot.training.report.checks import finite
from bidpilot.training.report.style import INK, colours, new_figure, small_multiples, tidy


@dataclass(frozen=True)
class Interval:
    """One agent's interquartile mean on one suite, with its interval."""

    agent: str
    suite: str
    iqm: float  # interquartile mean of R / R*
    low: float | None  # lower end of the 95 % interval; None where there are too few days for one
    high: float | None  # upper end


def ratio_distribution(ratios: Mapping[str, ArrayLike], title: str = "R / R* over days") -> Figure:
    """The share of days on which each agent reaches less than a given R / R* (empirical distribution).

    A curve further right is better; the dot marks the median day, and the left end shows the bad days.

    Args:
        ratios: agent to (D,) R / R* of each day.
        title: what is shown.

    Raises:
        ValueError: where an agent has no days or values that are not finite.
    """
    days = {name: np.sort(finite(name, values, 1)) for name, values in ratios.items()}
    if not days:
        raise ValueError("no agent to draw: give R / R* of at least one")
    shades = colours(list(days))
    figure = new_figure(8.0, 4.5)
    axes = tidy(figure.add_subplot())
    # From worst to best median, so that the legend reads as the curves stand.
    for name, values in sorted(days.items(), key=lambda item: -float(np.median(item[1]))):
        median = float(np.median(values))
        axes.ecdf(values, color=shades[name], linewidth=2, label=f"{name}  (median {median:.3f})")
        axes.plot(median, 0.5, "o", color=shades[name], markersize=6)
    pooled = np.concatenate(list(days.values()))
    # A few hopeless days must not press all the curves against the right edge.
    axes.set_xlim(float(np.quantile(pooled, 0.005)) - 0.005, min(1.0, float(pooled.max())) + 0.005)
    axes.set_ylim(0.0, 1.0)
    axes.set_xlabel("R / R*")
    axes.set_ylabel("share of days below")
    axes.set_title(title, color=INK, loc="left")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def interval_plot(intervals: Sequence[Interval], title: str = "R / R* per agent and suite") -> Figure:
    """Interquartile means with their 95 % intervals: a panel per suite, a line per agent, best on top.

    A mean without an interval is a dot alone.

    Raises:
        ValueError: where there is none, or one is not finite or not in order.
    """
    if not intervals:
        raise ValueError("no interval to draw: evaluate at least one agent on one suite")
    for entry in intervals:
        low, iqm, high = finite(f"{entry.agent} on {entry.suite}", [*_ends(entry), entry.iqm], 1)[[0, 2, 1]]
        if not low <= iqm <= high:
            raise ValueError(f"{entry.agent} on {entry.suite}: {iqm} lies outside {low} .. {high}")
    suites = list(dict.fromkeys(entry.suite for entry in intervals))
    agents = list(dict.fromkeys(entry.agent for entry in intervals))
    shades = colours(agents)
    figure, panels = small_multiples(suites, 3.9, 0.42 * len(agents) + 1.0)
    for suite, panel in panels.items():
        here = sorted((entry for entry in intervals if entry.suite == suite), key=lambda entry: entry.iqm)
        for height, entry in enumerate(here):
            low, high = _ends(entry)
            panel.plot([low, high], [height, height], color=shades[entry.agent], linewidth=5, alpha=0.4)
            panel.plot(entry.iqm, height, "o", color=shades[entry.agent], markersize=7)
            panel.annotate(
                f"{entry.iqm:.4f}",
                (high, height),
                (7, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        panel.set_yticks(range(len(here)), [entry.agent for entry in here])
        panel.set_ylim(-0.6, len(here) - 0.4)
        panel.margins(x=0.22)  # room for the number beside the best
        panel.xaxis.set_major_locator(MaxNLocator(5))
        panel.set_xlabel("R / R*, interquartile mean")
    figure.suptitle(title, color=INK, x=0.01, ha="left")
    return figure


def _ends(entry: Interval) -> tuple[float, float]:
    """The interval's ends; the mean itself where there is none."""
    return (entry.iqm if entry.low is None else entry.low, entry.iqm if entry.high is None else entry.high)

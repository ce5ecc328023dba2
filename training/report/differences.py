"""Figures of paired differences: a cell per agent and suite, or a band for each pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bidpilot.training.report.checks import finite
from bidpilot.training.report.style import INK, colours, new_figure, small_multiples
from bidpilot.training.report.tables import PairRow, decided, short_name

_FAINT = "#888888"


def difference_map(pairs: Sequence[PairRow]) -> Figure:
    """Paired differences of R / R* to one agent, in thousandths; grey where the interval holds zero or there is none.

    Colours are by the square root of a difference, since a large one on one suite would leave the others white.

    Args:
        pairs: every agent on every suite, all against the same one.

    Raises:
        ValueError: where there is none, one is missing or not finite, or they are against several agents.
    """
    against = {row["against"] for row in pairs}
    if len(against) != 1:
        raise ValueError(f"differences to {sorted(against) or 'nobody'}: give those to one agent")
    agents, suites = (list(dict.fromkeys(row[key] for row in pairs)) for key in ("agent", "suite"))
    cells = {(row["suite"], row["agent"]): row for row in pairs}
    missing = [f"{a} on {s}" for s in suites for a in agents if (s, a) not in cells]
    if missing:
        raise ValueError(f"no difference of {missing[0]}: give one of every agent on every suite")
    values = finite("differences", [[1000 * cells[s, a]["diff"] for a in agents] for s in suites], 2)
    shade = np.sign(values) * np.sqrt(np.abs(values))
    reach = float(np.abs(shade).max()) or 1.0
    figure = new_figure(1.25 * len(agents) + 2.2, 0.42 * len(suites) + 1.8)
    axes = figure.add_subplot()
    axes.imshow(shade, cmap="RdBu", vmin=-1.6 * reach, vmax=1.6 * reach, aspect="auto")  # pale enough to read on
    for i, suite in enumerate(suites):
        for j, agent in enumerate(agents):
            row = cells[suite, agent]
            cell = axes.text(j, i, f"{values[i, j]:+.1f}", ha="center", va="center", fontsize=9)
            cell.set(color=INK if decided(row) else _FAINT, weight="bold" if decided(row) else "normal")
    axes.set_xticks(range(len(agents)), [short_name(agent) for agent in agents], rotation=20, ha="right", fontsize=9)
    axes.set_yticks(range(len(suites)), suites, fontsize=9)
    axes.tick_params(length=0, colors=INK)
    axes.spines[:].set_visible(False)
    title = f"R / R* minus {short_name(against.pop())}'s, thousandths; bold: the 95 % interval leaves out zero"
    figure.suptitle(title, color=INK, x=0.01, ha="left", fontsize=10)
    return figure


def difference_bands(pairs: Sequence[PairRow], title: str) -> Figure:
    """Paired differences of R / R* in thousandths, a panel per suite: a band from end to end of the 95 % interval.

    Args:
        pairs: who against whom on which suite.
        title: what is shown.

    Raises:
        ValueError: where there is none, or one is not finite.
    """
    finite("differences", [row["diff"] for row in pairs], 1)
    suites = list(dict.fromkeys(row["suite"] for row in pairs))
    shades = colours(list(dict.fromkeys(row["agent"] for row in pairs)))
    most = max(sum(row["suite"] == suite for row in pairs) for suite in suites)
    figure, panels = small_multiples(suites, 4.6, 0.38 * most + 1.0)
    for suite, panel in panels.items():
        here = [row for row in pairs if row["suite"] == suite][::-1]
        panel.axvline(0.0, color=INK, linewidth=1)
        for height, row in enumerate(here):
            low, high = (row["diff"] if end is None else end for end in (row["diff_low"], row["diff_high"]))
            band = [1000 * low, 1000 * high]
            panel.plot(band, [height, height], color=shades[row["agent"]], linewidth=6, alpha=0.4)
            panel.plot(1000 * row["diff"], height, "o", color=shades[row["agent"]], markersize=6)
        panel.set_yticks(
            range(len(here)), [f"{short_name(row['agent'])} - {short_name(row['against'])}" for row in here]
        )
        panel.set_ylim(-0.6, len(here) - 0.4)
        panel.set_xlabel("difference of R / R*, thousandths")
    figure.suptitle(title, color=INK, x=0.01, ha="left")
    return figure

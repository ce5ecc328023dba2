"""What every figure shares: colours, the canvas, quiet axes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS

INK = "#333333"
GRID = "#e3e3e3"
# Okabe and Ito's palette, told apart by colour-blind readers; an agent keeps its colour in every figure.
_AGENTS: dict[str, str] = {
    DEFAULT: "#0072b2",
    **{str(name): "#56b4e9" for name in LEARNERS if name != DEFAULT},
    "imitated": "#999933",
    "choice": "#44aa99",
    "mpc": "#d55e00",
    "mpc_informed": "#8c510a",
    "mpc_unfiltered": "#cc6677",
    "mpc_filtered": "#882255",
    "knowable": "#332288",
    "adaptive": "#ddcc77",
    "dual_descent": "#009e73",
    "pid": "#cc79a7",
    "plan": "#e69f00",
    "constant": "#777777",
}
_COLUMNS = 4  # small multiples per row
_LEAST_WIDTH = 7.0  # inches, that a title and a legend below one panel need
_OTHERS = ("#aa4499", "#117733", "#88ccee", "#661100", "#6699cc", "#b5a642")


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour per name; known agents keep theirs, and so does the first of `NAME@RUN` or `NAME, seed 1`."""
    chosen: dict[str, str] = {}
    spare = iter(_OTHERS * (1 + len(names) // len(_OTHERS)))
    for name in names:
        colour = _AGENTS.get(re.split(r"\W", name, maxsplit=1)[0])
        chosen[name] = next(spare) if colour is None or colour in chosen.values() else colour
    return chosen


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size (inches) on its own Agg canvas: no display, no pyplot state."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def small_multiples(names: Sequence[str], width: float, height: float) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a titled panel of this size (inches) per name, at most four in a row."""
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(max(width * columns + 0.6, _LEAST_WIDTH), height * rows + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in grid[len(names) :]:
        spare.remove()
    panels = {name: tidy(panel) for name, panel in zip(names, grid, strict=False)}
    for name, panel in panels.items():
        panel.set_title(name, color=INK, loc="left", fontsize=10)
    return figure, panels


def tidy(axes: Axes) -> Axes:
    """Take away what does not carry data, and lay a light grid behind what does."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes

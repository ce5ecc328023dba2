"""Figures over time: learning curves, and the budget over the day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, PercentFormatter
from numpy.typing import ArrayLike

from bidpilot.training.report.checks import finite, same_length
from bidpilot.training.report.style import INK, colours, new_figure, tidy

_COLUMNS = 4  # small multiples per row


@dataclass(frozen=True)
class Curve:
    """One series of a learning curve: the middle and, where known, the band around it."""

    steps: ArrayLike  # (N,) environment steps, increasing
    ratio: ArrayLike  # (N,) R / R*
    low: ArrayLike | None = None  # (N,) lower end of the band
    high: ArrayLike | None = None  # (N,) upper end of the band


@dataclass(frozen=True)
class Beside:
    """What a policy has more than `mpc` on the same days, validation by validation."""

    curve: Curve  # the difference of R / R* with its 95 % interval
    best: float  # environment steps of the policy that is kept
    told: str = ""  # a line on what training brought


def learning_curve(
    curves: Mapping[str, Curve],
    references: Mapping[str, float] | None = None,
    title: str = "Learning curve",
    beside: Beside | None = None,
) -> Figure:
    """R / R* against environment steps, a line with its band per series; below it the paired difference to `mpc`.

    Args:
        curves: series by name, drawn in this order.
        references: agents whose R / R* does not change with training, drawn as dashed lines.
        title: what is shown.
        beside: what the lower panel shows; there is none where None.

    Raises:
        ValueError: where a series is empty, uneven or not finite.
    """
    references = references or {}
    shades = colours([*curves, *references])
    figure = new_figure(8.0, 4.5 if beside is None else 7.0)
    rows = figure.subplots(1 if beside is None else 2, 1, sharex=True, squeeze=False)[:, 0]
    axes = tidy(rows[0])
    for name, curve in curves.items():
        _draw(axes, name, curve, shades[name])
    for name, value in references.items():
        axes.axhline(value, color=shades[name], linewidth=1.4, linestyle="--", label=name)
    axes.set_ylabel("R / R*: interquartile mean, quartiles")
    axes.set_title(title, color=INK, loc="left")
    if beside is not None:
        _draw_beside(tidy(rows[1]), beside, next(iter(shades.values())))
        axes.axvline(beside.best, color=INK, linewidth=1, linestyle=":", label="best step")
    axes.legend(frameon=False, fontsize=9)
    rows[-1].xaxis.set_major_formatter(EngFormatter(sep=""))
    rows[-1].set_xlabel("environment steps")
    return figure


def _draw(axes: Axes, name: str, curve: Curve, shade: str) -> None:
    """One series: a line, and its band where it is known."""
    steps, ratio = finite(f"{name} steps", curve.steps, 1), finite(f"{name} ratio", curve.ratio, 1)
    same_length(steps=steps, ratio=ratio)
    marker = "o" if len(steps) < 3 else None  # one validation is a point, which a line would not show
    axes.plot(steps, ratio, color=shade, linewidth=2, marker=marker, label=name)
    if curve.low is not None and curve.high is not None:
        low, high = finite(f"{name} low", curve.low, 1), finite(f"{name} high", curve.high, 1)
        same_length(steps=steps, low=low, high=high)
        axes.fill_between(steps, low, high, color=shade, alpha=0.18, linewidth=0)
        if len(steps) == 1:  # a band of no width would not show either
            axes.vlines(steps, low, high, color=shade, alpha=0.4, linewidth=5)


def _draw_beside(axes: Axes, beside: Beside, shade: str) -> None:
    """The paired difference with its interval, zero, and the step of the policy that is kept."""
    _draw(axes, "minus mpc, 95 % interval", beside.curve, shade)
    axes.axhline(0.0, color=INK, linewidth=1)
    axes.axvline(beside.best, color=INK, linewidth=1, linestyle=":")
    place = int(np.argmin(np.abs(np.asarray(beside.curve.steps) - beside.best)))
    at, value = np.asarray(beside.curve.steps)[place], np.asarray(beside.curve.ratio)[place]
    axes.plot(at, value, "*", color=INK, markersize=13, label=f"best, step {beside.best:,.0f}")
    axes.set_ylabel("R / R* minus that of mpc")
    axes.set_title(beside.told, color=INK, loc="left", fontsize=9)
    axes.legend(frameon=False, fontsize=9)


def budget_curves(
    left: ArrayLike,
    plan: ArrayLike,
    labels: Sequence[str] | None = None,
    title: str = "Budget left against plan",
) -> Figure:
    """Budget left over sampled days, one small panel per day, beside the planned curve.

    Args:
        left: (D, T + 1) share of the budget left at the start of each slot and at the day's end, in [0, 1].
        plan: (T + 1,) or (D, T + 1) the planned share left.
        labels: (D,) what stands above each panel, e.g. "R / R* 0.93".
        title: what is shown.

    Raises:
        ValueError: where shapes do not fit or values are not finite.
    """
    days = finite("left", left, 2)
    planned = np.broadcast_to(finite("plan", plan, np.ndim(plan)), days.shape)
    labels = labels if labels is not None else [f"day {d}" for d in range(len(days))]
    if len(labels) != len(days):
        raise ValueError(f"{len(labels)} labels for {len(days)} days: give one per day")
    columns = min(_COLUMNS, len(days))
    rows = -(-len(days) // columns)
    figure = new_figure(2.6 * columns + 0.4, 2.1 * rows + 0.6)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel, day, path, label in zip(grid.flat, days, planned, labels, strict=False):
        _budget_panel(panel, day, path, label)
    for place in range(len(days), rows * columns):
        grid.flat[place].set_visible(False)
        grid.flat[place - columns].tick_params(labelbottom=True)  # now the lowest of its column
    handles, names = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    figure.suptitle(title, color=INK, x=0.01, ha="left")
    figure.supxlabel("slot", fontsize=10)
    figure.supylabel("share of the budget left", fontsize=10)
    return figure


def _budget_panel(panel: Axes, day: ArrayLike, path: ArrayLike, label: str) -> None:
    slots = np.arange(np.size(day))
    tidy(panel)
    panel.plot(slots, path, color="#999999", linewidth=1.6, linestyle="--", label="plan")
    panel.plot(slots, day, color="#0072b2", linewidth=1.8, label="left")
    panel.fill_between(slots, day, path, color="#0072b2", alpha=0.12, linewidth=0)
    panel.set_title(label, fontsize=9, color=INK, loc="left")
    panel.set_ylim(-0.03, 1.03)
    panel.set_xlim(0, slots[-1])
    panel.yaxis.set_major_formatter(PercentFormatter(1.0))

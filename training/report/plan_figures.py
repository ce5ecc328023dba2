"""Figures of a plan: spend by slot and channel, and what the constraints cost."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from bidpilot.bidding.campaign.segments import channel_index, channels, is_tail
from bidpilot.solvers.allocation import ConstraintDual
from bidpilot.training.report.checks import finite
from bidpilot.training.report.style import INK, new_figure, tidy

# Okabe and Ito's palette; channels have no colour of their own in other figures.
_CHANNELS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
_GAIN, _LOSS = "#0072b2", "#d55e00"


def spend_by_slot(spend: ArrayLike, segments: Sequence[str], title: str = "Planned spend") -> Figure:
    """Spend per slot, stacked by channel; what goes to long-tail content is hatched.

    Args:
        spend: (T, S) currency.
        segments: (S,) "channel/tier".
        title: what is shown.

    Raises:
        ValueError: where it is not finite or does not fit the segments.
    """
    amounts = finite("spend", spend, 2)
    if amounts.shape[1] != len(segments):
        raise ValueError(f"spend has {amounts.shape[1]} columns for {len(segments)} segments: give one each")
    names, channel, tail = channels(segments), channel_index(segments), is_tail(segments)
    figure = new_figure(8.0, 4.0)
    axes = tidy(figure.add_subplot())
    slots, below = np.arange(len(amounts)), np.zeros(len(amounts))
    for s in np.lexsort((tail, channel)):
        colour = _CHANNELS[int(channel[s]) % len(_CHANNELS)]
        bars = axes.bar(slots, amounts[:, s], 1.0, bottom=below, color=colour, align="edge")
        if tail[s]:
            for bar in bars:
                bar.set(hatch="////", edgecolor="white", linewidth=0.0)
        below += amounts[:, s]
    axes.set_xlim(0, len(amounts))
    axes.set_xlabel("slot")
    axes.set_ylabel("spend, currency")
    axes.set_title(title, color=INK, loc="left")
    keys = [Patch(facecolor=_CHANNELS[k % len(_CHANNELS)], label=name) for k, name in enumerate(names)]
    if tail.any():
        keys.append(Patch(facecolor="#999999", hatch="////", edgecolor="white", label="long-tail content"))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=9)
    return figure


def nothing_bought(reason: str, title: str = "What the constraints cost") -> Figure:
    """In place of bars: why the plan buys nothing, so that no constraint has a price."""
    figure = new_figure(7.0, 1.8)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0.0, 0.5, "\n".join(wrap(reason, 80)), va="center", color=INK, fontsize=10)
    axes.set_title(title, color=INK, loc="left")
    return figure


def dual_bars(duals: Sequence[ConstraintDual], utility: float, title: str = "What the constraints cost") -> Figure:
    """Change of the utility, in percent of itself, when each bound rises by 1 %.

    Raises:
        ValueError: where there is no constraint, or `utility` is not positive.
    """
    if not duals or not utility > 0:
        raise ValueError(f"{len(duals)} constraints and utility {utility}: give at least one and a plan that buys")
    change = finite("duals", [100 * d.utility_per_unit * 0.01 * d.bound / utility for d in duals], 1)
    figure = new_figure(7.0, 0.45 * len(duals) + 1.4)
    axes = tidy(figure.add_subplot())
    places = np.arange(len(duals))[::-1]
    axes.barh(places, change, 0.6, color=[_GAIN if c >= 0 else _LOSS for c in change])
    axes.axvline(0.0, color=INK, linewidth=0.8)
    for place, value in zip(places, change, strict=True):
        text = f"{value:+.3f} %" if abs(value) > 5e-4 else "does not bind"
        side = 4 if value >= 0 else -4
        axes.annotate(
            text,
            (value, place),
            (side, 0),
            textcoords="offset points",
            va="center",
            ha="left" if value >= 0 else "right",
            fontsize=9,
        )
    axes.set_yticks(places, [f"{d.name} = {d.bound:.4g}" for d in duals])
    axes.set_ylim(-0.6, len(duals) - 0.4)
    axes.margins(x=0.3)  # room for the numbers
    axes.set_xlabel("change of utility when the bound rises by 1 %, in percent")
    axes.set_title(title, color=INK, loc="left")
    return figure

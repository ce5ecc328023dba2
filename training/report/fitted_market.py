"""The figure of a calibration: a fitted market beside the log it was fitted on."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.markets.fitted.compare import LAGS, LEVELS, MarketFit
from bidpilot.training.report.style import INK, new_figure, tidy

_RECORDED, _FITTED = "#d55e00", "#0072b2"
_LABELS = ("recorded", "fitted")


def fitted_market_figure(fit: MarketFit, title: str) -> Figure:
    """Six panels: price quantiles, value per price, win curve, autocorrelation, levels, curves of the day."""
    if not np.isfinite(fit.recorded.price).all():
        raise InvalidMarket("The recorded prices are not finite: nothing can be drawn.")
    figure = new_figure(12.0, 7.0)
    panels = [tidy(panel) for panel in figure.subplots(2, 3).ravel()]
    _quantiles(panels[0], fit.recorded.price, fit.fitted.price, "market price, quantiles 1 to 99 %")
    _quantiles(panels[1], fit.recorded.value_per_price, fit.fitted.value_per_price, "value per price, quantiles")
    _lines(panels[2], fit.recorded.price, fit.recorded.win_curve, fit.fitted.win_curve)
    panels[2].set_title("win curve", loc="left", color=INK, fontsize=10)
    panels[2].set_xlabel("bid, currency")
    panels[2].set_ylabel("share of auctions won")
    _autocorrelation(panels[3], fit)
    _levels(panels[4], fit)
    slots = np.arange(len(fit.recorded.demand))
    scale = fit.recorded.demand.mean()
    _lines(panels[5], slots, fit.recorded.demand / scale, fit.fitted.demand / scale)
    for side, colour in ((fit.recorded, _RECORDED), (fit.fitted, _FITTED)):
        panels[5].plot(slots, side.price_curve, color=colour, linewidth=1.4, linestyle="--")
    panels[5].set_title("demand (solid), price (dashed)", loc="left", color=INK, fontsize=10)
    panels[5].set_xlabel("slot")
    figure.suptitle(title, x=0.01, ha="left", color=INK)
    return figure


def _quantiles(axes: Axes, recorded: NDArray[np.float64], fitted: NDArray[np.float64], title: str) -> None:
    axes.plot(recorded, recorded, color=_RECORDED, linewidth=1.4, label=_LABELS[0])
    axes.plot(recorded, fitted, "o", color=_FITTED, markersize=3, label=_LABELS[1])
    if (recorded > 0).all() and (fitted > 0).all():
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set_title(title, loc="left", color=INK, fontsize=10)
    axes.set_xlabel("recorded")
    axes.set_ylabel("fitted")
    axes.legend(frameon=False, fontsize=8)


def _lines(
    axes: Axes, x: NDArray[np.floating | np.integer], recorded: NDArray[np.float64], fitted: NDArray[np.float64]
) -> None:
    axes.plot(x, recorded, color=_RECORDED, linewidth=2, label=_LABELS[0])
    axes.plot(x, fitted, color=_FITTED, linewidth=1.6, label=_LABELS[1])
    axes.legend(frameon=False, fontsize=8)


def _autocorrelation(axes: Axes, fit: MarketFit) -> None:
    styles = dict(zip(fit.recorded.autocorrelation, ("-", "--", ":"), strict=False))
    for side, colour in ((fit.recorded, _RECORDED), (fit.fitted, _FITTED)):
        for name, values in side.autocorrelation.items():
            axes.plot(LAGS[: len(values)], values, styles[name], color=colour, linewidth=1.6)
    axes.axhline(0.0, color=INK, linewidth=0.8)
    named = ", ".join(f"{name} {style}" for name, style in zip(styles, ("solid", "dashed", "dotted"), strict=False))
    axes.set_title(f"autocorrelation: {named}", loc="left", color=INK, fontsize=10)
    axes.set_xlabel("lag, slots")


def _levels(axes: Axes, fit: MarketFit) -> None:
    for place, name in enumerate(LEVELS):
        for side, colour, shift in ((fit.recorded, _RECORDED, 0.12), (fit.fitted, _FITTED, -0.12)):
            low, middle, high = side.levels[name]
            axes.plot([low, high], [place + shift, place + shift], color=colour, linewidth=5, alpha=0.4)
            axes.plot(middle, place + shift, "o", color=colour, markersize=6)
    axes.set_yticks(range(len(LEVELS)), [name.replace("_", " ") for name in LEVELS])
    axes.set_title("levels of blocks: 10, 50, 90 %", loc="left", color=INK, fontsize=10)
    axes.set_xlabel("factor on the mean")

"""First-price shading: the bid that maximises expected surplus at a value, fitted to the win curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.forecast import BidLandscape
from bidpilot.bidding.landscape.octaves import OctaveGrid

GRID = OctaveGrid(8, 3)
"""Factors are given at the lower edges of the bins of this grid, of values in units of the mean price."""
POINTS = GRID.bins
_FACTORS = np.linspace(1.0, 0.02, 99)


def grid() -> NDArray[np.float64]:
    """Values (POINTS,) in units of the mean price at which factors are tabulated."""
    return GRID.edges()[:-1]


def fit_shading(landscape: BidLandscape) -> NDArray[np.float64]:
    """Factors (POINTS,) f with bid = f * value, argmax over f of (1 - f) F(f * value), F the win curve.

    The bid never falls as the value rises.
    """
    order = np.argsort(landscape.price, kind="stable")
    prices = landscape.price[order] / landscape.mean_price
    win_curve = np.concatenate([[0.0], np.cumsum(landscape.weight[order])])
    values = grid()
    bids = values[:, None] * _FACTORS
    surplus = (1.0 - _FACTORS) * win_curve[np.searchsorted(prices, bids, side="right")]
    best = bids[np.arange(POINTS), np.argmax(surplus, axis=1)]
    factors: NDArray[np.float64] = np.maximum.accumulate(best) / values
    return factors


def shade(value: NDArray[np.float64], factors: NDArray[np.float64], unit: float) -> NDArray[np.float64]:
    """Bids for `value` of any shape, currency; `unit` is the mean price, currency."""
    points = grid()
    ratio = np.clip(value / unit, points[0], points[-1])
    return value * np.interp(ratio, points, factors)

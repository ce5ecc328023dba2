"""First-price shading: the bid that maximises expected surplus at a value, fitted to the win curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.forecast import BidLandscape

OCTAVES = 8  # factors are given for values between 2 ** -8 and 2 ** 8 times the mean price ...
PER_OCTAVE = 8  # ... at points that are evenly spaced inside an octave
POINTS = 2 * OCTAVES * PER_OCTAVE
_FACTORS = np.linspace(1.0, 0.02, 99)


def grid() -> NDArray[np.float64]:
    """Values (POINTS,) in units of the mean price at which factors are tabulated."""
    k = np.arange(POINTS)
    return 2.0 ** (k // PER_OCTAVE - OCTAVES) * (1.0 + (k % PER_OCTAVE) / PER_OCTAVE)


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

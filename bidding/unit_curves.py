"""What bids of `2 ** x` times a direction win, spend and bring, per auction of a landscape at unit level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding import curves
from bidpilot.bidding.forecast import BidLandscape
from bidpilot.bidding.shading import shade

_FINE = 64  # points to the octave at which shaded bids are inverted
_REACH = 24  # octaves above and below the mean price that values are told apart in


@dataclass(frozen=True)
class UnitCurves:
    """Curves over the bid scale for U directions."""

    wins: NDArray[np.float64]  # (U, POINTS) share of auctions won
    spend: NDArray[np.float64]  # (U, POINTS) currency per auction
    kpi: NDArray[np.float64]  # (U, 3, POINTS) per auction, conversions in money


def unit_curves(
    landscape: BidLandscape,
    direction: NDArray[np.float64],
    first_price: NDArray[np.bool_],
    shading: NDArray[np.float64] | None,
) -> UnitCurves:
    """Curves of directions (U, 3); `shading` factors are needed where `first_price` (U,) is true."""
    parts = direction[:, :, None] * landscape.value.T  # matrix products round differently for other U
    value = parts[:, 0] + parts[:, 1] + parts[:, 2]  # (U, M)
    price = np.broadcast_to(landscape.price, value.shape)
    if shading is not None and first_price.any():
        price = np.where(first_price[:, None], _value_that_wins(landscape, shading), price)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(landscape.price > 0, np.log2(price / value), -np.inf)
    weight = landscape.weight
    wins, spend, *kpi = curves.cumulative(
        needed, (weight, weight * landscape.price, *(weight * landscape.value[:, j] for j in range(3)))
    )
    if shading is not None:
        for row in np.flatnonzero(first_price):
            spend[row] = _first_price_spend(landscape, value[row], needed[row], shading)
    return UnitCurves(wins, spend, np.stack(kpi, axis=1))


def _value_that_wins(landscape: BidLandscape, shading: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least value (M,) whose shaded bid reaches each market price."""
    values = landscape.mean_price * 2.0 ** (np.arange(-_REACH * _FINE, _REACH * _FINE + 1) / _FINE)
    bids = np.maximum.accumulate(shade(values, shading, landscape.mean_price))
    return np.interp(landscape.price, bids, values)


def _first_price_spend(
    landscape: BidLandscape, value: NDArray[np.float64], needed: NDArray[np.float64], shading: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Spend (POINTS,) of one direction: every auction won at x pays its own bid at x.

    Values of one eighth of an octave share a shading factor, so that a table of value by scale needed
    holds all that the bids depend on.
    """
    size = 2 * _REACH * curves.PER_OCTAVE
    won = (value > 0) & (needed <= curves.HIGHEST)
    level = np.log2(value[won] / landscape.mean_price)
    column = np.clip(np.floor((level + _REACH) * curves.PER_OCTAVE), 0, size - 1).astype(np.int64)
    step = np.ceil(np.clip((needed[won] - curves.LOWEST) * curves.PER_OCTAVE, 0.0, curves.POINTS - 1)).astype(np.int64)
    amount = landscape.weight[won] * value[won]
    table = np.bincount(step * size + column, amount, curves.POINTS * size).reshape(curves.POINTS, size)
    scale = 2.0**curves.GRID
    middle = landscape.mean_price * 2.0 ** ((np.arange(size) + 0.5) / curves.PER_OCTAVE - _REACH)
    bids = middle * scale[:, None]  # (POINTS, size)
    factors = shade(bids, shading, landscape.mean_price) / bids
    spend: NDArray[np.float64] = np.einsum("kv,kv->k", factors, np.cumsum(table, axis=0)) * scale
    return spend

"""What bids of `2 ** x` times a direction win, spend and bring, per auction of a landscape at unit level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.kpi import CONVERSION
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import BidLandscape
from bidpilot.bidding.landscape.shading import shade

_FINE = 64  # points to the octave at which shaded bids are inverted
_REACH = 24  # octaves above and below the mean price that values are told apart in


class SegmentTerms(NamedTuple):
    """What sets segments apart in a direction: bids are `multiplier[s] * (direction . v + share[s])`."""

    multiplier: NDArray[np.float64]  # (U, S)
    share: NDArray[np.float64]  # (U, S) at the direction's scale


@dataclass(frozen=True)
class UnitCurves:
    """Curves over the bid scale for U directions."""

    wins: NDArray[np.float64]  # (U, POINTS) share of auctions won
    spend: NDArray[np.float64]  # (U, POINTS) currency per auction
    kpi: NDArray[np.float64]  # (U, 3, POINTS) per auction, conversions at the forecast's worth


def unit_curves(
    landscape: BidLandscape,
    direction: NDArray[np.float64],
    first_price: NDArray[np.bool_],
    shading: NDArray[np.float64] | None,
    terms: SegmentTerms | None = None,
) -> UnitCurves:
    """Curves of directions (U, 3); `shading` factors are needed where `first_price` (U,) is true."""
    value = _bids(landscape, direction, terms)
    needed = _needed(landscape, value, first_price, shading)
    weight = landscape.weight
    wins, spend, *kpi = curves.cumulative(
        needed, (weight, weight * landscape.price, *(weight * landscape.value[:, j] for j in range(3)))
    )
    if shading is not None:
        for row in np.flatnonzero(first_price):
            spend[row] = _first_price_spend(landscape, value[row], needed[row], shading)
    return UnitCurves(wins, spend, np.stack(kpi, axis=1))


def segment_curves(
    landscape: BidLandscape,
    direction: NDArray[np.float64],
    first_price: NDArray[np.bool_],
    shading: NDArray[np.float64] | None,
    terms: SegmentTerms,
) -> NDArray[np.float64]:
    """Wins, spend, conversions and value by segment, (U, S, 4, POINTS); first price is charged at market prices.

    The value is the direction's, `direction . v`.
    """
    needed = _needed(landscape, _bids(landscape, direction, terms), first_price, shading)
    worth = _bids(landscape, direction, None)
    parts = []
    for s in range(terms.share.shape[1]):
        here = landscape.segment == s
        weight = landscape.weight[here]
        amounts = (weight, weight * landscape.price[here], weight * landscape.value[here, CONVERSION])
        plain = curves.cumulative(needed[:, here], amounts)
        parts.append(np.stack([*plain, _own_sums(needed[:, here], weight * worth[:, here])], axis=1))
    return np.stack(parts, axis=1)


def _own_sums(needed: NDArray[np.float64], amount: NDArray[np.float64]) -> NDArray[np.float64]:
    """Curves (U, POINTS) of amounts (U, M) that differ by row."""
    return np.concatenate([curves.cumulative(n[None], (a,))[0] for n, a in zip(needed, amount, strict=True)])


def _bids(landscape: BidLandscape, direction: NDArray[np.float64], terms: SegmentTerms | None) -> NDArray[np.float64]:
    """Bids (U, M) at scale 1."""
    parts = direction[:, :, None] * landscape.value.T  # matrix products round differently for other U
    value: NDArray[np.float64] = parts[:, 0] + parts[:, 1] + parts[:, 2]
    if terms is not None:
        value = terms.multiplier[:, landscape.segment] * (value + terms.share[:, landscape.segment])
    return value


def _needed(
    landscape: BidLandscape,
    value: NDArray[np.float64],
    first_price: NDArray[np.bool_],
    shading: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """(U, M) log2 of the scale at which each auction is won."""
    price = np.broadcast_to(landscape.price, value.shape)
    if shading is not None and first_price.any():
        wins_at = value_that_wins(landscape.price, shading, landscape.mean_price)
        price = np.where(first_price[:, None], wins_at, price)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(landscape.price > 0, np.log2(price / np.maximum(value, 0.0)), -np.inf)
    return np.where((value > 0) | ((value == 0) & (landscape.price <= 0)), needed, np.inf)


def value_that_wins(price: NDArray[np.float64], shading: NDArray[np.float64], unit: float) -> NDArray[np.float64]:
    """The least value (M,) whose shaded bid reaches each market price (M,); `unit` is the mean price, currency."""
    values = unit * 2.0 ** (np.arange(-_REACH * _FINE, _REACH * _FINE + 1) / _FINE)
    bids = np.maximum.accumulate(shade(values, shading, unit))
    return np.interp(price, bids, values)


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

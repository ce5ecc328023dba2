"""The arithmetic of one auction, in one place: every kernel inlines these functions.

Predictions, prices and bids are float32, as the columns are. A compiled function kept on disk is renewed when its own
file changes, not when this one does: after a change here remove the `*.nbi` files below `envs/`.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from bidpilot.bidding.landscape import shading as shading_grid

THIN_STREAM, INVALID_STREAM, INTERACTED_STREAM, CONVERTED_STREAM = (np.uint64(k) for k in range(1, 5))
VIEW_STREAM, KIND_STREAM = np.uint64(5), np.uint64(6)
_SHADE_OCTAVES, _SHADE_POINTS = shading_grid.GRID.octaves, shading_grid.GRID.bins
_SHADE_SHIFT, _SHADE_FIRST = shading_grid.GRID.shift, shading_grid.GRID.first


@numba.njit(inline="always")
def uniform_hash(index: int | np.unsignedinteger, salt: np.uint64, stream: np.uint64) -> float:
    """A uniform number in [0, 1) that depends on the auction, the day's salt and the stream alone.

    The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    z = np.uint64(index) * np.uint64(0x9E3779B97F4A7C15) + salt + stream * np.uint64(0xD1B54A32D192ED03)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


class Overlay(NamedTuple):
    """A slot's overlay of invalid auctions."""

    share: np.float32
    source: np.int16
    salt: np.uint64


# Where a column may be None it is an argument: branches on an argument's type are cut before types are inferred.
@numba.njit
def keep_share(keep, b, t, s):  # type: ignore[no-untyped-def]
    """Share of segment s's auctions that arrive in row b's slot t."""
    if keep is None:
        return np.float32(1.0)
    return keep[b, t, s]


@numba.njit
def arrives(index, salt, keep, b, t, s):  # type: ignore[no-untyped-def]
    """Whether an auction of segment s is among those that arrive in row b's slot t."""
    if keep is None:
        return True
    return uniform_hash(index, salt, THIN_STREAM) < keep[b, t, s]


@numba.njit(inline="always")
def overlaid(index, salt, share):  # type: ignore[no-untyped-def]
    """Whether an auction is among the `share` that the day's overlay makes invalid."""
    return share > 0.0 and uniform_hash(index, salt, INVALID_STREAM) < share


@numba.njit(inline="always")
def origin_of(index, overlay, source, invalid):  # type: ignore[no-untyped-def]
    """The source that an auction comes from and whether it is invalid: its columns', or the overlay's."""
    moved = overlaid(index, overlay.salt, overlay.share)
    return overlay.source if moved else source, invalid or moved


@numba.njit(inline="always")
def market_price(price, scale):  # type: ignore[no-untyped-def]
    """The price of the day: the log's times the scale of slot and segment."""
    return price * scale


@numba.njit(inline="always")
def weights_of(coefficients, calibration):  # type: ignore[no-untyped-def]
    """What coefficients (3,) multiply the log's triple by, calibration (3,) included; three float32."""
    return (
        np.float32(coefficients[0] * calibration[0]),
        np.float32(coefficients[1] * calibration[1]),
        np.float32(coefficients[2] * calibration[2]),
    )


@numba.njit(inline="always")
def worth_of(weights, scale, exposure, interaction, conversion):  # type: ignore[no-untyped-def]
    """`alpha . v` of an auction whose interaction and conversion have the value scale `scale`."""
    by_exposure, by_interaction, by_conversion = weights
    return by_exposure * exposure + scale * (by_interaction * interaction + by_conversion * conversion)


@numba.njit(inline="always")
def bid_of(worth, multiplier, beta):  # type: ignore[no-untyped-def]
    """The bid rule, `bidpilot.bidding.rule`, before gate and shading."""
    return multiplier * worth + beta


@numba.njit(inline="always")
def octave_bin(ratio, shift, first, bins):  # type: ignore[no-untyped-def]
    """Bin of a positive number on a `bidpilot.bidding.landscape.octaves.OctaveGrid`."""
    return min(max((np.float32(ratio).view(np.int32) >> shift) - first, 0), bins - 1)


@numba.njit(inline="always")
def shaded(value, factors, unit):  # type: ignore[no-untyped-def]
    """The bid for a value under first price: the value times a factor, linear between grid points."""
    if value <= 0.0:
        return value
    ratio = np.float32(value / unit)
    k = octave_bin(ratio, _SHADE_SHIFT, _SHADE_FIRST, _SHADE_POINTS)
    octave = k >> 3
    low = 2.0 ** (octave - _SHADE_OCTAVES) * (1.0 + (k & 7) / 8.0)
    width = 2.0 ** (octave - _SHADE_OCTAVES) / 8.0
    inside = min(max((ratio - low) / width, 0.0), 1.0)
    following = factors[min(k + 1, _SHADE_POINTS - 1)]
    return value * (factors[k] + (following - factors[k]) * inside)

"""The arithmetic of one auction, in one place: every kernel inlines these functions.

Predictions, prices and bids are float32, as the columns are. A compiled function kept on disk is renewed when its own
file changes, not when this one does: after a change here remove the `*.nbi` files below `envs/`.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape import shading as shading_grid
from bidpilot.envs.logs.day_batch import INVALID_VIEWS

THIN_STREAM, INVALID_STREAM, INTERACTED_STREAM, CONVERTED_STREAM = (np.uint64(k) for k in range(1, 5))
VIEW_STREAM, KIND_STREAM, VIRAL_STREAM, BAD_SOURCE_STREAM, SOURCE_THIN_STREAM = (np.uint64(k) for k in range(5, 10))
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


class SlotSources(NamedTuple):
    """What a row's slot does to sources, the fields of `SourceDays` there."""

    viral_share: np.float32
    viral_source: np.int16
    invalid_rate: NDArray[np.float32]  # (C,)
    keep: NDArray[np.float32]  # (C,)
    fake_events: np.float32
    fake_views: np.float32
    tracked: np.bool_


class Overlay(NamedTuple):
    """A slot's overlay of invalid auctions, and what it does to sources."""

    share: np.float32
    source: np.int16
    salt: np.uint64
    sources: SlotSources | None


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


@numba.njit
def slot_sources(sources, b, t):  # type: ignore[no-untyped-def]
    """What row b's slot t does to sources; None where the days do nothing to them."""
    if sources is None:
        return None
    return SlotSources(
        sources.viral_share[b, t],
        sources.viral_source[b, t],
        sources.invalid_rate[b],
        sources.keep[b, t],
        sources.fake[b, 0],
        sources.fake[b, 1],
        sources.tracked[b, t],
    )


@numba.njit(inline="always")
def overlay_of(days, b, t):  # type: ignore[no-untyped-def]
    """The overlay of row b's slot t."""
    return Overlay(days.invalid_share[b, t], days.invalid_source[b, t], days.salt[b], slot_sources(days.sources, b, t))


@numba.njit
def moves(share, sources):  # type: ignore[no-untyped-def]
    """Whether a slot moves any auction to another source, with this share of invalid ones."""
    if sources is None:
        return share > 0.0
    return share > 0.0 or sources.viral_share > 0.0


@numba.njit
def source_arrives(index, salt, sources, source):  # type: ignore[no-untyped-def]
    """Whether an auction of the log's source `source` is among those that arrive."""
    if sources is None:
        return True
    return uniform_hash(index, salt, SOURCE_THIN_STREAM) < sources.keep[source]


@numba.njit
def _by_source(index, salt, sources, source, invalid):  # type: ignore[no-untyped-def]
    """Where an auction comes from that no overlay moves, and whether it is invalid."""
    if sources is None:
        return source, invalid
    if sources.viral_share > 0.0 and uniform_hash(index, salt, VIRAL_STREAM) < sources.viral_share:
        return sources.viral_source, invalid
    return source, invalid or uniform_hash(index, salt, BAD_SOURCE_STREAM) < sources.invalid_rate[source]


@numba.njit(inline="always")
def origin_of(index, overlay, source, invalid):  # type: ignore[no-untyped-def]
    """The source that an auction comes from and whether it is invalid: its columns', or what the day makes of them."""
    moved = overlaid(index, overlay.salt, overlay.share)
    source, invalid = _by_source(index, overlay.salt, overlay.sources, source, invalid)
    return overlay.source if moved else source, invalid or moved


@numba.njit
def worth_counting(sources, b, t, c):  # type: ignore[no-untyped-def]
    """Share of the auctions of the log's source c that arrive in row b's slot t, and of these that it leaves valid."""
    if sources is None:
        return np.float32(1.0), np.float32(1.0)
    bad = (np.float32(1.0) - sources.viral_share[b, t]) * sources.invalid_rate[b, c]
    return sources.keep[b, t, c], np.float32(1.0) - bad


@numba.njit
def faked(sources):  # type: ignore[no-untyped-def]
    """Interaction events and views of an invalid win, relative to a valid one."""
    if sources is None:
        return np.float32(0.0), np.float32(INVALID_VIEWS)
    return sources.fake_events, sources.fake_views


@numba.njit
def is_tracked(sources):  # type: ignore[no-untyped-def]
    """Whether anything is told of what wins bring."""
    if sources is None:
        return True
    return sources.tracked


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

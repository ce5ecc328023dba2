"""Curves over the bid scale: what bids of `2 ** x` times a direction win, spend and bring.

A direction is a triple of coefficients; at scale `2 ** x` the bid for an auction is
`2 ** x * direction . v`. Curves are tabulated on one grid of x and linear between its points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = -5, 11  # octaves of bid scale
PER_OCTAVE = 8
POINTS = (HIGHEST - LOWEST) * PER_OCTAVE + 1
GRID = LOWEST + np.arange(POINTS) / PER_OCTAVE
"""The grid of x, log2 of the bid scale."""


def cumulative(
    needed: NDArray[np.float64], amounts: tuple[NDArray[np.float64], ...]
) -> tuple[NDArray[np.float64], ...]:
    """Curves (U, POINTS) of each of `amounts` (M,) over the auctions whose `needed` (U, M) scale, log2, is reached.

    Exact at the grid points: an auction counts from the first point at which its scale is reached.
    """
    rows = needed.shape[0]
    position = np.clip((needed - LOWEST) * PER_OCTAVE, 0.0, POINTS)
    bins = np.ceil(position).astype(np.int64)
    bins += np.arange(rows)[:, None] * (POINTS + 1)
    flat = bins.ravel()
    out = []
    for amount in amounts:
        weights = np.broadcast_to(amount, needed.shape).ravel()
        counts = np.bincount(flat, weights, rows * (POINTS + 1)).reshape(rows, POINTS + 1)[:, :POINTS]
        out.append(np.cumsum(counts, axis=1))
    return tuple(out)  # type: ignore[arg-type]


def lookup(curve: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of `curve` (U, POINTS) at `x` (U,) or (U, K), linear between grid points, held beyond the ends."""
    position = np.clip((x - LOWEST) * PER_OCTAVE, 0.0, POINTS - 1.0)
    low = np.minimum(position.astype(np.int64), POINTS - 2)
    fraction = position - low
    base = np.arange(curve.shape[0]) * POINTS
    flat = low + (base if x.ndim == 1 else base[:, None])
    values = curve.ravel()
    below = values[flat]
    return below + fraction * (values[flat + 1] - below)


def invert(curve: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The x (U,) at which a non-decreasing `curve` (U, POINTS) reaches `target` (U,), within the grid."""
    above = np.clip((curve < target[:, None]).sum(axis=1), 1, POINTS - 1)
    rows = np.arange(curve.shape[0])
    high, low = curve[rows, above], curve[rows, above - 1]
    rise = high - low
    fraction = np.clip(np.divide(target - low, rise, out=np.ones_like(rise), where=rise > 0), 0.0, 1.0)
    return GRID[above - 1] + fraction / PER_OCTAVE  # type: ignore[no-any-return]


def last_kept(excess: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest x (U,) up to `scale` (U,) at which `excess` (U, POINTS), linear between points, is at most 0.

    The lowest x where it never is.
    """
    kept = (excess <= 0) & (scale[:, None] >= GRID)
    last = np.where(kept.any(axis=1), POINTS - 1 - np.argmax(kept[:, ::-1], axis=1), 0)
    rows, after = np.arange(len(scale)), np.minimum(last + 1, POINTS - 1)
    low, high = excess[rows, last], excess[rows, after]
    part = np.divide(-low, high - low, out=np.zeros_like(low), where=(high > 0) & (low <= 0))
    return np.minimum(GRID[last] + part / PER_OCTAVE, scale)  # type: ignore[no-any-return]


def shifted_mean(
    curve: NDArray[np.float64], shifts: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """sum_k weights[:, k] * curve(x + shifts[:, k]) on the grid: (U, POINTS) from shifts, weights (U, K).

    A shift between two grid points is shared between them; the sum is one convolution by FFT.
    """
    rows = curve.shape[0]
    reach = POINTS - 1
    position = np.clip(shifts * PER_OCTAVE, -reach, reach - 1)
    low = np.floor(position)
    fraction = position - low
    width = 2 * reach + 2
    # curve(x + s) is a correlation: reverse the kernel
    index = (reach - low).astype(np.int64) + np.arange(rows)[:, None] * width
    kernel = np.bincount(index.ravel(), (weights * (1 - fraction)).ravel(), rows * width)
    kernel += np.bincount(index.ravel() - 1, (weights * fraction).ravel(), rows * width)[: rows * width]
    padded = np.concatenate([curve, np.repeat(curve[:, -1:], reach + 1, axis=1)], axis=1)
    size = 1 << int(np.ceil(np.log2(padded.shape[1] + width)))
    spectrum = np.fft.rfft(padded, size) * np.fft.rfft(kernel.reshape(rows, width), size)
    full = np.fft.irfft(spectrum, size)[:, reach : reach + POINTS]
    return np.maximum.accumulate(np.maximum(full, 0.0), axis=1)

"""Interquartile means with bootstrap intervals, resampled by day or by the unit that days share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean

_RESAMPLES = 2000
_CELLS = 1 << 20  # resamples times days that are held at a time


def interquartile_mean(values: NDArray[np.float64]) -> float:
    """Mean of the middle half."""
    return float(trim_mean(values, 0.25))


def interval(
    values: NDArray[np.float64], units: NDArray[np.int64], generator: np.random.Generator, trim: float = 0.25
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the trimmed mean of `values` (D,), resampling whole `units` (D,)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    names, unit = np.unique(units, return_inverse=True)
    picks = generator.integers(len(names), size=(_RESAMPLES, len(names)))
    step = max(1, _CELLS // len(values))
    means = np.concatenate(
        [
            _trimmed_means(ordered, _counts(picks[first : first + step])[:, unit[order]], trim)
            for first in range(0, _RESAMPLES, step)
        ]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _counts(picks: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each of U units was drawn, (R, U), from draws (R, U)."""
    rows, units = picks.shape
    flat = picks + units * np.arange(rows)[:, None]
    return np.bincount(flat.ravel(), minlength=rows * units).reshape(rows, units)


def _trimmed_means(ordered: NDArray[np.float64], times: NDArray[np.int64], trim: float) -> NDArray[np.float64]:
    """Trimmed means (R,) of samples that hold ascending `ordered` (D,) so many `times` (R, D) each.

    As scipy's `trim_mean`: `int(trim * n)` entries are cut from either end of a sample of n.
    """
    last = np.cumsum(times, axis=1)  # place after an entry's last copy
    size = last[:, -1:]
    cut = (trim * size).astype(np.int64)
    kept = np.minimum(last, size - cut) - np.maximum(last - times, cut)
    means: NDArray[np.float64] = np.maximum(kept, 0) @ ordered / (size - 2 * cut)[:, 0]
    return means

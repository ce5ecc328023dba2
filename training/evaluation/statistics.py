"""Interquartile means with bootstrap intervals, resampled by day or by the unit that days share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean

_RESAMPLES = 2000


def interquartile_mean(values: NDArray[np.float64]) -> float:
    """Mean of the middle half."""
    return float(trim_mean(values, 0.25))


def interval(
    values: NDArray[np.float64], units: NDArray[np.int64], generator: np.random.Generator, trim: float = 0.25
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the trimmed mean of `values` (D,), resampling whole `units` (D,)."""
    members = [np.flatnonzero(units == u) for u in np.unique(units)]
    if all(len(m) == 1 for m in members):
        picks = generator.integers(len(values), size=(_RESAMPLES, len(values)))
        means = trim_mean(values[picks], trim, axis=1)
    else:
        means = np.array(
            [
                trim_mean(np.concatenate([values[members[k]] for k in row]), trim)
                for row in generator.integers(len(members), size=(_RESAMPLES, len(members)))
            ]
        )
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)

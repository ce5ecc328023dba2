"""Trimmed means of days with intervals that respect the groups of days: bootstrap where many, Student's t where few.

Days that share a period are one unit: what they have in common is seen once. A percentile bootstrap over few units
is too narrow, since it never sees a unit that was not drawn; `benchmarks/intervals.py` simulates how often each
method covers the truth.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

LEAST: Final = 3
"""Units below which there is no interval, and so no verdict."""
FEW: Final = 100
"""Units from which on they are resampled; below, Student's t over a jackknife covers more."""
NO_INTERVAL: Final = (None, None)
"""The ends of an interval that there is not."""
_RESAMPLES = 2000
_CELLS = 1 << 20  # resamples times days that are held at a time
_TAILS = (0.025, 0.975)  # quantiles that a 95 % interval ends at


def interquartile_mean(values: NDArray[np.float64]) -> float:
    """Mean of the middle half."""
    return _trimmed_mean(values, 0.25)


def paired(
    gap: NDArray[np.float64], units: NDArray[np.int64], seed: int = 0
) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of the mean of differences `gap` (D,) whose days belong to `units` (D,); no ends below `LEAST`."""
    return interval(gap, units, np.random.default_rng(seed), trim=0.0) or NO_INTERVAL


def interval(
    values: NDArray[np.float64], units: NDArray[np.int64], generator: np.random.Generator, trim: float = 0.25
) -> tuple[float, float] | None:
    """95 % interval of the trimmed mean of `values` (D,), whose days belong to `units` (D,); None below `LEAST` units.

    From `FEW` units on a percentile bootstrap of whole units, which `generator` draws. Below, the trimmed mean plus
    and minus Student's t times its jackknife error over U units, `sqrt((U - 1) / U sum (theta_k - mean theta)^2)` with
    theta_k the trimmed mean without unit k (Efron and Stein 1981). The degrees of freedom are the units that trimming
    keeps, less one, and at least 2 (Tukey and McLaughlin 1963): what is cut tells nothing of the spread of the rest.
    """
    names, unit = np.unique(units, return_inverse=True)
    if len(names) < LEAST:
        return None
    order = np.argsort(values, kind="stable")
    ordered, unit = values[order], unit[order]
    if len(names) < FEW:
        return _student(ordered, unit, len(names), trim)
    return _bootstrap(ordered, unit, generator.integers(len(names), size=(_RESAMPLES, len(names))), trim)


def _student(ordered: NDArray[np.float64], unit: NDArray[np.int64], units: int, trim: float) -> tuple[float, float]:
    """Ends for ascending `ordered` (D,), the day d of unit `unit[d]`, by the units left out one at a time."""
    without = 1 - np.eye(units, dtype=np.int64)
    others = _trimmed_means(ordered, without[:, unit], trim)
    error = math.sqrt((units - 1) / units * float(np.square(others - others.mean()).sum()))
    kept = units - 2 * int(trim * units)
    reach, whole = float(stdtrit(max(kept - 1, 2), _TAILS[1])) * error, _trimmed_mean(ordered, trim)
    return whole - reach, whole + reach


def _bootstrap(
    ordered: NDArray[np.float64], unit: NDArray[np.int64], picks: NDArray[np.int64], trim: float
) -> tuple[float, float]:
    """Ends for ascending `ordered` (D,), the day d of unit `unit[d]`, by the units drawn, `picks` (R, U)."""
    step = max(1, _CELLS // len(ordered))
    means = np.concatenate(
        [
            _trimmed_means(ordered, _counts(picks[first : first + step])[:, unit], trim)
            for first in range(0, len(picks), step)
        ]
    )
    low, high = np.quantile(means, _TAILS)
    return float(low), float(high)


def _counts(picks: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each of U units was drawn, (R, U), from draws (R, U)."""
    rows, units = picks.shape
    flat = picks + units * np.arange(rows)[:, None]
    return np.bincount(flat.ravel(), minlength=rows * units).reshape(rows, units)


def _trimmed_mean(values: NDArray[np.float64], trim: float) -> float:
    """scipy's `trim_mean` of `values` (D,) to the bit; `scipy.stats` takes most of a second to load."""
    cut, size = int(trim * len(values)), len(values)
    return float(np.partition(values, (cut, size - cut - 1))[cut : size - cut].mean())


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

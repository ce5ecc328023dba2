"""What one more of each thing goes with in order value: a regression through the origin, with intervals by day.

Order value of exposure i on K columns x_i that are never negative, such as its predicted KPIs,

    value_i = sum_k worth_k x_ik + noise_i,   worth_k >= 0

by least squares under the bound (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23). Orders are rare
events, whose variance goes with their mean: a second fit weighs each exposure by one over what the first expects of it,
but no exposure more than ten times the mean one. Days are resampled whole for the intervals (2.5 and 97.5 %), so that
what a day does to all its exposures is no evidence; few days make resamples too narrow, so that these are spread by
D / (D - K) and by Student's t over the normal's quantile (as HC3 does: MacKinnon and White 1985). It says what goes
together, not what causes what.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import norm
from scipy.stats import t as student

from bidpilot.training.roi.intervals import Array

SAMPLES: Final = 1000
_FLOOR: Final = 0.1  # of the mean expected value, below which no exposure weighs more


@dataclass(frozen=True)
class Worth:
    """What one of each of K columns goes with in order value, currency."""

    estimate: Array  # (K,) >= 0; 0 of a column in which there is nothing
    samples: Array  # (R, K) the same of resampled days

    def ends(self, alpha: float = 0.05) -> tuple[Array, Array]:
        """Ends of the interval of each, (K,)."""
        low, high = np.quantile(self.samples, (alpha / 2, 1 - alpha / 2), axis=0)
        return low, high


def worth(columns: Array, value: Array, day: NDArray[np.int64], samples: int = SAMPLES, seed: int = 0) -> Worth:
    """Fit what one of each column is worth.

    Args:
        columns: (N, K) >= 0.
        value: (N,) order value, currency.
        day: (N,) day of each, from 0.
        samples: how often days are resampled.
        seed: of the resampling.
    """
    days = int(day.max()) + 1
    first = _solve(*(part.sum(axis=0) for part in _sums(columns, value, day, days, np.ones(len(value)))))
    expected = columns @ first
    floor = _FLOOR * float(expected.mean())
    weight = 1.0 / np.maximum(expected, floor) if floor > 0 else np.ones(len(value))
    gram, cross = _sums(columns, value, day, days, weight)
    drawn = np.random.default_rng(seed).multinomial(days, np.full(days, 1 / days), samples).astype(np.float64)
    grams, crosses = np.einsum("rd,dij->rij", drawn, gram), drawn @ cross
    found = np.stack([_solve(g, c) for g, c in zip(grams, crosses, strict=True)])
    estimate = _solve(gram.sum(axis=0), cross.sum(axis=0))
    return Worth(estimate, np.maximum(estimate + _spread(days, columns.shape[1]) * (found - estimate), 0.0))


def _spread(days: int, number: int) -> float:
    """What resamples of few days are too narrow by."""
    free = max(days - number, 1)
    return days / free * float(student.ppf(0.975, free) / norm.ppf(0.975))


def _sums(columns: Array, value: Array, day: NDArray[np.int64], days: int, weight: Array) -> tuple[Array, Array]:
    """By day: the Gram matrix (D, K, K) and the products with the value (D, K)."""
    number = columns.shape[1]
    gram, cross = np.zeros((days, number, number)), np.zeros((days, number))
    for i in range(number):
        weighted = weight * columns[:, i]
        cross[:, i] = np.bincount(day, weighted * value, days)
        for j in range(i, number):
            gram[:, i, j] = gram[:, j, i] = np.bincount(day, weighted * columns[:, j], days)
    return gram, cross


def _solve(gram: Array, cross: Array) -> Array:
    """The coefficients >= 0 of least squares, from its normal equations; 0 of an empty column."""
    scale = np.sqrt(np.diag(gram))
    there = np.flatnonzero(scale > 0)
    found = np.zeros(len(cross))
    if not len(there):
        return found
    unit = gram[np.ix_(there, there)] / np.outer(scale[there], scale[there])
    values, vectors = np.linalg.eigh(unit)
    roots = np.sqrt(np.maximum(values, 1e-12))
    matrix, target = roots[:, None] * vectors.T, (vectors.T @ (cross[there] / scale[there])) / roots
    found[there] = nnls(matrix, target)[0] / scale[there]
    return found

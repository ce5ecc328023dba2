"""What two arms are compared by: contrasts of running means of paired units, with the spread of one unit.

A contrast is a smooth function f of the means m_t of several columns. By the delta method its error after t units is
that of a mean of g . (column - m_t), g the gradient at m_t, so that the interval of a mean holds for it too
(Waudby-Smith et al. 2024, on estimators that are asymptotically linear): its spread per unit is sqrt(g' C_t g), C_t
the running covariance. Pairing is in C_t: what a day does to both arms alike cancels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Path:
    """A contrast after each of T units; leading axes are experiments."""

    estimate: Array  # (..., T); NaN where it has no value yet
    std: Array  # (..., T) spread of one unit; infinite where the estimate has no value, or one unit alone is known

    @property
    def units(self) -> Array:
        """1 to T."""
        return np.arange(1.0, self.estimate.shape[-1] + 1.0)


def log_ratio(treated: Array, control: Array) -> Path:
    """Log of the ratio of two means, of paired columns (..., T): relative difference, so that scale does not count."""
    return _of_logs([treated, control], (1.0, -1.0))


def log_ratio_of_rates(treated: tuple[Array, Array], control: tuple[Array, Array]) -> Path:
    """Log of the ratio of two rates, each the mean of a numerator over that of its denominator, columns (..., T)."""
    return _of_logs([*treated, *control], (1.0, -1.0, -1.0, 1.0))


def difference_of_shares(treated: tuple[Array, Array], control: tuple[Array, Array]) -> Path:
    """Difference of two shares, each the mean of a part over that of its whole, columns (..., T)."""
    mean, covariance = _running([*treated, *control])
    part, whole = mean[..., [0, 2]], mean[..., [1, 3]]
    known = np.asarray((whole > 0).all(axis=-1))
    safe = np.where(whole > 0, whole, 1.0)
    share = part / safe
    by_part, by_whole = 1.0 / safe, -share / safe
    gradient = np.stack([by_part[..., 0], by_whole[..., 0], -by_part[..., 1], -by_whole[..., 1]], axis=-1)
    return _path(share[..., 0] - share[..., 1], gradient, covariance, known)


def _of_logs(columns: list[Array], signs: tuple[float, ...]) -> Path:
    """Signed sum of the logs of means."""
    mean, covariance = _running(columns)
    known = np.asarray((mean > 0).all(axis=-1))
    safe = np.where(mean > 0, mean, 1.0)
    weights = np.array(signs)
    return _path(np.log(safe) @ weights, weights / safe, covariance, known)


def _path(estimate: Array, gradient: Array, covariance: Array, known: NDArray[np.bool_]) -> Path:
    variance = np.einsum("...i,...ij,...j->...", gradient, covariance, gradient)
    known = known & (np.arange(1, estimate.shape[-1] + 1) > 1)
    return Path(np.where(known, estimate, np.nan), np.where(known, np.sqrt(np.maximum(variance, 0.0)), np.inf))


def _running(columns: list[Array]) -> tuple[Array, Array]:
    """Means (..., T, K) and unbiased covariances (..., T, K, K) of K columns (..., T) after each unit."""
    values = np.stack(columns, axis=-1).astype(np.float64)
    t = np.arange(1.0, values.shape[-2] + 1.0)[:, None]
    # of the values themselves: a column that is 0 so far has a mean of 0, and not what rounding leaves of a difference
    mean = np.cumsum(values, axis=-2) / t
    off = values - values.mean(axis=-2, keepdims=True)  # of no effect but on rounding
    apart = np.cumsum(off, axis=-2) / t
    product = np.cumsum(off[..., :, None] * off[..., None, :], axis=-3) / t[..., None]
    covariance = product - apart[..., :, None] * apart[..., None, :]
    return mean, covariance * (t / np.maximum(t - 1.0, 1.0))[..., None]

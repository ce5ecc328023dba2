"""What a scan looks at: windows of a day's slots, each reduced to one number per slot that it may end in.

Every feature is (B, T) of what is known at the end of each slot, not a number where its window does not fit yet.
Features of one metric are stacked along the last axis, in the order of its windows.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

WINDOWS: Final = (1, 2, 4, 8, 16)
"""Slots of the windows that a level is looked at over."""
CHANGES: Final = (*((after, before) for after in (1, 2, 4) for before in (1, 2, 3, 4)), (8, 8), (16, 16))
"""Slots after and before a change: levels last for some slots, and a step within them stands out."""
TOLD_WINDOWS: Final = (4, 8, 16)
"""Slots over which what was told is held against what was predicted; the day so far comes after them."""
PRIOR_EVENTS: Final = 4.0
"""Events, predicted and told alike, that a rate begins with: the gamma prior of its Poisson law."""
LEAST_SHAPE: Final = 4
"""Slots that a shape takes at least."""


def level_features(residual: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, T, F) means of the last slots' residuals (B, T), over `WINDOWS`, and against those before, over `CHANGES`."""
    total = _before(residual)
    mean = {window: _mean(total, window) for window in {*WINDOWS, *(length for pair in CHANGES for length in pair)}}
    changes = [mean[after] - _shifted(mean[before], after) for after, before in CHANGES]
    return np.stack([*(mean[window] for window in WINDOWS), *changes], axis=-1)


def told_features(told: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, T, F) log of told to predicted events (B, T) over windows and the day so far, drawn towards 1 by a prior.

    The posterior mean of a Poisson rate with a gamma prior of mean 1 (Gelman et al., "Bayesian Data Analysis", 2.6).
    """
    known, expected = _before(told), _before(predicted)
    found = []
    for window in TOLD_WINDOWS:
        sums = (_mean(total, window) * window for total in (known, expected))
        found.append(_rate(*sums))
    found.append(_rate(known[:, 1:], expected[:, 1:]))
    return np.stack(found, axis=-1)


def silence(told: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, T, 1) events predicted (B, T) in the slots since the last in which one was told, that one left out."""
    expected = _before(predicted)
    spoke = np.where(told > 0, np.arange(1, told.shape[1] + 1), 0)
    last = np.maximum.accumulate(spoke, axis=1)
    return (expected[:, 1:] - np.take_along_axis(expected, last, axis=1))[..., None]


def shape(residual: NDArray[np.float64], since: int = 0) -> NDArray[np.float64]:
    """(B, T, 1) root mean square of the day's residuals (B, T) so far about the best step function with one step.

    A shock is one step and leaves what days have anyway; a day of another curve does not. Slots before `since` are not
    asked for.
    """
    rows, slots = residual.shape
    total, square = _before(residual), _before(residual * residual)
    found = np.full((rows, slots), np.nan)
    for t in range(max(LEAST_SHAPE, since + 1), slots + 1):
        cut = np.arange(1, t)
        left, whole = total[:, 1:t], total[:, t : t + 1]
        explained = (left**2 / cut + (whole - left) ** 2 / (t - cut)).max(axis=1)
        found[:, t - 1] = np.sqrt(np.maximum(square[:, t] - explained, 0.0) / t)
    return found[..., None]


def _before(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, T + 1) sums of the slots before each."""
    return np.concatenate([np.zeros((len(x), 1)), np.cumsum(x, axis=1)], axis=1)


def _mean(total: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """(B, T) mean over the last `window` slots of what sums up to `total` (B, T + 1)."""
    slots = total.shape[1] - 1
    found = np.full((len(total), slots), np.nan)
    if slots >= window:
        found[:, window - 1 :] = (total[:, window:] - total[:, : slots + 1 - window]) / window
    return found


def _shifted(x: NDArray[np.float64], by: int) -> NDArray[np.float64]:
    """What `x` (B, T) was `by` slots earlier."""
    found = np.full_like(x, np.nan)
    found[:, by:] = x[:, : max(x.shape[1] - by, 0)]
    return found


def _rate(told: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log((told + PRIOR_EVENTS) / (predicted + PRIOR_EVENTS))

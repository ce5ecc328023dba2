"""Evidence in nats: what counts say for one mean against another."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def log_odds(chance: float) -> float:
    """Natural log of the odds of a probability in (0, 1)."""
    return math.log(chance / (1.0 - chance))


def chance_of(odds: Matrix) -> Matrix:
    """Probability of log odds."""
    chance: Matrix = 1.0 / (1.0 + np.exp(-odds))
    return chance


def evidence(count: Matrix, usual: Matrix, factor: Matrix | float, shape: float) -> Matrix:
    """Log-likelihood ratio (...) of a mean of `factor` > 0 times the `usual` against the usual, of a `count`.

    Counts are gamma-Poisson: sources scatter around a mean with a relative standard deviation of `shape ** -0.5`. With
    one shape `a` the ratio of two negative binomials is `a ln r + k (ln f + ln r)` with `r = (a + m) / (a + f m)`.
    """
    fall = np.log((shape + usual) / (shape + factor * usual))
    found: Matrix = (shape + count) * fall + count * np.log(factor)
    return found

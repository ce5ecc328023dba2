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


def evidence(count: Matrix, usual: Matrix, other: Matrix, shape: float) -> Matrix:
    """Log-likelihood ratio (...) of a mean of `other` against one of `usual`, both 0 where one is, of a `count`.

    Counts are gamma-Poisson: sources scatter around a mean with a relative standard deviation of `shape ** -0.5`. With
    one shape `a` the ratio of two negative binomials is `a ln r + k (ln(m' / m) + ln r)` with `r = (a + m) / (a + m')`.
    """
    fall = np.log((shape + usual) / (shape + other))
    step = np.log(np.divide(other, usual, out=np.ones_like(usual), where=usual > 0))
    found: Matrix = shape * fall + count * (step + fall)
    return found

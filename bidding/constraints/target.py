"""A target cost per conversion in the score: missing it costs the square of what is missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXPONENT = 2
"""Of what a missed target keeps of the score: the public auto-bidding convention."""


def target_factor(allowed: ArrayLike, spend: ArrayLike) -> NDArray[np.float64]:
    """What is left of a score (...): `min(1, allowed / spend) ** 2`, where the conversions allow `allowed` currency."""
    over = np.greater(spend, allowed)
    ratio: NDArray[np.float64] = np.where(over, allowed, 1.0) / np.where(over, spend, 1.0)
    return np.where(over, ratio**EXPONENT, 1.0)

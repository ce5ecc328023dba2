"""Levels of value and traffic: how they vary between and within days, and what is believed after some slots.

A level is a ratio to the forecast. Its log2 in slot t of block b of day d is modelled as
`day_d + block_db + slot_dt`, three independent terms with variances fitted on training days; the
estimates after some slots are the posterior means of that normal model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Posterior:
    """Posterior means, log2, and the weight that the day's own data have in them; each (3, B)."""

    day: NDArray[np.float64]
    block: NDArray[np.float64]
    trust: NDArray[np.float64]

    def about(self, expected: NDArray[np.float64]) -> Posterior:
        """The same against the mean day, of levels against days of which `expected` (3, B), log2, was expected."""
        return Posterior(self.day + expected, self.block + expected, self.trust)


def posterior(
    variance: tuple[NDArray[np.float64], ...],
    day_sum: NDArray[np.float64],
    seen: NDArray[np.float64],
    blocks: NDArray[np.float64],
    block_sum: NDArray[np.float64],
    block_seen: NDArray[np.float64],
) -> Posterior:
    """Beliefs after `seen` slots in `blocks` blocks, `block_seen` of them in the current block; all (3, B).

    `variance` is (day, block, slot); the sums are of log2 levels over those slots.
    """
    day_variance, block_variance, slot_variance = variance
    slots, some = np.maximum(seen, 1.0), np.maximum(block_seen, 1.0)
    of_mean = block_variance / np.maximum(blocks, 1.0)
    of_mean += slot_variance / slots
    of_mean += day_variance
    trust = day_variance / of_mean
    trust *= np.minimum(seen, 1.0)
    day = trust * day_sum
    day /= slots
    of_block = slot_variance / some
    of_block += block_variance
    weight = block_variance / of_block
    weight *= np.minimum(block_seen, 1.0)
    block = block_sum / some
    block -= day
    block *= weight
    block += day
    return Posterior(day, block, trust)

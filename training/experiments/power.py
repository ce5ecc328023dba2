"""How long an experiment takes: days until an effect is found, and the least effect that some days find.

The interval excludes 0 once the estimate exceeds its half width. After t units the estimate has a spread of
`std / sqrt(t)`, so that it is found with probability `power` at t at the latest where

    effect >= std * (radius(t) + z_power / sqrt(t))

which leaves the chances before t out: true durations are a little shorter.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from bidpilot.training.experiments.sequence import BURN_IN, mixture, radius

MOST_UNITS = 100_000


def least_effect(std: float, units: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Least relative effect that `units` find with this probability; `std` is that of a unit's log ratio.

    Infinite below `BURN_IN`.
    """
    wide = float(radius(units, mixture(units, alpha), alpha))
    return float(np.expm1(std * (wide + norm.ppf(power) / np.sqrt(units))))


def units_needed(std: float, effect: float, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Fewest units that find a relative effect with this probability; None beyond `MOST_UNITS`."""
    low, high = BURN_IN, MOST_UNITS
    if least_effect(std, high, alpha, power) > abs(effect):
        return None
    while low < high:
        middle = (low + high) // 2
        if least_effect(std, middle, alpha, power) <= abs(effect):
            high = middle
        else:
            low = middle + 1
    return low

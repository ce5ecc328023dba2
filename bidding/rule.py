"""The bid rule: one line for the whole product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rule:
    """The bid rule of B rows: `bid = m[segment] * (alpha . v) + beta[segment]`."""

    alpha: NDArray[np.float64]  # (B, 3) currency per unit of KPI
    multiplier: NDArray[np.float64]  # (B, S)
    beta: NDArray[np.float64]  # (B, S) currency per exposure


def price(rule: Rule, row: int, value: NDArray[np.floating], segment: NDArray[np.integer]) -> NDArray[np.float64]:
    """Bids (N,) of one row's rule for values (N, 3) in segments (N,), currency, before any shading."""
    bids: NDArray[np.float64] = rule.multiplier[row, segment] * (value @ rule.alpha[row]) + rule.beta[row, segment]
    return bids

"""The bid rule: one line for the whole product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidGate
from bidpilot.bidding.traffic.gate import Gate


@dataclass(frozen=True)
class Rule:
    """The bid rule of B rows: `bid = s[source] * (m[segment] * (alpha . v) + beta[segment])`.

    `s` is the gate's multiplier. The gate acts on the value, before any shading: at first price the discounted value
    is shaded.
    """

    alpha: NDArray[np.float64]  # (B, 3) currency per unit of KPI
    multiplier: NDArray[np.float64]  # (B, S)
    beta: NDArray[np.float64]  # (B, S) currency per exposure
    gate: Gate | None = None  # by source; None: `s` is 1 for all, nothing is refused
    price_level: NDArray[np.float64] | None = None  # (B,) that first-price bids are shaded at; None: the forecast's


def price(
    rule: Rule,
    row: int,
    value: NDArray[np.floating],
    segment: NDArray[np.integer],
    source: NDArray[np.integer] | None = None,
) -> NDArray[np.float64]:
    """Bids (N,) of one row's rule for values (N, 3) in segments (N,), currency, before any shading.

    With a gate by the sources (N,), 0 for those it refuses; quotas, which count a slot's requests, are not looked at.

    Raises:
        InvalidGate: the rule has a gate and no source is given.
    """
    bids: NDArray[np.float64] = rule.multiplier[row, segment] * (value @ rule.alpha[row]) + rule.beta[row, segment]
    if rule.gate is None:
        return bids
    if source is None:
        raise InvalidGate("the rule has a gate by source and the auctions' sources are unknown. Give `source`.")
    discounted: NDArray[np.float64] = rule.gate.multiplier[row, source] * bids
    return discounted

"""`constant`: one bid for every auction, whatever its value. Outside the action space, for evaluation only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, Forecast
from bidpilot.bidding.rule import Rule


def constant_bids(forecast: Forecast, budget: NDArray[np.float64], gain: float = 1.0) -> NDArray[np.float64]:
    """Bids (B,), currency, whose expected spend on the forecast is the budget (B,); times `gain`."""
    land = forecast.landscape
    order = np.argsort(land.price, kind="stable")
    price = land.price[order]
    levels, seen = forecast.block_levels
    total = float((forecast.auctions * forecast.price_curve).sum())
    spend = np.cumsum(land.weight[order] * price) * total * float(levels[seen][:, PRICE_LEVEL].mean())
    at = np.minimum(np.searchsorted(spend, budget), len(price) - 1)
    bids: NDArray[np.float64] = gain * price[at]
    return bids


def constant_rule(bids: NDArray[np.float64], segments: int) -> Rule:
    """The rule that bids `bids` (B,) for everything."""
    rows = len(bids)
    return Rule(
        alpha=np.zeros((rows, 3)),
        multiplier=np.ones((rows, segments)),
        beta=np.repeat(bids[:, None], segments, axis=1),
    )

"""Hindsight optimum: the most utility that a budget could have bought, every auction known in advance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign import CampaignBatch
from bidpilot.bidding.errors import InvalidCampaign
from bidpilot.envs.days import DayBatch, Market
from bidpilot.envs.materialise import materialise


def fractional_knapsack(value: NDArray[np.float64], price: NDArray[np.float64], budget: float) -> float:
    """max value . x subject to price . x <= budget, 0 <= x <= 1, for value, price (N,) >= 0. Exact (Dantzig 1957)."""
    worth = value > 0
    value, price = value[worth], price[worth]
    with np.errstate(divide="ignore"):
        order = np.argsort(-value / price, kind="stable")
    spend = np.cumsum(price[order])
    whole = int(np.searchsorted(spend, budget, side="right"))
    total = float(value[order[:whole]].sum())
    if whole < len(order):
        left = budget - (float(spend[whole - 1]) if whole else 0.0)
        total += float(value[order[whole]]) * left / float(price[order[whole]])
    return total


def hindsight_utility(
    market: Market, days: DayBatch, campaigns: CampaignBatch, ideal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """R* (B,) of `weighted_sum` with a budget: true values of valid auctions at market prices.

    An upper bound on every bidder, under first price too. `ideal` (B, 3) is the ideal point.

    Raises:
        InvalidCampaign: another scalarisation, or a CPA target.
    """
    if (campaigns.kind != 0).any() or np.isfinite(campaigns.max_cpa).any():
        raise InvalidCampaign(
            "the exact hindsight optimum covers weighted_sum with a budget; got another scalarisation or a CPA "
            "target. Use scalarisation weighted_sum without max_cpa."
        )
    out = np.empty(len(days))
    weights = np.where(campaigns.preference > 0, campaigns.preference / np.where(ideal > 0, ideal, 1.0), 0.0)
    for row in range(len(days)):
        day = materialise(market, days, row)
        value = day.true.astype(np.float64) @ weights[row]
        out[row] = fractional_knapsack(value, day.price.astype(np.float64), float(campaigns.budget[row]))
    return out

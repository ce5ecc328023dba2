"""The budget plan: what a plan says of a day, for the re-plan, the observation and reports to read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.spread import Spread

RATIO_QUANTILES = np.array([0.50, 0.75, 0.90, 0.97, 0.99])
"""Quantiles of value per price that are observed where prices are shown."""


@dataclass(frozen=True)
class BudgetPlan:
    """Plans of U campaigns; every array's first axis is U unless said."""

    ideal: NDArray[np.float64]  # (U, 3) z, own units of each KPI
    alpha: NDArray[np.float64]  # (U, 3) reference coefficients, currency per unit of KPI
    multiplier: NDArray[np.float64]  # (U, S) reference multipliers m, at most 1
    beta: NDArray[np.float64]  # (U, S) reference share prices, currency per exposure
    shadow_price: NDArray[np.float64]  # (U,) lambda, utility per unit of budget
    duals: tuple[dict[str, float], ...]  # U: constraint to utility per unit of its bound, see `Row`
    kpi: NDArray[np.float64]  # (U, 3) expected totals of the plan
    utility: NDArray[np.float64]  # (U,) of the expected totals
    spend: NDArray[np.float64]  # (U, T + 1) expected cumulative spend, currency; the last is the day's
    wins: NDArray[np.float64]  # (U, T) expected wins per slot
    market: NDArray[np.float64]  # (U,) spend that would buy every auction of the forecast, currency
    scale: NDArray[np.float64]  # (U,) log2 of the plan's bid scale on the curves' grid
    now: NDArray[np.float64]  # (U, POINTS) spend per auction at unit level
    later_unknown: NDArray[np.float64]  # (U, blocks + 1, POINTS) spend from block b on, day level unknown
    later_known: NDArray[np.float64]  # (U, blocks + 1, POINTS) the same at a known day level of 1
    ratio_quantiles: NDArray[np.float64]  # (U, 5) log2 of value per price at the reference coefficients
    mean_value: NDArray[np.float64]  # (U, 3) alpha times mean KPI per auction, currency
    value_spread: Spread  # (U,) of the log2 value level
    price_spread: Spread  # (1,)
    traffic_spread: Spread  # (1,)
    # (U, 3, S, 4, POINTS) wins, spend, conversions and value: of the day with its level unknown, of the day with it
    # known, and per auction at unit level; None without constraints
    by_segment: NDArray[np.float64] | None

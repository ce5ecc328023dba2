"""The forecast day under first price: the value that wins an auction, and what the rule's own bids pay.

A bid knows no price, so under first price the rule that bids the shaded value wins exactly the auctions whose market
price the shaded value reaches: an auction's *threshold* is the least value that does. It stands in for the price where
a program decides what to buy. What is bought then costs the shaded bids, which thresholds tell to within a factor
alone: prices differ between segments while the shading curve is one for all. That factor, the *charge*, is measured
for the rule that the day is binned for.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.binned import ForecastAuctions, forecast_auctions
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.landscape.shading import fit_shading, shade
from bidpilot.bidding.landscape.unit_curves import value_that_wins

_SLOT_GROUPS = 4  # of equal auctions, by price level
_LEAST, _MOST = 0.05, 20.0  # of a charge, where a rule wins next to nothing


@lru_cache(maxsize=8)
def first_price_auctions(forecast: Forecast) -> ForecastAuctions:
    """The un-binned day, each auction at its threshold.

    Raises:
        InvalidLandscape: the auctions carry no weight.
    """
    plain, land = forecast_auctions(forecast), forecast.landscape
    factors = fit_shading(land)
    charge = _Charge(forecast, plain.price, factors)
    return replace(plain, price=value_that_wins(plain.price, factors, land.mean_price), charge=charge)


def auctions_of(forecast: Forecast, first_price: bool) -> ForecastAuctions:
    """The un-binned day of an auction format."""
    return first_price_auctions(forecast) if first_price else forecast_auctions(forecast)


class _Charge:
    """What shaded bids pay, per threshold of what they win."""

    def __init__(self, forecast: Forecast, market_price: NDArray[np.float64], factors: NDArray[np.float64]) -> None:
        self._price, self._factors, self._unit = market_price, factors, forecast.landscape.mean_price
        order = np.argsort(forecast.price_curve, kind="stable")
        demand = forecast.auctions[order]
        part = ((np.cumsum(demand) - 0.5 * demand) * (_SLOT_GROUPS / demand.sum())).astype(np.int64)
        self._demand = np.bincount(part, demand, _SLOT_GROUPS)
        some = np.where(self._demand > 0, self._demand, 1.0)
        self._level = np.bincount(part, demand * forecast.price_curve[order], _SLOT_GROUPS) / some

    def __call__(self, auctions: ForecastAuctions, bid: NDArray[np.float64], segments: int) -> NDArray[np.float64]:
        """(S,) the ratio for a rule that bids `bid` (P,) before shading; that of all where a segment wins nothing."""
        pays = shade(np.maximum(bid, 0.0), self._factors, self._unit)
        paid, told = np.zeros(segments), np.zeros(segments)
        for demand, level in zip(self._demand, self._level, strict=True):
            count = demand * auctions.weight
            won = (bid > 0) & (pays >= level * self._price)
            paid += np.bincount(auctions.segment[won], (count * pays)[won], segments)
            bought = bid >= level * auctions.price
            told += np.bincount(auctions.segment[bought], (level * count * auctions.price)[bought], segments)
        known = (paid > 0) & (told > 0)
        overall = paid[known].sum() / told[known].sum() if known.any() else 1.0
        ratio = np.where(known, paid / np.where(known, told, 1.0), overall)
        return np.clip(ratio, _LEAST, _MOST)

"""Which prices of auctions are believed: an exchange's word moves the policy no further than prices there could be."""

from __future__ import annotations

import numpy as np

from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, Forecast

MARGIN = 4.0
"""How far a price may lie above the highest that training days showed, as a factor."""


def most_plausible(forecast: Forecast) -> float:
    """The highest price of an auction that is believed, currency per exposure.

    It is the landscape's highest, in the dearest slot of the dearest training day, times `MARGIN`. There is no lowest
    but 0: where nobody else bids, an auction is won at its floor, which may be 0.
    """
    level = np.where(forecast.observed, forecast.history[..., PRICE_LEVEL], 0.0) * forecast.price_curve
    highest = max(float(level.max(initial=0.0)), float(forecast.price_curve.max()))
    return MARGIN * float(forecast.landscape.price.max()) * highest

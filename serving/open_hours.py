"""Plans of campaigns that bid in some hours alone: to them a day has the traffic of these hours."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.plan.planner import Planner
from bidpilot.serving.flight import Flight

_MINUTES = 1440
_KEPT = 64  # planners of different hours


def planner_for(planner: Planner, flight: Flight | None) -> Planner:
    """The planner of a campaign: of the forecast's traffic in its hours, where it has any that the forecast has."""
    if flight is None or not flight.hours:
        return planner
    return _planner(planner, flight.hours)


def open_share(hours: tuple[tuple[float, float], ...], slots: int) -> NDArray[np.float64]:
    """The share (T,) of each slot's time that lies in the hours, to the minute."""
    hour = np.arange(_MINUTES) / 60.0
    is_open = np.zeros(_MINUTES, np.bool_)
    for begin, end in hours:
        is_open |= (begin <= hour) & (hour < end) if begin < end else (begin <= hour) | (hour < end)
    slot = np.arange(_MINUTES) * slots // _MINUTES
    share: NDArray[np.float64] = np.bincount(slot, is_open, slots) / np.maximum(np.bincount(slot, minlength=slots), 1)
    return share


@lru_cache(maxsize=_KEPT)
def _planner(planner: Planner, hours: tuple[tuple[float, float], ...]) -> Planner:
    forecast = planner.forecast
    auctions = forecast.auctions * open_share(hours, forecast.slots)
    return Planner(replace(forecast, auctions=auctions)) if auctions.sum() > 0 else planner

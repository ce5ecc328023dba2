"""What a horizon has spent so far, by campaign and channel, and what the running day may still spend."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.segments import channel_index, channels
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.training.rebalance.server import DaySpend, Spend

Vector = NDArray[np.float64]

_FAST = 2.0  # times as fast as traffic is to come the rest of a day may be spent


class Spent(NamedTuple):
    """Money of a horizon."""

    money: Vector  # (C, H) currency, by campaign and channel: what roll is told
    by_day: tuple[dict[date, float], ...]  # (C) currency of each day
    to_come: Vector  # (C,) currency of the running day that is not spent yet, part of `money`


def spent_so_far(forecast: Forecast, spends: Sequence[Spend], first: date) -> Spent:
    """What campaigns (C) have spent from `first` on.

    Debt is owed and counts as spent, as does what is held for bids and wins of days gone by. The running day counts
    with what may still come: what is held, or twice what its traffic to come would take at an even pace, within its
    budget. What the ledger has settled and the server knows no channel of goes by the channels that it knows of the
    day, of the campaign's other days, or of the forecast.
    """
    money = np.zeros((len(spends), len(channels(forecast.segments))))
    to_come, by_day = np.zeros(len(spends)), []
    for c, spend in enumerate(spends):
        left = traffic_left(forecast, spend.passed)
        known = {day: _by_channel(forecast, one) for day, one in spend.days.items() if day >= first}
        usual = sum(known.values(), np.zeros(money.shape[1]))
        usual = usual if usual.sum() > 0 else _market(forecast)
        amounts: dict[date, float] = {}
        for day, channel in known.items():
            one = spend.days[day]
            coming = _to_come(one, left) if day == spend.today else one.held
            if day == spend.today:
                to_come[c] = coming
            amounts[day] = one.settled + one.debt + coming
            split = channel if channel.sum() > 0 else usual
            money[c] += amounts[day] * split / split.sum()
        by_day.append(amounts)
    return Spent(money, tuple(by_day), to_come)


def traffic_left(forecast: Forecast, passed: float) -> float:
    """The share of a day's auctions that comes after the share `passed` of its time."""
    slots = forecast.slots
    arrived = np.concatenate([[0.0], np.cumsum(forecast.auctions)])
    return 1.0 - float(np.interp(passed * slots, np.arange(slots + 1), arrived) / arrived[-1])


def _to_come(day: DaySpend, traffic: float) -> float:
    left = max(day.budget - day.settled - day.debt, 0.0)
    return max(min(left, _FAST * traffic * day.budget), day.held)


def _by_channel(forecast: Forecast, day: DaySpend) -> Vector:
    return np.array([max(day.channels.get(name, 0.0), 0.0) for name in channels(forecast.segments)])


def _market(forecast: Forecast) -> Vector:
    """What all auctions of a day cost, by channel; only shares are of interest."""
    land = forecast.landscape
    segment = channel_index(forecast.segments)[land.segment.astype(np.int64)]
    money: Vector = np.bincount(segment, land.weight * land.price, len(channels(forecast.segments))).astype(np.float64)
    return money if money.sum() > 0 else np.ones_like(money)

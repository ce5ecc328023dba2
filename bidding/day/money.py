"""The money that a re-plan may count on: what the day will be found to have left, not what is free at the moment.

A win that is told late holds its bid until it is told, and has cost its price by then. So two amounts differ. What may
be *bid* now is the budget less what is settled and the bids held: that is the ledger's to say, and the environment's.
What may be *planned* with counts unreported wins at the price expected of them, but for those that are told only after
the day: their bids are held to its end, and so will be those of wins still to come.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.statistics import DayStatistics

_LAST_WINS = 0.75
"""Share that is kept of what the bids of the day's last wins are expected to hold beyond their prices: less than all,
since other slots bring more for the same money. Chosen on training days of `daily`, with wins 1, 2 and 6 slots late."""


def money_to_plan(statistics: DayStatistics, planned_spend: NDArray[np.float64]) -> NDArray[np.float64]:
    """Money (B,) to plan the rest of the day with, currency; `planned_spend` (T + 1, B) is the plan's, cumulative.

    What is settled and nothing else is missing from the budget where every win is told at once.
    """
    s, (settled, reserved) = statistics, statistics.budget()
    free: NDArray[np.float64] = np.maximum(s.campaigns.budget - settled - reserved, 0.0)
    if not reserved.any() and not s.campaigns.win_delay.any():
        return free
    ratio = _price_per_bid(s, settled)
    delay, t, rows = s.campaigns.win_delay, s.t, np.arange(len(settled))
    end = len(planned_spend) - 1
    late = np.where(delay > 0, np.maximum(end - 1 - delay, 0), end)  # wins from this slot on are not told in the day
    told = np.maximum(t - delay, 0)
    held = s.held()
    to_the_end = held[t] - held[np.clip(late, told, t), rows]
    left = free + (1.0 - ratio) * np.maximum(reserved - to_the_end, 0.0)
    rest = planned_spend[end] - planned_spend[t]
    last = (planned_spend[end] - planned_spend[np.maximum(late, t), rows]) / np.where(rest > 0, rest, 1.0)
    money: NDArray[np.float64] = left / (1.0 + _LAST_WINS * (1.0 / ratio - 1.0) * last)
    return money


def _price_per_bid(statistics: DayStatistics, settled: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a bid is expected to cost (B,) that has not been lost, per currency bid: as today's so far, or all of it."""
    told = statistics.reported(statistics.committed) + statistics.lapsed
    known = (settled > 0) & (told > 0)
    ratio: NDArray[np.float64] = np.where(known, np.minimum(settled / np.where(known, told, 1.0), 1.0), 1.0)
    return ratio

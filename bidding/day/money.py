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


def money_to_plan(
    statistics: DayStatistics, planned_spend: NDArray[np.float64], prices_told: bool = False
) -> NDArray[np.float64]:
    """Money (B,) to plan the rest of the day with, currency; `planned_spend` (T + 1, B) is the plan's, cumulative.

    What is settled and nothing else is missing from the budget where every win is told at once. With `prices_told`
    unreported wins count at the prices that they have, which no bidder knows.
    """
    s, (settled, reserved) = statistics, statistics.budget()
    free: NDArray[np.float64] = np.maximum(s.campaigns.budget - settled - reserved, 0.0)
    if s.prompt and not reserved.any():
        return free
    delay, t, rows = s.campaigns.win_delay, s.t, np.arange(len(settled))
    end = len(planned_spend) - 1
    late = np.where(delay > 0, np.maximum(end - 1 - delay, 0), end)  # wins from this slot on are not told in the day
    told = np.maximum(t - delay, 0)
    kept = np.clip(late, told, t)
    bids = s.committed[kept, rows] - s.reported(s.committed)  # of wins that the day is still told of
    if prices_told:
        ratio = _share(s.spend[t], s.committed[t])
        to_come = bids - (s.spend[kept, rows] - settled)
    else:
        told_bids = s.reported(s.committed)
        of_wins, ratio = _share(settled, told_bids), _share(settled, told_bids + s.lapsed)
        to_come = (1.0 - of_wins) * bids + (1.0 - ratio) * s.outstanding[kept, rows]
    rest = planned_spend[end] - planned_spend[t]
    last = (planned_spend[end] - planned_spend[np.maximum(late, t), rows]) / np.where(rest > 0, rest, 1.0)
    money: NDArray[np.float64] = (free + np.maximum(to_come, 0.0)) / (1.0 + _LAST_WINS * (1.0 / ratio - 1.0) * last)
    return money


def _share(paid: NDArray[np.float64], bid: NDArray[np.float64]) -> NDArray[np.float64]:
    """What bids cost (B,) per currency bid; all of it while nothing is known."""
    known = (paid > 0) & (bid > 0)
    share: NDArray[np.float64] = np.where(known, np.minimum(paid / np.where(known, bid, 1.0), 1.0), 1.0)
    return share

"""What weights are judged by: exposures of the last quarter with their KPIs, their events, and what orders brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import TooLittleEvidence
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.training.roi.purchases import Array, Purchases, Valued

QUARTER: Final = 91
"""Days that are looked at, at most: the last ones."""
LEAST_DAYS: Final = 28
LEAST_ORDERS: Final = 100.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """N exposures of D days whose outcomes are known.

    Raises:
        TooLittleEvidence: no outcome is known, or too few days or orders are.
    """

    days: tuple[str, ...]  # (D,) in time order
    day: NDArray[np.int64]  # (N,) in 0 .. D - 1
    kpi: Array  # (N, 3) predicted, as bids see them
    converted: Array  # (N,)
    value: Array  # (N,) currency, what its orders were worth
    funnel: NDArray[np.integer] | None  # (N, 7) events told, in the order of EVENTS; None: none were
    valued: Valued

    def __post_init__(self) -> None:
        if self.valued is Valued.expected:
            raise TooLittleEvidence(
                "no outcome is known, and expected conversions say nothing new of what KPIs are worth. Give a log with "
                "realised conversions, or decision logs with events."
            )
        orders = float(self.converted.sum())
        if len(self.days) < LEAST_DAYS or orders < LEAST_ORDERS:
            raise TooLittleEvidence(
                f"there are {len(self.days)} days with {orders:.0f} conversions; weights take {LEAST_DAYS} days and "
                f"{LEAST_ORDERS:.0f} conversions. Wait for more, or give more of the log."
            )

    @classmethod
    def of_log(cls, log: AuctionLog) -> Evidence:
        """Of all auctions of a recorded log, whoever won them.

        Raises:
            TooLittleEvidence: it records no conversions, as a log of decisions does (of which only won exposures tell:
                give their folder itself), or too few.
        """
        if log.converted is None:
            raise TooLittleEvidence(
                f"{log.name} records no conversions of all its auctions. Give a log that does, or the folder that a "
                "bid server logged its decisions to."
            )
        units = tuple(dict.fromkeys(day.unit for day in log.days))
        units = tuple(sorted(units)) if log.dates is not None else units
        length = log.offsets[:, -1] - log.offsets[:, 0]
        day = np.repeat(np.array([units.index(record.unit) for record in log.days], np.int64), length)
        worth = np.repeat(np.array([record.conversion_value for record in log.days]), length)
        kept, last = _last_quarter(units, day)
        converted = np.asarray(log.converted[kept], np.float64)
        value, valued = converted * worth[kept], Valued.constant
        if log.order_value is not None:
            told = np.asarray(log.order_value[kept], np.float64)
            untold = (told == 0) & (converted > 0)
            value, valued = np.where(untold, value, told), Valued.mixed if untold.any() else Valued.orders
        return cls(
            days=last,
            day=day[kept] - (len(units) - len(last)),
            kpi=np.stack([np.asarray(getattr(log, name)[kept], np.float64) for name in KPI], axis=1),
            converted=converted,
            value=value,
            funnel=None if log.funnel is None else log.funnel[kept],
            valued=valued,
        )

    @classmethod
    def of_purchases(cls, bought: Purchases) -> Evidence:
        """Of the exposures that were won.

        Raises:
            TooLittleEvidence: nothing or too little was told of them.
        """
        kept, last = _last_quarter(bought.days, bought.day)
        return cls(
            days=last,
            day=bought.day[kept] - (len(bought.days) - len(last)),
            kpi=bought.kpi[kept],
            converted=bought.converted[kept],
            value=bought.value[kept],
            funnel=None if bought.funnel is None else bought.funnel[kept],
            valued=bought.valued,
        )


def _last_quarter(days: Sequence[str], day: NDArray[np.int64]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which exposures (N,) are of the last 91 days, and these days; by dates where days have them."""
    try:
        begin = (date.fromisoformat(days[-1]) - timedelta(days=QUARTER - 1)).isoformat()
        last = tuple(name for name in days if date.fromisoformat(name).isoformat() >= begin)
    except ValueError:
        last = tuple(days[-QUARTER:])
    return day >= len(days) - len(last), last

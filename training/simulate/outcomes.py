"""What scenarios brought on days, and the metrics that are told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.kpi import CONVERSION, KPI

Array = NDArray[np.float64]

COUNTED: Final = "counted"
METRICS: Final = ("spend", *KPI, COUNTED, "cpa", "roi", "tail_share", "utility")
"""Spend, expected KPIs of valid exposures, conversions as they are counted, spend per expected conversion, worth of the
expected conversions per spend, share of wins on long-tail content, and the campaign's utility as it is scored."""


@dataclass(frozen=True)
class Outcomes:
    """K scenarios on the same D days. Money in currency, KPIs in their own units."""

    spend: Array  # (K, D)
    kpi: Array  # (K, D, 3) expected of valid exposures that were won
    counted: Array  # (K, D) conversions that were drawn or recorded
    wins: Array  # (K, D)
    tail_wins: Array  # (K, D) on long-tail content
    utility: Array  # (K, D) by the first scenario's preference, ideal point and target
    worth: Array  # (K,) of a conversion, currency

    def parts(self, metric: str) -> tuple[Array, Array]:
        """A metric as what it is the ratio of: (K, D) and (K, D); the latter is 1 where the metric is a plain total."""
        conversions = self.kpi[..., CONVERSION]
        one = np.ones_like(self.spend)
        ratios = {
            "cpa": (self.spend, conversions),
            "roi": (self.worth[:, None] * conversions, self.spend),
            "tail_share": (self.tail_wins, self.wins),
        }
        if metric in ratios:
            return ratios[metric]
        totals = {"spend": self.spend, COUNTED: self.counted, "utility": self.utility}
        totals |= {name: self.kpi[..., j] for j, name in enumerate(KPI)}
        return totals[metric], one

    def of_day(self, metric: str) -> Array:
        """(K, D) the metric of each day; NaN where it is a ratio to nothing."""
        above, below = self.parts(metric)
        return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)

    def at(self, days: NDArray[np.int64]) -> Outcomes:
        """The same scenarios on some of the days."""
        daily = {name: getattr(self, name)[:, days] for name in _DAILY}
        return Outcomes(**daily, worth=self.worth)


_DAILY = ("spend", "kpi", "counted", "wins", "tail_wins", "utility")


def counted_at(expected: Array, counted: Array, rates: Array) -> Array:
    """Conversions counted (K, D) at `rates` (K, 1) times those at which `expected` and `counted` (K, D) were drawn.

    Counts are Poisson's but for rare auctions of certain conversions: `f` times the mean has `f` times the variance,
    so that what was drawn beside the expectation grows by the square root. Never below 0.
    """
    return np.maximum(rates * expected + np.sqrt(rates) * (counted - expected), 0.0)

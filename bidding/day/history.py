"""The day's history: levels of its parts side by side, where other features hold one level of the day.

From them a network can tell a day whose demand runs otherwise over the hours from one that is higher or lower as a
whole, which the latest slot and the means do not show.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.feature import Feature
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES

EIGHTHS, SIXTHS, LATEST = 8, 6, 4
"""Parts of the day that traffic, and that value and price, are told of apart, and slots that traffic is told of."""
LEAST_SLOTS: Final = 4
"""Slots before which nothing is said of a change."""

_TRAFFIC = tuple(
    Feature(
        f"traffic_eighth_{k}", "history", -2, 2, f"log2 of auctions against the forecast, over 2, eighth {k} of the day"
    )
    for k in range(1, EIGHTHS + 1)
)
_LEVELS = tuple(
    Feature(f"{name}_sixth_{k}", "history", -2, 2, f"{meaning}, mean of the slots seen in sixth {k} of the day")
    for name, meaning in (
        ("value", "log2 of the value of requests against the forecast, over 2"),
        ("price", "log2 of the market price (0 where not shown) against the forecast, over 2"),
    )
    for k in range(1, SIXTHS + 1)
)
_RATIOS = tuple(
    Feature(
        f"ratio_{100 * q:.0f}_day",
        "history",
        -2,
        2,
        f"log2 of percentile {100 * q:.0f} of value per price against the forecast's, over 2, mean of auctions so far",
    )
    for q in RATIO_QUANTILES
)
_LATEST = tuple(
    Feature(f"traffic_back_{k}", "history", -2, 2, f"log2 of auctions against the forecast, over 2, {k} slots ago")
    for k in range(1, LATEST + 1)
)
CHANGE_AGE: Final = Feature("traffic_change_age", "history", 0, 1, "slots since that change, share of the day")
"""Of the most marked change that there is, however slight."""
_CHANGE = (
    Feature(
        "traffic_change", "history", -2, 2, "log2 level of traffic after its most marked change minus before, over 2"
    ),
    CHANGE_AGE,
)

FEATURES: Final[tuple[Feature, ...]] = (*_TRAFFIC, *_LEVELS, *_RATIOS, *_LATEST, *_CHANGE)
"""What is told of the history, in order. A part that has not begun, or showed nothing, tells 0."""


class History:
    """The features of B rows over one day, written slot by slot: each slot costs the same, whatever has passed.

    Parts of the day are of equal length, eighths and sixths, so that their number does not depend on a market's slots
    and blocks; of days of six blocks a sixth is a block. A slot belongs to the part in which it begins.
    """

    def __init__(self, forecast: Forecast, rows: int) -> None:
        slots = forecast.slots
        self.features = np.zeros((len(FEATURES), rows))
        """As far as the day has gone, (31, B) in the order of `FEATURES`, not yet held to their ranges."""
        bounds = np.cumsum([len(part) for part in (_TRAFFIC, _LEVELS, _RATIOS, _LATEST)])
        self._eighth, levels, self._ratio, self._latest, self._change = np.split(self.features, bounds)
        self._sixth = levels.reshape(2, SIXTHS, rows)
        self._slots = slots
        self._eighth_of = [t * EIGHTHS // slots for t in range(slots)]
        self._sixth_of = [t * SIXTHS // slots for t in range(slots)]
        self._first = [-(-k * slots // EIGHTHS) for k in self._eighth_of]  # slot of the eighth
        self._expected = [float(forecast.auctions[first : t + 1].sum()) for t, first in enumerate(self._first)]
        self._splits = [_splits(n) for n in range(slots + 1)]
        self._sum, self._seen = np.zeros((2, SIXTHS, rows)), np.zeros((2, SIXTHS, rows))  # of value and price
        self._gaps = np.zeros((5, rows))  # of quantiles, times auctions, summed
        self._traffic = np.zeros((slots + 1, rows))  # cumulative
        self._rows = np.arange(rows)
        self.ratio = np.zeros((5, rows))
        """Quantiles of value per price of the last slot that showed any against the expected, log2, over 2; else 0."""
        self._ratio_expected: NDArray[np.float64]
        self._traffic_expected: NDArray[np.float64]
        self._half_shown: NDArray[np.float64]

    def begin(
        self, ratio_quantiles: NDArray[np.float64], traffic: NDArray[np.float64], shown: NDArray[np.bool_]
    ) -> None:
        """Begin a day.

        Args:
            ratio_quantiles: (5, B) log2 of value per price, as expected of the date.
            traffic: (B,) auctions expected of the date, as a factor on the mean day's.
            shown: (B,) whether prices are shown.
        """
        self._ratio_expected, self._traffic_expected = ratio_quantiles, traffic
        self._half_shown = np.where(shown, 0.5, 0.0)
        for array in (self.features, self._sum, self._seen, self._gaps, self.ratio):
            array[:] = 0.0

    def update(
        self,
        t: int,
        auctions: NDArray[np.float64],
        level: NDArray[np.float64],
        known: NDArray[np.float64],
        ratio_quantiles: NDArray[np.float64],
    ) -> None:
        """Take in slot `t`.

        Args:
            t: the slot that has passed.
            auctions: (T + 1, B) cumulative, up to that slot.
            level: (3, B) log2 levels of value, price and traffic.
            known: (3, B) 1 for those that the slot told of, else 0.
            ratio_quantiles: (5, B) log2 of value per price.
        """
        half = 0.5 * level
        if self._expected[t] > 0:
            eighth = self._eighth[self._eighth_of[t]]
            np.maximum(auctions[t + 1] - auctions[self._first[t]], 0.5, out=eighth)
            eighth /= self._expected[t] * self._traffic_expected
            np.log2(eighth, out=eighth)
            eighth *= 0.5
        k = self._sixth_of[t]
        total, seen = self._sum[:, k], self._seen[:, k]
        total += half[:2]
        seen += known[:2]
        np.divide(total, np.maximum(seen, 1.0), out=self._sixth[:, k])
        np.subtract(ratio_quantiles, self._ratio_expected, out=self.ratio)
        self.ratio *= self._half_shown
        self._gaps += self.ratio * (auctions[t + 1] - auctions[t])
        np.divide(self._gaps, np.maximum(auctions[t + 1], 1.0), out=self._ratio)
        self._latest[1:] = self._latest[:-1]
        self._latest[0] = half[2]
        np.add(self._traffic[t], half[2], out=self._traffic[t + 1])
        if t + 1 >= LEAST_SLOTS:
            self._update_change(t + 1)

    def _update_change(self, n: int) -> None:
        """The split of the `n` slots so far whose means of traffic differ most, as against independent slots.

        With mean m of i slots and m' of the n - i others, (m' - m) sqrt(i (n - i) / n) has the same variance for every
        i where nothing changed, and the likelihood of one change is greatest where its square is (Hinkley 1970).
        """
        share, root = self._splits[n]
        change = share * self._traffic[n]
        change -= self._traffic[1:n]
        change *= root
        at = np.abs(change).argmax(axis=0)
        np.multiply(change[at, self._rows], root[at, 0], out=self._change[0])
        np.divide(n - 1 - at, self._slots, out=self._change[1])


def _splits(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of every split of `n` slots the share i / n before it, and sqrt(n / (i (n - i))); (n - 1, 1) each."""
    before = np.arange(1.0, n)[:, None]
    return before / n, np.sqrt(n / (before * (n - before)))

"""What a campaign brought against what was predicted of its wins, as far as its days prove a difference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.training.rebalance.server import DaySpend

Vector = NDArray[np.float64]

LOOK_BACK = 28
"""Days whose results are counted."""
LEAST_DAYS = 5
"""Days with results that it takes to say anything."""
LEAST, MOST = 0.5, 2.0
"""What a weight is multiplied by at least and at most."""
_CONFIDENCE = 0.95


class Ratio(NamedTuple):
    """Realised over predicted utility."""

    weight: float  # what the campaign's utility counts for: the end of the interval that is nearer to 1
    measured: float | None = None  # None where there are too few days with results
    low: float | None = None  # 95 % interval over days
    high: float | None = None
    days: int = 0


def brought(days: Iterable[DaySpend], preference: tuple[float, float, float], ideal: Vector) -> Ratio:
    """The ratio of a campaign's days that are over, in the utility `sum_j w_j x_j / z_j` with `ideal` z (3,).

    A KPI of which nothing was ever told is left out: its events are not sent, which says nothing of the wins. Days are
    the units: the interval is of a ratio of sums (Cochran 1977, 6.4), with Student's quantile. The weight goes no
    further from 1 than the interval obliges, so that chance moves no money, and stays within 0.5 and 2.
    """
    told = list(days)
    predicted = np.array([day.predicted for day in told]).reshape(-1, 3)
    realised = np.array([day.realised for day in told]).reshape(-1, 3)
    heard = realised[:, 1:].sum(axis=0) > 0
    counted = np.array([heard.any(), *heard]) & (ideal > 0)
    gain = np.where(counted, np.array(preference) / np.where(ideal > 0, ideal, 1.0), 0.0)
    return ratio(predicted @ gain, realised @ gain)


def ratio(predicted: Vector, realised: Vector) -> Ratio:
    """The ratio of the sums of two columns of days (D,), and the weight that follows."""
    some = predicted > 0
    x, y = predicted[some], realised[some]
    n = len(x)
    if n < LEAST_DAYS:
        return Ratio(1.0, days=n)
    # its own time to load, and seldom needed
    from scipy.stats import t

    measured = float(y.sum() / x.sum())
    error = float(np.sqrt(((y - measured * x) ** 2).sum() * n / (n - 1)) / x.sum())
    reach = float(t.ppf(0.5 + _CONFIDENCE / 2, n - 1)) * error
    low, high = measured - reach, measured + reach
    weight = low if low > 1.0 else high if high < 1.0 else 1.0
    return Ratio(float(np.clip(weight, LEAST, MOST)), measured, low, high, n)

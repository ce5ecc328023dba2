"""What of conversions carries over between a log's campaigns: their rates, or the money that they are worth.

Rates are predicted conversions per auction; money is these times what a conversion is worth to the day's campaign. A
forecast that serves campaigns it was not fitted on should hold the one that differs less between campaigns. Which it is
is chosen on log means of days, the variance of days within a campaign told apart (`bidding.landscape.spread`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from bidpilot.bidding.landscape.spread import one_way
from bidpilot.envs.logs.auction_log import AuctionLog

Carried = Literal["rates", "money"]
AskedCarried = Literal["auto", "rates", "money"]

_DOUBT: Final = 0.05  # chance of taking money for the steadier where both differ alike


@dataclass(frozen=True)
class CarryOver:
    """What is taken to carry over, and why."""

    carries: Carried
    why: str
    rates_variance: float | None = None  # between campaigns, of log mean conversions per auction; None: not measured
    money_variance: float | None = None  # between campaigns, of log mean money per auction

    def __str__(self) -> str:
        """One line for reports."""
        return (
            f"{self.carries} carry over: {self.why}" if self.carries == "rates" else f"money carries over: {self.why}"
        )


class _Variance(NamedTuple):
    between: float  # campaigns, sampling taken out
    total: float  # of campaigns' means as they are measured


def carry_over(log: AuctionLog, asked: AskedCarried = "auto", days: Sequence[int] | None = None) -> CarryOver:
    """What carries over in a log; `auto` chooses by the data: all of its days, or those of `days` (indices) alone.

    Money is chosen only where it differs clearly less between campaigns: where the ratio of the variances of campaigns'
    means lies below the 5 % quantile of Fisher's F. The two are of the same days, and so more alike than F allows for.
    Rates are chosen in doubt, and where there is too little to tell.
    """
    if asked != "auto":
        return CarryOver(asked, "as was asked")
    chosen = np.arange(log.n_days) if days is None else np.array(days, np.int64)
    worth = _worth(log)[chosen]
    if np.ptp(worth) == 0:
        return CarryOver("rates", f"a conversion is worth {worth[0]:g} on all days, so that both say the same")
    rate = _mean_conversions(log)[chosen]
    if not rate.any():
        return CarryOver("rates", "the log has no conversions, and nothing else has a worth")
    campaign = np.array([log.days[day].campaign for day in chosen])
    named = (campaign != "") & (rate > 0)
    _, of, counts = np.unique(campaign[named], return_inverse=True, return_counts=True)
    several = int((counts > 1).sum())
    if several < 2:
        return CarryOver("rates", f"{several} campaigns are named on two days or more, too few to tell")
    rates, money = (_variance(np.log(value[named]), of, counts) for value in (rate, rate * worth))
    clearly = money.total < fdtri(several - 1, several - 1, _DOUBT) * rates.total
    doubt = "" if clearly or money.total >= rates.total else ", which is not clearly less"
    why = (
        f"between {several} campaigns the variance of log conversions per auction is {rates.between:.4f}, of log money "
        f"{money.between:.4f}{doubt}"
    )
    return CarryOver("money" if clearly else "rates", why, rates.between, money.between)


def reference_value(log: AuctionLog, carries: Carried, days: Sequence[int] | None = None) -> float | None:
    """What a forecast of the log holds conversions at, currency: the mean worth of its `days`; None for money."""
    worth = _worth(log) if days is None else _worth(log)[np.array(days, np.int64)]
    return float(worth.mean()) if carries == "rates" else None


def kept_worth(log: AuctionLog, carries: Carried) -> NDArray[np.float64]:
    """What each day's conversions are multiplied by to be what carries over (D,): 1, or for money the day's worth."""
    if carries == "rates":
        return np.ones(log.n_days)
    return _worth(log)


def _worth(log: AuctionLog) -> NDArray[np.float64]:
    """What a conversion is worth on each day (D,), currency."""
    return np.array([day.conversion_value for day in log.days], dtype=np.float64)


def _mean_conversions(log: AuctionLog) -> NDArray[np.float64]:
    """Predicted conversions per auction of each day (D,), 0 where it has none; day by day, as a log may be mapped."""
    edges = log.offsets[:, [0, -1]]
    means = [float(log.conversion[a:b].mean(dtype=np.float64)) if b > a else 0.0 for a, b in edges]
    return np.array(means)


def _variance(level: NDArray[np.float64], of: NDArray[np.int64], days: NDArray[np.int64]) -> _Variance:
    """Of log levels (N,) of days that belong to campaigns `of` (N,) in 0 .. C - 1, `days` (C,) each."""
    table, known = np.zeros((2, len(days), days.max()))
    for campaign, count in enumerate(days):
        table[campaign, :count], known[campaign, :count] = level[of == campaign], 1.0
    found = one_way(table, known > 0)
    return _Variance(found.between, found.between + found.within / float(days[days > 1].mean()))

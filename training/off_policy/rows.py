"""Rows of an off-policy estimate: what the log brought, what a candidate would have, and the difference."""

from __future__ import annotations

from typing import Final

import numpy as np

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.kpi import CONVERSION, KPI
from bidpilot.training.off_policy.candidate import Days
from bidpilot.training.off_policy.estimators import Array
from bidpilot.training.off_policy.served import ServedLog
from bidpilot.training.report.off_policy import OffPolicyRow
from bidpilot.training.simulate.intervals import Interval, change, over_days

LEVEL: Final = 0.95
DOUBT: Final = 0.2
"""Share by which the model may be wrong of what it alone answers for; intervals are widened by it."""
METRICS: Final = ("spend", *KPI, "utility", "cpa", "roi")


def daily(metric: str, spend: Array, kpi: Array, worth: Array, campaign: Campaign, ideal: Array) -> tuple[Array, Array]:
    """A metric of D days as what it is the ratio of; the latter is 1 where it is a plain total."""
    one = np.ones_like(spend)
    if metric == "utility":
        weights = np.tile(np.array(campaign.preference), (len(spend), 1))
        code = np.full(len(spend), campaign.scalarisation.code)
        return utility(np.maximum(kpi, 0.0), ideal, weights, code), one
    if metric == "cpa":
        return spend, kpi[:, CONVERSION]
    if metric == "roi":
        return worth * kpi[:, CONVERSION], spend
    return (spend if metric == "spend" else kpi[:, KPI.index(metric)]), one


def estimate_rows(served: ServedLog, found: Days, campaign: Campaign, doubt: float = DOUBT) -> list[OffPolicyRow]:
    """A row per metric: means of days like the log's, with 95 % intervals.

    Ends are Student's t over days, paired by day for the change, moved out by `doubt` times the share of the metric
    that the model alone answers for.
    """
    units = np.arange(len(served.budget))
    spend, kpi = served.totals
    rows = []
    for metric in METRICS:
        own = daily(metric, spend, kpi, served.worth, campaign, found.ideal)
        other = daily(metric, found.spend, found.kpi, served.worth, campaign, found.ideal)
        slack = doubt * _beyond(metric, found)
        mean = over_days(*other, units, np.inf, LEVEL)
        moved = change((own[0], other[0]), (own[1], other[1]), units, np.inf, LEVEL)
        mean = Interval(mean.estimate, mean.low - slack * abs(mean.estimate), mean.high + slack * abs(mean.estimate))
        moved = Interval(moved.estimate, (1 + moved.low) * (1 - slack) - 1, (1 + moved.high) * (1 + slack) - 1)
        logged = over_days(*own, units, np.inf, LEVEL).estimate
        rows.append(
            OffPolicyRow(
                metric=metric,
                logged=_told(logged),
                candidate=_told(mean.estimate),
                low=_told(mean.low),
                high=_told(mean.high),
                change=_told(moved.estimate),
                change_low=_told(moved.low),
                change_high=_told(moved.high),
            )
        )
    return rows


def _beyond(metric: str, found: Days) -> float:
    """The share of a metric that the model alone answers for; of ratios, of both parts."""
    money = _share(found.beyond_spend, found.spend)
    shares = {name: _share(found.beyond_kpi[:, j], found.kpi[:, j]) for j, name in enumerate(KPI)}
    shares |= {"spend": money, "utility": max(shares.values())}
    both = money + shares[KPI[CONVERSION]]
    return shares.get(metric, both)


def _share(part: Array, whole: Array) -> float:
    total = float(whole.sum())
    return float(part.sum()) / total if total > 0 else 0.0


def _told(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

"""The share of long-tail content, day by day or over the day."""

from __future__ import annotations

from typing import Final

import numpy as np

from bidpilot.bidding.campaign.segments import is_tail
from bidpilot.training.reporting.charts.chart import Lines, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import number, percent, ratio
from bidpilot.training.roi.purchases import By, Purchases

KEY: Final = "tail"
TITLE: Final = "Head and tail"
_USUAL: Final = (
    "No segment is of long-tail content. Name the content tier in the log's segments (channel/tail): tier: of a "
    "mapping, imp.ext.bidpilot.segment of a request."
)


def section(evidence: Evidence) -> Section:
    """Head to tail, and the tail's share of exposures and of money over time."""
    purchases = evidence.purchases
    if purchases is None or not is_tail(purchases.segments).any():
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    of_tail = is_tail(purchases.segments)[purchases.segment]
    tail, wins = float(of_tail.sum()), float(len(purchases))
    money = ratio(float(purchases.cost[of_tail].sum()), float(purchases.cost.sum()))
    chart = by_day(purchases, of_tail) if len(purchases.days) > 2 else by_hour(purchases, of_tail)
    asked = next((limit for limit in evidence.limits or () if limit.name == "min_tail_share"), None)
    bound = "" if asked is None else f" At least {percent(asked.bound)} were asked for."
    lead = (
        f"{percent(ratio(tail, wins))} of exposures and {percent(money)} of the money went to long-tail content"
        f"{f', head to tail {number(ratio(wins - tail, tail))} : 1' if tail else ''}.{bound}"
    )
    rows = _channels(purchases, of_tail)
    sheets = (Sheet(("channel", "exposures", "of the tail"), rows, "By channel"),) if len(rows) > 1 else ()
    return Section(KEY, TITLE, lead, (chart,), sheets)


def by_day(purchases: Purchases, of_tail: np.ndarray) -> Lines:
    """The tail's share of each day."""
    days = len(purchases.days)
    series = tuple(
        Series(name, _shares(purchases.day, of_tail, weight, days))
        for name, weight in (("exposures", None), ("money", purchases.cost))
    )
    x = tuple(float(k) for k in range(days))
    return Lines("Long-tail share by day", x, series, "day", "percent", labels=purchases.days)


def by_hour(purchases: Purchases, of_tail: np.ndarray) -> Lines:
    """The tail's share of each hour, where days are too few for a history."""
    hour = purchases.slot * 24 // purchases.slots
    series = tuple(
        Series(name, _shares(hour, of_tail, weight, 24))
        for name, weight in (("exposures", None), ("money", purchases.cost))
    )
    return Lines("Long-tail share by hour", tuple(map(float, range(24))), series, "hour", "percent")


def _shares(place: np.ndarray, of_tail: np.ndarray, weight: np.ndarray | None, count: int) -> tuple[float | None, ...]:
    weight = np.ones(len(place)) if weight is None else weight
    all_of = np.bincount(place, weight, count)
    tail = np.bincount(place[of_tail], weight[of_tail], count)
    return tuple(100 * t / a if a > 0 else None for t, a in zip(tail.tolist(), all_of.tolist(), strict=True))


def _channels(purchases: Purchases, of_tail: np.ndarray) -> tuple[tuple[str, ...], ...]:
    names, place = purchases.groups(By.channel)
    wins, tail = np.bincount(place, minlength=len(names)), np.bincount(place[of_tail], minlength=len(names))
    return tuple(
        (name, number(float(wins[k])), percent(ratio(float(tail[k]), float(wins[k])))) for k, name in enumerate(names)
    )

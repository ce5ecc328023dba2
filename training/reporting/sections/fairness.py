"""Who is shown: exposure by content tier and creator size, against what was offered, and how unequal it is."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.training.reporting.charts.chart import Bars, Lines, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import number, percent, ratio
from bidpilot.training.roi.purchases import By, Purchases

KEY: Final = "fairness"
TITLE: Final = "Who was shown"
SIZES: Final = (("large", 0.5), ("middle", 0.8), ("small", 1.0))
"""Sizes of creators: the largest, that send half of all requests, those that send the next 30 %, and the rest."""
_USUAL: Final = (
    "One content tier and one source: nobody can be told apart. Name tier: and source: in the log's mapping, or "
    "send publisher.id and imp.ext.bidpilot.segment with requests."
)


def section(evidence: Evidence) -> Section:
    """Shares of exposures and of requests by tier and size, and the Gini coefficient over sources."""
    purchases, offered = evidence.purchases, evidence.offered
    if purchases is None:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    tiers = purchases.by(By.tier)
    sources = np.bincount(purchases.source, minlength=0 if offered is None else len(offered.by_source))
    several = int((sources > 0).sum()) > 1 or (offered is not None and int((offered.by_source > 0).sum()) > 1)
    if len(tiers.groups) < 2 and not several:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    charts: list[Bars | Lines] = []
    sheets, notes, lead = [], [], ""
    if len(tiers.groups) > 1:
        asked = None if offered is None else _requests_by_tier(purchases, offered.by_segment, tiers.groups)
        charts.append(_bars("By content tier", tiers.groups, tiers.wins.sum(axis=0), asked))
        sheets.append(_sheet("content tier", tiers.groups, tiers.wins.sum(axis=0), asked))
    if several:
        requests = sources if offered is None else offered.by_source
        size, number_of = sizes(requests)
        names = tuple(name for name, _ in SIZES)
        shown, asked = (np.bincount(size, column, len(SIZES)).astype(float) for column in (sources, requests))
        charts += [_bars("By creator size", names, shown, asked), lorenz(sources, requests)]
        sheets.append(_sheet("creator size", names, shown, asked, number_of))
        there = requests > 0
        lead = (
            f"The Gini coefficient of exposures over {int(there.sum())} sources is {gini(sources[there]):.3f}, "
            f"that of requests {gini(requests[there]):.3f}: 0 is the same for each, 1 all for one."
        )
        notes.append(
            "A source is a publisher or a cluster of accounts; it is large where it is among those that send half of "
            "all requests, small among those that send the last fifth."
        )
    else:
        notes.append("The log tells one source, so that creators have no size. Import a column of sources.")
    return Section(KEY, TITLE, lead, tuple(charts), tuple(sheets), tuple(notes))


def sizes(requests: NDArray[np.int64]) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """Size (C,) of each source, a place in SIZES, and how many sources that send something have each."""
    order = np.argsort(-requests, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(requests[order])[:-1]]) / max(requests.sum(), 1)
    size = np.empty(len(requests), np.int64)
    size[order] = np.searchsorted([share for _, share in SIZES[:-1]], before, side="right")
    return size, tuple(int(((size == k) & (requests > 0)).sum()) for k in range(len(SIZES)))


def gini(amounts: NDArray[np.integer] | NDArray[np.floating]) -> float:
    """Gini coefficient of amounts (N,), >= 0: the mean absolute difference over twice the mean; 0 where all is 0."""
    ordered = np.sort(amounts.astype(np.float64))
    count, total = len(ordered), float(ordered.sum())
    if total <= 0:
        return 0.0
    rank = np.arange(1, count + 1)
    return float((2 * rank - count - 1) @ ordered / (count * total))


def lorenz(shown: NDArray[np.int64], requests: NDArray[np.int64]) -> Lines:
    """Lorenz curves of exposures and requests: what share the smallest sources have together."""
    there = requests > 0
    count = int(there.sum())
    x = tuple((100 * np.linspace(0, 1, count + 1)).tolist())

    def curve(amounts: NDArray[np.int64]) -> tuple[float, ...]:
        together = np.concatenate([[0.0], np.cumsum(np.sort(amounts[there]))])
        return tuple((100 * together / max(together[-1], 1)).tolist())

    series = (Series("exposures", curve(shown)), Series("requests", curve(requests)), Series("the same for each", x))
    return Lines(
        "Lorenz curves of sources", x, series, "percent of sources, smallest first", "percent", ("the same for each",)
    )


def _requests_by_tier(
    purchases: Purchases, by_segment: NDArray[np.int64], tiers: tuple[str, ...]
) -> NDArray[np.float64]:
    place = [tiers.index(segment.rpartition("/")[2]) for segment in purchases.segments]
    return np.bincount(place, by_segment, len(tiers)).astype(np.float64)


def _bars(title: str, names: tuple[str, ...], shown: NDArray[np.float64], asked: NDArray[np.float64] | None) -> Bars:
    columns = [("exposures", shown), *([] if asked is None else [("requests", asked)])]
    series = tuple(Series(name, tuple((100 * c / max(c.sum(), 1e-300)).tolist())) for name, c in columns)
    return Bars(title, names, series, "percent of all")


def _sheet(
    what: str,
    names: tuple[str, ...],
    shown: NDArray[np.float64],
    asked: NDArray[np.float64] | None,
    count: tuple[int, ...] | None = None,
) -> Sheet:
    columns = (
        what,
        *(() if count is None else ("sources",)),
        "exposures",
        "of all",
        *(() if asked is None else ("of requests", "shown per request")),
    )
    rows = []
    for k, name in enumerate(names):
        row = [
            name,
            *(() if count is None else (str(count[k]),)),
            number(float(shown[k])),
            percent(ratio(float(shown[k]), float(shown.sum()))),
        ]
        if asked is not None:
            row += [
                percent(ratio(float(asked[k]), float(asked.sum()))),
                percent(ratio(float(shown[k]), float(asked[k]))),
            ]
        rows.append(tuple(row))
    return Sheet(columns, tuple(rows), f"By {what}")

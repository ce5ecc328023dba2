"""What was filtered as invalid traffic, and what became of all other requests."""

from __future__ import annotations

from typing import Final

import numpy as np

from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.training.reporting.charts.chart import Bars, Lines, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import number, percent, ratio
from bidpilot.training.roi.offered import Offered

KEY: Final = "invalid"
TITLE: Final = "Filtered as invalid traffic"
_USUAL: Final = (
    "Nothing says what was refused. A bid server's decision log does (field result); a log needs a column of sources "
    "for the detector."
)
_MOST_SOURCES: Final = 10


def section(evidence: Evidence) -> Section:
    """Requests refused, by source and hour, and how far invalid traffic was bought all the same."""
    offered = evidence.offered
    if offered is None or offered.refused is None:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    refused, requests = float(offered.refused.sum()), float(offered.by_source.sum())
    lead = f"{number(refused)} of {number(requests)} requests were refused, {percent(ratio(refused, requests))}."
    if offered.invalid is not None:
        lead += f" {number(offered.invalid)} requests were invalid by the log's own marks"
        caught = None if offered.invalid_refused is None else ratio(offered.invalid_refused, offered.invalid)
        lead += "." if caught is None else f", of which {percent(caught)} were refused."
    purchases = evidence.purchases
    if purchases is not None and purchases.invalid is not None:
        bad = purchases.invalid
        share = percent(ratio(float(purchases.cost[bad].sum()), float(purchases.cost.sum())))
        lead += f" {share} of the money went to invalid exposures all the same."
    charts = _charts(offered) if refused else ()
    sheets = [_sources(offered)] if refused else []
    if offered.why:
        total = sum(offered.why.values())
        ordered = sorted(offered.why.items(), key=lambda item: -item[1])
        rows = tuple((_word(name), number(count), percent(ratio(count, total))) for name, count in ordered)
        sheets.append(Sheet(("what became of requests", "number", "of all"), rows))
    return Section(KEY, TITLE, lead, charts, tuple(sheets))


def _charts(offered: Offered) -> tuple[Bars | Lines, ...]:
    assert offered.refused is not None
    by_slot = offered.refused.sum(axis=0)
    slots = len(by_slot)
    x = tuple((24 * np.arange(slots) / slots).tolist())
    return (
        Lines("Requests refused over the day", x, (Series("refused", tuple(by_slot.tolist())),), "hour", "requests"),
    )


def _sources(offered: Offered) -> Sheet:
    assert offered.refused is not None
    refused = offered.refused.sum(axis=1)
    worst = [int(c) for c in np.argsort(-refused, kind="stable")[:_MOST_SOURCES] if refused[c] > 0]
    rows = tuple(
        (f"source {c}", number(float(refused[c])), number(float(offered.by_source[c])),
         percent(ratio(float(refused[c]), float(offered.by_source[c]))))
        for c in worst
    )  # fmt: skip
    return Sheet(("refused most", "requests refused", "requests", "share"), rows)


def _word(result: str) -> str:
    known = {Refusal.source.value: "refused: source", Refusal.quota.value: "refused: quota of its source"}
    return known.get(result, result.replace("_", " "))

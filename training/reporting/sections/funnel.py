"""The funnel: exposure, view, completion, what people answer with, conversion."""

from __future__ import annotations

from typing import Final

import numpy as np

from bidpilot.bidding.event import EVENTS
from bidpilot.training.reporting.charts.chart import Bars, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import number, percent, ratio
from bidpilot.training.roi.purchases import By

KEY: Final = "funnel"
TITLE: Final = "The funnel"
_NAMES: Final = {"view": "3-second view", "complete": "completion", "convert": "conversion"}
_USUAL: Final = (
    "No events were told. A bid server keeps them in outcomes-*.parquet (field event) when notices name their type; "
    "a log has them by events: of its mapping."
)


def section(evidence: Evidence) -> Section:
    """Counts and rates of events, and their rates by channel where they are told exposure by exposure."""
    purchases, events = evidence.purchases, evidence.events
    if purchases is None or events is None or not events.any():
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    wins, total = len(purchases), events.sum(axis=0)
    names = ("exposure", *(_NAMES.get(event, event) for event in EVENTS))
    counts = [float(wins), *total.tolist()]
    rows = tuple((name, number(n), percent(ratio(n, wins))) for name, n in zip(names, counts, strict=True))
    share = Series("of exposures", tuple(100 * n / wins for n in counts[1:]))
    charts = [Bars("Events per 100 exposures", names[1:], (share,), "percent of exposures", lying=True)]
    sheets = [Sheet(("step", "number", "of exposures"), rows)]
    if purchases.funnel is not None and len(purchases.by(By.channel).groups) > 1:
        sheets.append(_by_channel(evidence))
    lead = f"Of {number(wins)} exposures {percent(ratio(float(total[0]), wins))} were viewed for three seconds."
    notes = _odd(total)
    return Section(KEY, TITLE, lead, tuple(charts), tuple(sheets), notes)


def _by_channel(evidence: Evidence) -> Sheet:
    assert evidence.purchases is not None
    totals = evidence.purchases.by(By.channel)
    assert totals.funnel is not None
    wins, told = totals.wins.sum(axis=0), totals.funnel.sum(axis=0)
    rows = tuple(
        (name, number(float(wins[g])), *(percent(ratio(float(n), float(wins[g]))) for n in told[g]))
        for g, name in enumerate(totals.groups)
    )
    return Sheet(("channel", "exposures", *(_NAMES.get(e, e) for e in EVENTS)), rows, "Of exposures, by channel")


def _odd(total: np.ndarray) -> tuple[str, ...]:
    """Steps that have more than what comes before them, which no funnel has."""
    view, complete = total[:2]
    return ("More completions than views were told: some players tell no views.",) if complete > view else ()

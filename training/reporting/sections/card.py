"""The scorecard: compliance, cost and efficiency."""

from __future__ import annotations

from typing import Final

import numpy as np

from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import DASH, number, percent, sentence, within
from bidpilot.training.weekly.scorecard import RULES, Limits, ScoreLine, scorecard

KEY: Final = "scorecard"
TITLE: Final = "Scorecard"
_USUAL: Final = "No purchase is known. Give a bid server's decisions, a log, or a run of train or solve."


def section(evidence: Evidence) -> Section:
    """Each line with what was found, what was agreed, and its score."""
    purchases = evidence.purchases
    if purchases is None:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    limits = Limits() if evidence.campaign is None else Limits.of(evidence.campaign)
    ratios = None if evidence.ratio is None else evidence.ratio[np.isfinite(evidence.ratio)]
    card = scorecard(purchases, limits, evidence.planned, ratios)
    parts = (("compliance", card.compliance), ("cost", card.cost), ("efficiency", card.efficiency))
    lead = "; ".join(f"{name} {_score(name, score)}" for name, score in parts)
    notes = tuple(f"{part.capitalize()}: {rule}." for part, rule in RULES.items())
    if evidence.planned is not None and evidence.weighed is not None:
        notes += (sentence(evidence.weighed.told),)
    if evidence.campaign is None:
        notes += ("Limits of the campaign and its planned cost are told with --bundle.",)
    columns = ("part", "line", "found", "95 %", "agreed or planned", "score", "days")
    sheet = Sheet(columns, tuple(map(_row, card.lines)), texts=2)
    rules = Sheet(("line", "how it is scored"), tuple((line.name, line.rule) for line in card.lines), texts=2)
    return Section(KEY, TITLE, f"{lead[0].upper()}{lead[1:]}.", sheets=(sheet, rules), notes=notes)


def _score(part: str, score: float | None) -> str:
    if score is None:
        return DASH
    return f"{percent(score)} of days" if part == "compliance" else f"{score:.2f}"


def _row(line: ScoreLine) -> tuple[str, ...]:
    score = _score(line.part, line.score)
    value = line.value
    return (
        line.part,
        line.name,
        number(value.value),
        within(value.low, value.high),
        number(line.target),
        score if line.why is None else f"{score}: {line.why}",
        str(line.days),
    )

"""One decision explained."""

from __future__ import annotations

from typing import Final

from bidpilot.bidding.kpi import KPI
from bidpilot.training.reporting.charts.chart import Bars, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import number

KEY: Final = "decision"
TITLE: Final = "One decision explained"
_USUAL: Final = "No decision is known. Give a bid server's decisions, a log, or a run of train or solve."
_LEAST: Final = 5e-4  # change of a factor that is told


def section(evidence: Evidence) -> Section:
    """What went into one bid, or into the bid coefficients of one slot."""
    decision = evidence.decision
    if decision is None:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    charts: list[Bars] = []
    sheets = [Sheet(("", ""), decision.facts, texts=2)] if decision.facts else []
    if decision.parts:
        names, values = zip(*decision.parts, strict=True)
        charts.append(
            Bars("What the plan's bid is made of", names, (Series("currency", values),), "currency", lying=True)
        )
    told = [f for f in decision.factors if max(abs(f.by_kpi[j] - 1) for j in decision.kpis) > _LEAST]
    if told:
        series = tuple(
            Series(kpi, tuple(100 * (factor.by_kpi[j] - 1) for factor in told))
            for j, kpi in enumerate(KPI)
            if j in decision.kpis
        )
        labels = tuple(factor.name for factor in told)
        charts.append(Bars("What moved alpha", labels, series, "percent more or less", lying=True))
        rows = tuple(
            (factor.name, *(f"× {number(x)}" for x in (factor.by_kpi[j] for j in decision.kpis))) for factor in told
        )
        sheets.append(Sheet(("by group of features", *(KPI[j] for j in decision.kpis)), rows, "What multiplies alpha"))
    still = [factor.name for factor in decision.factors if factor not in told]
    notes = (f"What moved nothing: {', '.join(still)}.",) if still else ()
    return Section(KEY, TITLE, decision.what, tuple(charts), tuple(sheets), notes)

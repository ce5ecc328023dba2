"""How well it was bid: R / R* of the days, and of agents that were compared."""

from __future__ import annotations

from typing import Final

import numpy as np

from bidpilot.training.report.tables import AgentRow, short_name
from bidpilot.training.reporting.charts.chart import Bars, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import percent, within

KEY: Final = "scores"
TITLE: Final = "How well it was bid"
_USUAL: Final = (
    "R* is known of days whose prices are: give a log, a run of train, solve or evaluate, or import the decisions as a "
    "log."
)
_MEANING: Final = (
    "R is the utility that was reached, R* the most that could have been had with the day known in advance."
)


def section(evidence: Evidence) -> Section:
    """The competitive ratio, by agent and suite where agents were compared."""
    if evidence.scores:
        return _compared(evidence.scores)
    ratio = np.zeros(0) if evidence.ratio is None else evidence.ratio[np.isfinite(evidence.ratio)]
    if not len(ratio):
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    low, middle, high = np.quantile(ratio, [0.05, 0.5, 0.95])
    lead = (
        f"R / R* is {ratio.mean():.3f} in the mean of {len(ratio)} days, {low:.3f} to {high:.3f} on nine days of ten. "
    )
    days = tuple(str(k + 1) for k in range(len(ratio)))
    chart = Bars("R / R* by day", days, (Series("R / R*", tuple(ratio.tolist())),), "R / R*")
    charts = (chart,) if 1 < len(ratio) <= 60 else ()
    return Section(KEY, TITLE, f"{lead}{_MEANING}", charts, notes=(f"Median {middle:.3f}.",))


def _compared(rows: tuple[AgentRow, ...]) -> Section:
    suites = tuple(dict.fromkeys(row["suite"] for row in rows))
    charts, sheets = [], []
    for suite in suites:
        here = sorted((row for row in rows if row["suite"] == suite), key=lambda row: -row["iqm"])
        names = tuple(short_name(row["agent"]) for row in here)
        series = Series(
            "R / R*",
            tuple(row["iqm"] for row in here),
            tuple(row["ci_low"] for row in here),
            tuple(row["ci_high"] for row in here),
        )
        charts.append(Bars(f"R / R* on {suite}", names, (series,), "interquartile mean, 95 %", lying=True))
        sheets.append(_sheet(suite, here))
    best = max(rows, key=lambda row: row["iqm"])
    lead = f"Best is {short_name(best['agent'])} on {best['suite']} with {best['iqm']:.4f}. {_MEANING}"
    return Section(KEY, TITLE, lead, tuple(charts), tuple(sheets))


def _sheet(suite: str, rows: list[AgentRow]) -> Sheet:
    columns = ("agent", "R / R*", "95 %", "5th percentile", "against mpc", "spent", "days that miss a constraint")
    return Sheet(
        columns,
        tuple(
            (
                short_name(row["agent"]),
                f"{row['iqm']:.4f}",
                within(row["ci_low"], row["ci_high"]),
                f"{row['p5']:.3f}",
                f"{row['vs_mpc']:+.4f}",
                percent(row["spend_share"]),
                percent(row["violation_rate"]),
            )
            for row in rows
        ),
        suite,
    )

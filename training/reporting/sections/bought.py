"""What the money bought: by channel, content tier, hour and source."""

from __future__ import annotations

from typing import Final

import numpy as np

from bidpilot.bidding.kpi import KPI
from bidpilot.training.reporting.charts.chart import Bars, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import number, percent, ratio
from bidpilot.training.roi.purchases import By, Purchases, Totals, Valued

KEY: Final = "bought"
TITLE: Final = "What the money bought"
MOST_SOURCES: Final = 8
"""Sources that are named; the others are one row."""
_USUAL: Final = "No purchase is known. Give a bid server's decisions, a log, or a run of train or solve."


def section(evidence: Evidence) -> Section:
    """Tables by channel, tier, hour and source, and how money and exposures are spread over them."""
    purchases = evidence.purchases
    if purchases is None:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    by = {kind: purchases.by(kind) for kind in (By.channel, By.tier, By.hour, By.source)}
    by[By.source] = largest(by[By.source], MOST_SOURCES)
    charts = tuple(_chart(kind, totals) for kind, totals in by.items() if len(totals.groups) > 1)
    sheets = tuple(_sheet(kind, totals) for kind, totals in by.items() if len(totals.groups) > 1)
    only = [
        f"one {kind} ({by[kind].groups[0]})" for kind in (By.channel, By.tier, By.source) if len(by[kind].groups) < 2
    ]
    notes = (of_what(purchases), *([f"There is {', '.join(only)}: nothing to tell apart there."] if only else []))
    return Section(KEY, TITLE, _lead(purchases), charts, sheets, notes)


def of_what(purchases: Purchases) -> str:
    """Which conversions the cost and the return of a row are of."""
    if purchases.valued is Valued.expected:
        return "CPA and ROI are of expected conversions: none are known to have come."
    return "Expected is what was to be expected of the exposures; CPA and ROI are of the conversions that came."


def largest(totals: Totals, most: int) -> Totals:
    """The groups with the most money, the first first, and all others as one."""
    order = np.argsort(-totals.spend.sum(axis=0), kind="stable")
    shown, rest = order[:most], order[most:]
    names = tuple(totals.groups[int(g)] for g in shown)
    if len(rest):
        names += (f"{len(rest)} others",)

    def joined(column: np.ndarray) -> np.ndarray:
        parts = [column[:, shown]]
        if len(rest):
            parts.append(column[:, rest].sum(axis=1, keepdims=True))
        return np.concatenate(parts, axis=1)

    def maybe(column: np.ndarray | None) -> np.ndarray | None:
        return None if column is None else joined(column)

    return Totals(
        by=totals.by,
        groups=names,
        days=totals.days,
        budget=totals.budget,
        spend=joined(totals.spend),
        wins=joined(totals.wins),
        expected=joined(totals.expected),
        realised=joined(totals.realised),
        value=joined(totals.value),
        tail_wins=joined(totals.tail_wins),
        invalid_wins=maybe(totals.invalid_wins),
        funnel=maybe(totals.funnel),
        valued=totals.valued,
    )


def _lead(purchases: Purchases) -> str:
    spend, wins, days = float(purchases.cost.sum()), len(purchases), len(purchases.days)
    budget = float(purchases.budget.sum())
    of = f" of a budget of {number(budget)}" if np.isfinite(budget) and budget > 0 else ""
    kpi = purchases.kpi.sum(axis=0)
    return (
        f"{number(spend)}{of} bought {number(wins)} exposures on {days} day{'s' * (days != 1)}. "
        f"To be expected of them: quality {number(kpi[0])}; interactions {number(kpi[1])}; conversions "
        f"{number(kpi[2])}."
    )


def _chart(kind: By, totals: Totals) -> Bars:
    spend, wins = totals.spend.sum(axis=0), totals.wins.sum(axis=0)
    shares = [Series(name, tuple((100 * x / max(x.sum(), 1e-300)).tolist())) for name, x in
              (("money", spend), ("exposures", wins))]  # fmt: skip
    lying = kind is not By.hour
    return Bars(f"By {kind}", totals.groups, tuple(shares), "percent of all", lying)


def _sheet(kind: By, totals: Totals) -> Sheet:
    rows = [row(totals, g) for g in range(len(totals.groups))]
    return Sheet((str(kind), *columns(totals.valued)), tuple(rows), f"By {kind}")


def columns(valued: Valued) -> tuple[str, ...]:
    """What a `row` has behind its name; conversions that came are a column of their own where some are known."""
    expected = ("quality, expected", "interactions, expected", "conversions, expected")
    came = () if valued is Valued.expected else ("conversions",)
    return ("spend", "of all", "exposures", "per exposure", *expected, *came, "CPA", "ROI")


def row(totals: Totals, g: int) -> tuple[str, ...]:
    """One group's row: money, exposures, KPIs that were to be expected, and what came of them at what cost."""
    spend, wins, value = (float(c[:, g].sum()) for c in (totals.spend, totals.wins, totals.value))
    expected, came = totals.expected[:, g].sum(axis=0), float(totals.conversions[:, g].sum())
    return (
        totals.groups[g],
        number(spend),
        percent(ratio(spend, float(totals.spend.sum()))),
        number(wins),
        number(ratio(spend, wins)),
        *(number(float(expected[k])) for k in range(len(KPI))),
        *(() if totals.valued is Valued.expected else (number(came),)),
        number(ratio(spend, came)),
        number(ratio(value, spend)),
    )

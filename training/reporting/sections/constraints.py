"""What each constraint leaves and what it costs."""

from __future__ import annotations

from typing import Final

from bidpilot.training.reporting.charts.chart import Bars, Series
from bidpilot.training.reporting.evidence import Evidence, Limit
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import DASH, number, percent

KEY: Final = "constraints"
TITLE: Final = "Constraints and their price"
_USUAL: Final = "No campaign with a forecast is known. Name what was served: --bundle FOLDER."
_BINDS: Final = 1e-12
_ROUNDING: Final = 1e-6  # of a bound


def section(evidence: Evidence) -> Section:
    """Bound, what the plan attains, what is left, and what a step of the bound is worth."""
    limits = evidence.limits
    if not limits:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    kept = any(limit.kept is not None for limit in limits)
    columns = ("constraint", "meaning", "bound", "plan", "left", "utility", "worth in budget", "per")
    shown = (*columns, "days kept") if kept else columns
    binding = [limit for limit in limits if abs(limit.utility_per_step) > _BINDS]
    priced = [limit for limit in binding if limit.money_per_step is not None]
    charts: tuple[Bars, ...] = ()
    if len(priced) > 1:
        values = Series("price", tuple(limit.money_per_step for limit in priced))
        labels = tuple(f"{limit.name}, per {limit.step}" for limit in priced)
        charts = (Bars("What a step of each bound is worth", labels, (values,), "currency of budget", lying=True),)
    lead = (
        f"{len(binding)} of {len(limits)} constraints bind: {', '.join(limit.name for limit in binding) or 'none'}. "
        "Prices are the duals of the plan: what one step more of the bound gains or costs."
    )
    rows = tuple(_row(limit, kept) for limit in limits)
    return Section(KEY, TITLE, lead, charts, (Sheet(shown, rows, texts=2),))


def _left(limit: Limit) -> float:
    """What the plan leaves of a bound; 0 where that is the solver's rounding."""
    left = abs(limit.bound - limit.attained)
    return 0.0 if left <= _ROUNDING * abs(limit.bound) else left


def _row(limit: Limit, kept: bool) -> tuple[str, ...]:
    binds = abs(limit.utility_per_step) > _BINDS
    row = (
        limit.name,
        limit.meaning,
        number(limit.bound),
        number(limit.attained),
        number(_left(limit)),
        f"{limit.utility_per_step:+.3g}" if binds else "0",
        number(limit.money_per_step),
        limit.step,
    )
    return (*row, DASH if limit.kept is None else percent(limit.kept)) if kept else row

"""The ROI model, and how channels compare."""

from __future__ import annotations

from typing import Final

from bidpilot.training.reporting.charts.chart import Bars, Series
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section, Sheet
from bidpilot.training.reporting.words import DASH, number, plural, within
from bidpilot.training.roi.intervals import Estimate, Verdict
from bidpilot.training.roi.model import GroupReturn, RoiModel, roi_model
from bidpilot.training.roi.purchases import By

KEY: Final = "roi"
TITLE: Final = "Return on the money"
CHANNELS_KEY: Final = "channels"
CHANNELS_TITLE: Final = "Channels compared"
_USUAL: Final = "No purchase is known. Give a bid server's decisions, a log, or a run of train or solve."
_LATE: Final = (
    "Payback counts from a channel's first money, each conversion on the day of its exposure, since logs do not say "
    "when it was made: it takes that long or longer, and conversions that are still to come are in no figure."
)
_ONE: Final = "There is one channel. Name the column of channels when the log is imported, or segments as channel/tier."


def section(evidence: Evidence) -> Section:
    """Cost of an acquisition, conversion rate, worth of a conversion, ROI and payback."""
    if evidence.purchases is None:
        return Section(KEY, TITLE, missing=evidence.why_missing(KEY, _USUAL))
    model = roi_model(evidence.purchases, By.channel)
    groups = [model.total, *(model.groups if len(model.groups) > 1 else ())]
    columns = ("", "cost per acquisition", "95 %", "conversion rate", "95 %", "worth of a conversion", "ROI", "95 %",
               "payback, days or more")  # fmt: skip
    whole = model.total
    lead = (
        f"A conversion cost {number(whole.cost_per_acquisition.value)} and was worth "
        f"{number(whole.value_per_conversion.value)}: each unit of money brought {number(whole.roi.value)} back. "
        f"{_paid_back(whole)}"
        if whole.conversions
        else "No conversion came of the money."
    )
    notes = (f"Worth of conversions: {model.valued}.", *_why(groups), _LATE)
    return Section(KEY, TITLE, lead, sheets=(Sheet(columns, tuple(map(_row, groups))),), notes=notes)


def channels(evidence: Evidence) -> Section:
    """ROI and cost per acquisition of channels with intervals by day, and which differ."""
    if evidence.purchases is None:
        return Section(CHANNELS_KEY, CHANNELS_TITLE, missing=evidence.why_missing(CHANNELS_KEY, _USUAL))
    model = roi_model(evidence.purchases, By.channel)
    if len(model.groups) < 2:
        return Section(CHANNELS_KEY, CHANNELS_TITLE, missing=evidence.why_missing(CHANNELS_KEY, _ONE))
    charts = (
        _bars("ROI by channel", "worth per unit of money", model, "roi"),
        _bars("Cost per acquisition", "currency", model, "cost_per_acquisition"),
    )
    rows = tuple(
        (
            c.group, c.against, DASH if c.difference.value is None else f"{100 * c.difference.value:+.1f} %",
            within(c.difference.low, c.difference.high, relative=True),
            c.verdict if c.difference.why is None else f"{c.verdict}: {c.difference.why}",
        )
        for c in model.comparisons
    )  # fmt: skip
    if not rows:
        return Section(CHANNELS_KEY, CHANNELS_TITLE, "All was bought on one channel: there is none to compare.", charts)
    level = f"{100 * (1 - model.alpha):.0f} % of all together"
    sheet = Sheet(("channel", "against", "difference in ROI", level, "verdict"), rows, texts=2)
    return Section(CHANNELS_KEY, CHANNELS_TITLE, _told(model), charts, (sheet,))


def _told(model: RoiModel) -> str:
    """How many differences are proven, or why none can be."""
    reasons = {comparison.difference.why for comparison in model.comparisons}
    if None not in reasons:
        return f"No difference can be told from chance: {'; '.join(sorted(map(str, reasons)))}."
    told = sum(comparison.verdict is not Verdict.unknown for comparison in model.comparisons)
    number_of = len(model.comparisons)
    return f"{told} of {plural(number_of, 'difference')} in ROI {'is' if number_of == 1 else 'are'} more than chance."


def _bars(title: str, unit: str, model: RoiModel, name: str) -> Bars:
    found: list[Estimate] = [getattr(group, name) for group in model.groups]
    title += ", 95 % intervals" if any(estimate.known for estimate in found) else ""
    series = Series(
        title, tuple(e.value for e in found), tuple(e.low for e in found), tuple(e.high for e in found)
    )  # fmt: skip
    return Bars(title, tuple(group.group for group in model.groups), (series,), unit, lying=True)


def _row(group: GroupReturn) -> tuple[str, ...]:
    cost, rate, worth, roi = (
        group.cost_per_acquisition, group.conversion_rate, group.value_per_conversion, group.roi,
    )  # fmt: skip
    rate_ends = DASH if rate.low is None or rate.high is None else f"{100 * rate.low:.2f} to {100 * rate.high:.2f} %"
    return (
        group.group,
        number(cost.value),
        within(cost.low, cost.high),
        DASH if rate.value is None else f"{100 * rate.value:.3f} %",
        rate_ends,
        number(worth.value),
        number(roi.value),
        within(roi.low, roi.high),
        DASH if group.payback_days is None else str(group.payback_days),
    )


def _paid_back(whole: GroupReturn) -> str:
    if whole.payback_days is None:
        return "On these days the money was not paid back."
    return f"It was paid back after {plural(whole.payback_days, 'day')} at the earliest."


def _why(groups: list[GroupReturn]) -> tuple[str, ...]:
    """Why intervals are missing, each reason once."""
    reasons = {_lacks(group): group.group for group in reversed(groups)}
    return tuple(f"No interval for {name}: {why}." for why, name in reasons.items() if why is not None)


def _lacks(group: GroupReturn) -> str | None:
    if not group.wins:
        return "nothing was bought"
    return group.cost_per_acquisition.why if group.conversions else "no conversion came"

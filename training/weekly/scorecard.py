"""The scorecard of a campaign's days: compliance, cost and efficiency, each line with the rule that it is made by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.kpi import KPI
from bidpilot.training.roi.intervals import Array, Estimate, ratio
from bidpilot.training.roi.purchases import Purchases, Totals
from bidpilot.training.weekly.planned import Planned

Part = Literal["compliance", "cost", "efficiency"]
_NO_WORTH: Final = "no conversion came, so that nobody knows what one is worth"
_DAYS_WITHIN: Final = "days within the limit over days that can be judged"


@dataclass(frozen=True)
class Limits:
    """What was agreed for each day; None: nothing was."""

    min_roi: float | None = None  # value / spend
    max_cpa: float | None = None  # currency per conversion
    min_tail_share: float | None = None  # of wins, 0 to 1
    max_invalid_share: float | None = 0.1  # of wins, 0 to 1
    pace: tuple[float, float] | None = (0.9, 1.0)  # least and most of the day's budget that is to be spent

    @classmethod
    def of(
        cls, campaign: Campaign, pace: tuple[float, float] | None = (0.9, 1.0), max_invalid_share: float | None = 0.1
    ) -> Limits:
        """Those that a campaign asks for, with the given pace and invalid share."""
        return cls(
            pace=pace,
            max_invalid_share=max_invalid_share,
            min_roi=campaign.min_roi or None,
            max_cpa=campaign.max_cpa,
            min_tail_share=campaign.min_tail_share or None,
        )


@dataclass(frozen=True)
class ScoreLine:
    """One line: a limit, the cost of a KPI, or what was reached."""

    part: Part
    name: str
    rule: str  # how the score is made
    value: Estimate  # what was found, over all days
    target: float | None  # what was agreed or planned
    score: float | None  # compliance: share of days; cost and efficiency: 1 is as planned, above is better
    days: int  # that it is judged by
    why: str | None = None  # why there is no score


@dataclass(frozen=True)
class Scorecard:
    """All lines, and a number for each part; None where no line of it can be judged."""

    lines: tuple[ScoreLine, ...]
    compliance: float | None  # mean share of days within limits
    cost: float | None  # planned over actual cost, KPIs weighed by the preference
    efficiency: float | None  # R / R* where known, else utility per money over the plan's

    def of(self, part: Part) -> tuple[ScoreLine, ...]:
        """The lines of one part."""
        return tuple(line for line in self.lines if line.part == part)


RULES: Final[dict[Part, str]] = {
    "compliance": "mean over limits of the share of days that kept them",
    "cost": "planned over actual cost of a KPI, weighed by the preference; above 1 is cheaper than planned",
    "efficiency": "R / R* where the days can be played again, else utility per money over that of the plan",
}
"""How the number of each part is made."""


def scorecard(
    purchases: Purchases,
    limits: Limits,
    plan: Planned | None = None,
    ratios: Array | None = None,
    alpha: float = 0.05,
) -> Scorecard:
    """The scorecard of what was bought.

    A day's cost per conversion and ROI are judged by the conversions that were to be expected, each worth what
    conversions of all days were worth: one day has too few conversions of its own to be judged by them.

    Args:
        purchases: what was bought on D days.
        limits: what was agreed.
        plan: what was planned of a day; None: nothing is known of it, and neither is cost.
        ratios: (D,) R / R* of each day where it is known.
        alpha: share of intervals that may miss.
    """
    totals = purchases.by()
    compliance = _compliance(totals, limits, alpha)
    cost = () if plan is None else tuple(_cost_line(totals, plan, j, alpha) for j in range(3) if plan.preference[j] > 0)
    efficiency = _efficiency(totals, plan, ratios, alpha)
    return Scorecard(
        lines=(*compliance, *cost, *efficiency),
        compliance=_mean([line.score for line in compliance], None),
        cost=None if plan is None else _mean([line.score for line in cost], [p for p in plan.preference if p > 0]),
        efficiency=next((line.score for line in efficiency if line.score is not None), None),
    )


def _compliance(totals: Totals, limits: Limits, alpha: float) -> tuple[ScoreLine, ...]:
    spend, wins, value = (c.sum(axis=1) for c in (totals.spend, totals.wins, totals.value))
    expected, conversions = totals.expected[..., 2].sum(axis=1), totals.conversions.sum(axis=1)
    rare = totals.counted()
    lines = []
    if limits.min_roi is not None:
        found = ratio(value, spend, alpha, rare)
        rule = "expected conversions at their mean worth over spend, at least"
        came = float(conversions.sum())
        if came > 0:
            worth = float(value.sum()) / came
            lines.append(_limit("ROI", rule, found, limits.min_roi, worth * expected, spend, np.greater_equal))
        else:
            lines.append(ScoreLine("compliance", "ROI", rule, found, limits.min_roi, None, 0, _NO_WORTH))
    if limits.max_cpa is not None:
        found = ratio(spend, conversions, alpha, rare)
        rule = "spend over expected conversions, at most"
        lines.append(_limit("cost per conversion", rule, found, limits.max_cpa, spend, expected, np.less_equal))
    if limits.min_tail_share is not None:
        tail = totals.tail_wins.sum(axis=1)
        rule, found = "wins of long-tail content over wins, at least", ratio(tail, wins, alpha)
        lines.append(_limit("long-tail share", rule, found, limits.min_tail_share, tail, wins, np.greater_equal))
    if limits.max_invalid_share is not None and totals.invalid_wins is not None:
        invalid = totals.invalid_wins.sum(axis=1)
        rule, found = "invalid wins over wins, at most", ratio(invalid, wins, alpha)
        lines.append(_limit("invalid share", rule, found, limits.max_invalid_share, invalid, wins, np.less_equal))
    if limits.pace is not None and np.isfinite(totals.budget).all():
        least, most = limits.pace
        rule, found = f"spend over the day's budget, {least:.0%} to {most:.0%}", ratio(spend, totals.budget, alpha)

        def inside(share: Array, bound: float) -> NDArray[np.bool_]:
            return np.asarray((share >= bound) & (share <= most + 1e-9))

        lines.append(_limit("pace", rule, found, least, spend, totals.budget, inside))
    return tuple(lines)


def _limit(
    name: str,
    rule: str,
    found: Estimate,
    bound: float,
    above: Array,
    below: Array,
    keeps: Callable[[Array, float], NDArray[np.bool_]],
) -> ScoreLine:
    judged = below > 0
    days = int(judged.sum())
    if not days:
        return ScoreLine("compliance", name, rule, found, bound, None, 0, "no day can be judged")
    kept = keeps(above[judged] / below[judged], bound)
    return ScoreLine("compliance", name, f"{rule}; {_DAYS_WITHIN}", found, bound, float(kept.mean()), days)


def _cost_line(totals: Totals, plan: Planned, j: int, alpha: float) -> ScoreLine:
    """The cost of one KPI against the plan's."""
    spend, bought = totals.spend.sum(axis=1), totals.expected[..., j].sum(axis=1)
    found = ratio(spend, bought, alpha)
    planned = plan.spend / plan.kpi[j] if plan.kpi[j] > 0 else None
    rule = f"cost per {KPI[j]} of {plan.whose} over the actual one, by expected KPIs"
    if planned is None or not found.value:
        return ScoreLine("cost", KPI[j], rule, found, planned, None, len(spend), "nothing planned or bought")
    return ScoreLine("cost", KPI[j], rule, found, planned, planned / found.value, len(spend))


def _efficiency(totals: Totals, plan: Planned | None, ratios: Array | None, alpha: float) -> tuple[ScoreLine, ...]:
    lines = []
    if ratios is not None:
        rule = "utility attained over the most that the day allowed, mean of days"
        found = ratio(ratios, np.ones(len(ratios)), alpha)
        lines.append(ScoreLine("efficiency", "R / R*", rule, found, 1.0, found.value, len(ratios)))
    if plan is not None:
        ideal = np.array(plan.ideal)
        weights = np.where(ideal > 0, np.array(plan.preference) / np.where(ideal > 0, ideal, 1.0), 0.0)
        found = ratio(totals.expected.sum(axis=1) @ weights, totals.spend.sum(axis=1), alpha)
        planned = float(np.array(plan.kpi) @ weights) / plan.spend
        rule = f"utility per money over that of {plan.whose}"
        score = None if found.value is None or planned <= 0 else found.value / planned
        why = "nothing planned or spent" if score is None else None
        days = len(totals.days)
        lines.append(ScoreLine("efficiency", "utility per money", rule, found, planned, score, days, why))
    return tuple(lines)


def _mean(scores: list[float | None], weights: list[float] | None) -> float | None:
    """Mean of the scores that there are."""
    pairs = [(s, w) for s, w in zip(scores, weights or [1.0] * len(scores), strict=True) if s is not None]
    if not pairs:
        return None
    values, of = np.array(pairs).T
    return float((values * of).sum() / of.sum())

"""The ROI model: cost of an acquisition, conversion rate, value of a conversion, what comes back and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.training.roi.days import moments
from bidpilot.training.roi.intervals import (
    ALL_ON_ONE_DAY,
    Array,
    Estimate,
    Verdict,
    influence,
    on_one_day,
    ratio,
    together,
    too_little,
)
from bidpilot.training.roi.purchases import By, Purchases, Totals, Valued

_MOST_PAIRED: Final = 6  # groups that are compared pair by pair; each of more is compared with all the others


@dataclass(frozen=True)
class GroupReturn:
    """What the money of one group bought. Rates are of all days; intervals are by day, each for itself."""

    group: str
    spend: float  # currency
    wins: float
    conversions: float
    value: float  # currency
    spend_share: float  # of all groups' money
    cost_per_acquisition: Estimate  # currency per conversion
    conversion_rate: Estimate  # conversions per win
    value_per_conversion: Estimate  # currency
    roi: Estimate  # value / spend
    payback_days: int | None  # at least, from its first money until value had paid for it and stayed so; None: never


@dataclass(frozen=True)
class Comparison:
    """The ROI of one group over that of another, less 1; the intervals of all comparisons hold together."""

    group: str
    against: str  # another group, or "the others"
    difference: Estimate  # relative: 0.1 is a tenth more
    verdict: Verdict


@dataclass(frozen=True)
class RoiModel:
    """The ROI of each group and of all, and how groups compare."""

    by: By
    days: int
    total: GroupReturn
    groups: tuple[GroupReturn, ...]  # in the order of the totals, also those that bought nothing
    comparisons: tuple[Comparison, ...]
    valued: Valued
    alpha: float
    notes: tuple[str, ...]

    def of(self, group: str) -> GroupReturn:
        """One group by name; KeyError where there is none."""
        return {found.group: found for found in self.groups}[group]


def roi_model(purchases: Purchases | Totals, by: By | str = By.channel, alpha: float = 0.05) -> RoiModel:
    """The ROI model of what was bought.

    Args:
        purchases: what was bought, or totals of it (which are grouped already; `by` is then theirs).
        by: what groups are.
        alpha: share of intervals that may miss; of the comparisons, share of families of which any may.
    """
    totals = purchases if isinstance(purchases, Totals) else purchases.by(by)
    bought = np.flatnonzero(totals.wins.sum(axis=0) > 0)
    every = np.arange(len(totals.groups))
    notes = () if isinstance(purchases, Totals) else purchases.notes
    return RoiModel(
        by=totals.by,
        days=len(totals.days),
        total=_group("all", totals, every, alpha),
        groups=tuple(_group(totals.groups[int(g)], totals, np.array([g]), alpha) for g in every),
        comparisons=_compare(totals, bought, alpha),
        valued=totals.valued,
        alpha=alpha,
        notes=notes,
    )


def payback(spend: Array, value: Array, when: NDArray[np.int64] | None = None) -> int | None:
    """Days from the first on which money was spent until all value so far had paid for all money so far, and did so to
    the end; None where it never did.

    A conversion counts on the day of its exposure, since logs do not tell when it was made: by the day on which value
    came it takes that long or longer.

    Args:
        spend, value: (D,) in time order.
        when: (D,) days were, in days, where some are left out.
    """
    spent = np.flatnonzero(spend > 0)
    short = np.cumsum(value) < np.cumsum(spend)
    if short[-1] or not len(spent):
        return None
    when = np.arange(len(spend)) if when is None else when
    first, even = int(spent[0]), int(np.flatnonzero(short).max(initial=-1)) + 1
    return int(when[max(even, first)] - when[first]) + 1


def _group(name: str, totals: Totals, of: NDArray[np.int64], alpha: float) -> GroupReturn:
    columns = (totals.spend, totals.wins, totals.conversions, totals.value)
    spend, wins, conversions, value = (column[:, of].sum(axis=1) for column in columns)
    events, all_spend = totals.counted(groups=of.tolist()), float(totals.spend.sum())
    return GroupReturn(
        group=name,
        spend=float(spend.sum()),
        wins=float(wins.sum()),
        conversions=float(conversions.sum()),
        value=float(value.sum()),
        spend_share=float(spend.sum()) / all_spend if all_spend > 0 else 0.0,
        cost_per_acquisition=ratio(spend, conversions, alpha, events),
        conversion_rate=ratio(conversions, wins, alpha, events),
        value_per_conversion=ratio(value, conversions, alpha, events),
        roi=ratio(value, spend, alpha, events),
        payback_days=payback(spend, value, moments(totals.days)),
    )


def _compare(totals: Totals, bought: NDArray[np.int64], alpha: float) -> tuple[Comparison, ...]:
    """Each pair of few groups, or each of many against all the others."""
    if len(bought) < 2:
        return ()
    sides = _sides(totals, [int(g) for g in bought])
    why = [one.lacks or other.lacks for _, _, one, other in sides]
    told = [pair for pair, reason in zip(sides, why, strict=True) if reason is None]
    found: list[Estimate] = []
    if told:
        logs = np.array([one.log - other.log for _, _, one, other in told])
        psi = np.stack([one.psi - other.psi for _, _, one, other in told], axis=1)
        ends = together(logs, psi, alpha)
        relative = (np.expm1(x).tolist() for x in (ends.estimate, ends.low, ends.high))
        found = [Estimate(*numbers) for numbers in zip(*relative, strict=True)]
    known = iter(found)
    estimates = [next(known) if reason is None else Estimate(None, why=reason) for reason in why]
    return tuple(_comparison(group, against, e) for (group, against, *_), e in zip(sides, estimates, strict=True))


@dataclass(frozen=True)
class _Side:
    """One side of a comparison: its totals by day."""

    spend: Array  # (D,)
    value: Array  # (D,)
    events: float | None  # None: nothing rare is counted

    @property
    def lacks(self) -> str | None:
        """Why it cannot be compared; None where it can."""
        why = too_little(len(self.spend), self.events)
        if why is None and not (self.spend.any() and self.value.any()):
            why = "no value or no money"
        if why is None and (on_one_day(self.spend) or on_one_day(self.value)):
            why = ALL_ON_ONE_DAY
        return why

    @property
    def log(self) -> float:
        return float(np.log(self.value.sum() / self.spend.sum()))

    @property
    def psi(self) -> Array:
        return influence(self.value, self.spend)


def _sides(totals: Totals, groups: Sequence[int]) -> list[tuple[str, str, _Side, _Side]]:
    """What is compared with what, by name."""

    def side(of: Sequence[int]) -> _Side:
        spend, value = (column[:, list(of)].sum(axis=1) for column in (totals.spend, totals.value))
        return _Side(spend, value, totals.counted(groups=of))

    names = totals.groups
    if len(groups) <= _MOST_PAIRED:
        return [(names[a], names[b], side([a]), side([b])) for a, b in combinations(groups, 2)]
    others = {a: [b for b in groups if b != a] for a in groups}
    return [(names[a], "the others", side([a]), side(others[a])) for a in groups]


def _comparison(group: str, against: str, difference: Estimate) -> Comparison:
    return Comparison(group, against, difference, difference.verdict)

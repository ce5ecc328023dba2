"""What a campaign bought, exposure by exposure, whether a bid server told it or a recorded log was played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.segments import channel_index, channels, is_tail
from bidpilot.bidding.errors import NothingBought
from bidpilot.bidding.event import EVENTS
from bidpilot.envs.synthetic.generate import USERS

Array = NDArray[np.float64]
Column = NDArray[np.floating] | NDArray[np.integer] | NDArray[np.bool_]


UNTOLD: Final = "not told"
"""In place of the tier of users that a segment does not tell."""


class By(StrEnum):
    """What purchases are grouped by."""

    channel = "channel"
    tier = "tier"
    source = "source"
    hour = "hour"
    user = "user"
    total = "total"


class Valued(StrEnum):
    """Where the worth of conversions comes from."""

    orders = "order values as they were told"
    mixed = "order values where they were told, the campaign's conversion value elsewhere"
    constant = "the campaign's conversion value for each conversion: no order value was told"
    expected = "expected conversions at the campaign's conversion value: the log tells no outcomes"


@dataclass(frozen=True)
class Asked:
    """What one campaign had on one day."""

    day: int  # in 0 .. D - 1
    campaign: str  # empty where nobody says
    budget: float  # currency
    conversion_value: float  # currency
    share: float = 1.0  # of the traffic: an arm of an experiment has its part


@dataclass(frozen=True, eq=False)
class Purchases:
    """N won exposures of D days, of T slots each. Money is in currency, KPIs in units of the triple.

    Raises:
        NothingBought: not one exposure.
    """

    name: str
    days: tuple[str, ...]  # (D,) in time order: dates, ISO 8601, where known
    budget: Array  # (D,) of all campaigns together; NaN where nobody knows
    slots: int  # T
    segments: tuple[str, ...]  # (S,) "channel/tier"
    day: NDArray[np.int64]  # (N,) in 0 .. D - 1
    slot: NDArray[np.int64]  # (N,) in 0 .. T - 1
    segment: NDArray[np.int64]  # (N,) in 0 .. S - 1
    source: NDArray[np.int64]  # (N,)
    cost: Array  # (N,)
    kpi: Array  # (N, 3) what was to be expected: predicted, or the true expectation where the log knows it
    interacted: Array  # (N,) interactions that came of it; the expected ones where no outcome is known
    converted: Array  # (N,) conversions, likewise
    value: Array  # (N,) what these conversions were worth
    valued: Valued
    funnel: NDArray[np.int64] | None = None  # (N, 7) events told of it, in the order of EVENTS; None: none were
    invalid: NDArray[np.bool_] | None = None  # (N,) known to be invalid; None where nobody knows
    asked: tuple[Asked, ...] = ()  # by campaign and day; empty where nobody knows
    notes: tuple[str, ...] = ()  # what a reader must know

    def __post_init__(self) -> None:
        if len(self.cost) == 0:
            raise NothingBought(f"{self.name} holds no won exposure. Give days on which something was bought.")

    def __len__(self) -> int:
        return len(self.cost)

    @property
    def realised(self) -> Array:
        """(N, 3) the KPIs that came of it; exposures are told by no notice, so that theirs is the expected one."""
        return np.stack([self.kpi[:, 0], self.interacted, self.converted], axis=1)

    def groups(self, by: By | str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Names (G,) of the groups, and (N,) which one each exposure is of. Only sources in which something was bought
        are groups; channels, content and user tiers and hours are all there are, hours those in which a slot begins."""
        by = By(by)
        if by is By.channel:
            return channels(self.segments), channel_index(self.segments)[self.segment]
        if by is By.tier:
            names = tuple(dict.fromkeys(name.rpartition("/")[2] for name in self.segments))
            place = np.array([names.index(name.rpartition("/")[2]) for name in self.segments], np.int64)
            return names, place[self.segment]
        if by is By.user:
            told = [user_tier(name) for name in self.segments]
            names = tuple(name for name in (*USERS, UNTOLD) if name in told)
            return names, np.array([names.index(name) for name in told], np.int64)[self.segment]
        if by is By.source:
            found, place = np.unique(self.source, return_inverse=True)
            return tuple(str(source) for source in found.tolist()), place.astype(np.int64)
        if by is By.hour:
            hour = np.arange(self.slots) * 24 // self.slots  # of each slot
            begun, place = np.unique(hour, return_inverse=True)
            return tuple(f"{each:02d}" for each in begun.tolist()), place.astype(np.int64)[self.slot]
        return ("all",), np.zeros(len(self), np.int64)

    def by(self, by: By | str = By.total) -> Totals:
        """Totals by day and group."""
        names, place = self.groups(by)
        days, groups = len(self.days), len(names)
        cell = self.day * groups + place

        def summed(column: Column | None = None) -> Array:
            weights = None if column is None else column.astype(np.float64)
            return np.bincount(cell, weights, days * groups).astype(np.float64).reshape(days, groups)

        def each(columns: Column) -> Array:
            return np.stack([summed(columns[:, k]) for k in range(columns.shape[1])], axis=-1)

        return Totals(
            by=By(by),
            groups=names,
            days=self.days,
            budget=self.budget,
            spend=summed(self.cost),
            wins=summed(),
            expected=each(self.kpi),
            realised=each(self.realised),
            value=summed(self.value),
            tail_wins=summed(is_tail(self.segments)[self.segment]),
            invalid_wins=None if self.invalid is None else summed(self.invalid),
            funnel=None if self.funnel is None else each(self.funnel),
            valued=self.valued,
        )

    def of_days(self, chosen: NDArray[np.bool_]) -> Purchases:
        """Those of some days (D,), in their order.

        Raises:
            NothingBought: none was bought on them.
        """
        kept = chosen[self.day]
        number = np.cumsum(chosen) - 1
        return Purchases(
            name=self.name,
            days=tuple(day for day, keep in zip(self.days, chosen.tolist(), strict=True) if keep),
            budget=self.budget[chosen],
            slots=self.slots,
            segments=self.segments,
            day=number[self.day[kept]].astype(np.int64),
            slot=self.slot[kept],
            segment=self.segment[kept],
            source=self.source[kept],
            cost=self.cost[kept],
            kpi=self.kpi[kept],
            interacted=self.interacted[kept],
            converted=self.converted[kept],
            value=self.value[kept],
            valued=self.valued,
            funnel=None if self.funnel is None else self.funnel[kept],
            invalid=None if self.invalid is None else self.invalid[kept],
            asked=tuple(replace(one, day=int(number[one.day])) for one in self.asked if chosen[one.day]),
            notes=self.notes,
        )


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums of purchases by day and group, D days and G groups."""

    by: By
    groups: tuple[str, ...]  # (G,)
    days: tuple[str, ...]  # (D,)
    budget: Array  # (D,) of all groups; NaN where nobody knows
    spend: Array  # (D, G)
    wins: Array  # (D, G)
    expected: Array  # (D, G, 3) KPIs that were to be expected
    realised: Array  # (D, G, 3) KPIs that came
    value: Array  # (D, G) what the conversions were worth, currency
    tail_wins: Array  # (D, G) wins of long-tail content
    invalid_wins: Array | None  # (D, G); None where nobody knows
    funnel: Array | None  # (D, G, 7) events told, in the order of EVENTS
    valued: Valued

    @cached_property
    def conversions(self) -> Array:
        """(D, G) conversions that came."""
        return self.realised[..., 2]

    def counted(self, days: Sequence[int] | None = None, groups: Sequence[int] | None = None) -> float | None:
        """Conversions of some days and groups, all where None, of which intervals take a number.

        None where they are expectations: of these a few tell as much as many.
        """
        if self.valued is Valued.expected:
            return None
        chosen = self.conversions if days is None else self.conversions[list(days)]
        return float((chosen if groups is None else chosen[:, list(groups)]).sum())

    def events(self) -> dict[str, Array]:
        """Events (G,) of all days by type; empty where none were told."""
        if self.funnel is None:
            return {}
        return dict(zip(EVENTS, np.moveaxis(self.funnel.sum(axis=0), -1, 0), strict=True))


def user_tier(segment: str) -> str:
    """The tier of users that a part of a segment's name is; `UNTOLD` where none is."""
    return next((part for part in segment.split("/") if part in USERS), UNTOLD)

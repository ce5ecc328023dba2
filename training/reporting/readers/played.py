"""Days that an agent plays again: what it buys of them, request by request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent
from bidpilot.bidding.event import EVENTS
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.day import DayAuctions, materialise
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.reporting.evidence import Course, Offered
from bidpilot.training.reporting.readers.replayed import Cleared, cleared
from bidpilot.training.roi.purchases import Purchases, Valued

Array = NDArray[np.float64]
EXPECTED = "Outcomes are those to be expected of the exposures won; nothing was really bought."


@dataclass(frozen=True)
class Played:
    """What an agent's days came to."""

    purchases: Purchases
    events: Array | None  # (D, 7)
    offered: Offered
    course: Course
    ratio: Array  # (D,) R / R*, mean of the rows of each day; NaN where none can keep its constraints
    reached: Array  # (3,) of the ideal point, mean of days
    kept: dict[str, float]  # share of days that kept each kind of constraint


class _Watch:
    """Keeps the rule of each slot, and the events that were told."""

    def __init__(self, rows: int) -> None:
        self.rules: list[Rule] = []
        self.events = np.zeros((rows, len(EVENTS)))

    def __call__(self, episode: Episode) -> None:
        rule = episode.rule
        own = Rule(rule.alpha.copy(), rule.multiplier.copy(), rule.beta.copy(), rule.gate, rule.price_level)
        if rule.gate is not None:
            own = replace(
                own, gate=replace(rule.gate, multiplier=rule.gate.multiplier.copy(), quota=rule.gate.quota.copy())
            )
        self.rules.append(own)
        self.events += episode.totals.funnel


def played(arena: Arena, agent: Agent, name: str, units: Sequence[str], labels: Sequence[str]) -> Played:
    """Play an arena's days, and tell the exposures that were won.

    Args:
        arena: the days.
        agent: who bids.
        name: of what is played.
        units: (B,) what each row belongs to; rows of one unit are one day of the report.
        labels: (B,) what each row is called.

    Raises:
        NothingBought: nothing is won.
    """
    watch = _Watch(len(arena.days))
    outcome = arena.play(agent, watch=watch)
    budget = arena.campaigns.budget
    names = tuple(dict.fromkeys(units))
    unit = np.array([names.index(each) for each in units], np.int64)
    parts, offered = [], _Counts(arena)
    for row in range(len(arena.days)):
        auctions = materialise(arena.market, arena.days, row)
        found = cleared(auctions, watch.rules, row, float(budget[row]), arena.episode.today.first_price)
        offered.add(auctions, found)
        parts.append(_won(arena, row, int(unit[row]), auctions, found))
    columns: dict[str, Any] = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    invalid = columns.pop("invalid")
    purchases = Purchases(
        name=name,
        days=names,
        budget=np.bincount(unit, budget, len(names)).astype(np.float64),
        slots=arena.market.slots,
        segments=arena.market.log.segments,
        valued=_valued(arena),
        invalid=invalid if offered.marked else None,
        notes=(EXPECTED,) if _valued(arena) is Valued.expected else (),
        **columns,
    )
    return Played(
        purchases=purchases,
        events=_events(arena, purchases, watch.events, unit, len(names)),
        offered=offered.made(),
        course=_course(arena, labels),
        ratio=_by_day(outcome.ratio, unit[arena.kept], len(names)),
        reached=outcome.reached.mean(axis=0),
        kept={kind: float((size <= _SLIGHT).mean()) for kind, size in arena.episode.violations().items()},
    )


_SLIGHT = 0.001  # relative excess over a constraint that still counts as kept, as in evaluations


def _won(arena: Arena, row: int, unit: int, auctions: DayAuctions, found: Cleared) -> dict[str, NDArray[Any]]:
    """The columns of `Purchases` of one row."""
    won, log = found.won, arena.market.log
    kpi = auctions.true[won].astype(np.float64)
    interacted, converted, extra = kpi[:, 1], kpi[:, 2], {}
    worth = float(arena.campaigns.conversion_value[row])
    value = converted * worth
    if isinstance(arena.market, RecordedMarket):
        at = _places(arena, row)[won]
        interacted = interacted if log.interacted is None else log.interacted[at].astype(np.float64)
        if log.converted is not None:
            converted = log.converted[at].astype(np.float64)
            told = np.zeros(len(at)) if log.order_value is None else log.order_value[at].astype(np.float64)
            value = np.where((told == 0) & (converted > 0), converted * worth, told)
        if log.funnel is not None:
            extra = {"funnel": log.funnel[at].astype(np.int64)}
    return {
        "day": np.full(len(won), unit, np.int64),
        "slot": auctions.slot[won].astype(np.int64),
        "segment": auctions.segment[won].astype(np.int64),
        "source": auctions.source[won].astype(np.int64),
        "cost": found.cost,
        "kpi": kpi,
        "interacted": interacted,
        "converted": converted,
        "value": value,
        "invalid": auctions.invalid[won],
        **extra,
    }


def _valued(arena: Arena) -> Valued:
    """Where the worth of conversions comes from."""
    log = arena.market.log
    if not isinstance(arena.market, RecordedMarket) or log.converted is None:
        return Valued.expected
    return Valued.constant if log.order_value is None else Valued.mixed


def _places(arena: Arena, row: int) -> NDArray[np.int64]:
    """Places in the log of a recorded day's auctions, all of which arrive."""
    start, count = arena.days.start[row], arena.days.count[row]
    return np.concatenate([np.arange(s, s + n) for s, n in zip(start.tolist(), count.tolist(), strict=True)])


def _events(arena: Arena, purchases: Purchases, drawn: Array, unit: NDArray[np.int64], days: int) -> Array | None:
    """(D, 7) events: those recorded, or those that a synthetic market draws; none of a log that has no outcomes."""
    if purchases.funnel is not None:
        return np.stack([np.bincount(purchases.day, column, days) for column in purchases.funnel.T], axis=1)
    if isinstance(arena.market, RecordedMarket):
        return None
    return np.stack([np.bincount(unit, column, days) for column in drawn.T], axis=1)


def _by_day(values: Array, day: NDArray[np.int64], days: int) -> Array:
    """(D,) means of the values of each day; NaN where there are none."""
    count = np.bincount(day, minlength=days)
    return np.where(count > 0, np.bincount(day, values, days) / np.maximum(count, 1), np.nan)


def _course(arena: Arena, labels: Sequence[str]) -> Course:
    budget = arena.campaigns.budget
    spent = (arena.episode.statistics.spend.T / budget[:, None]).copy()
    return Course(spent, (1.0 - arena.planned).mean(axis=0), tuple(labels))


class _Counts:
    """Requests by segment, source and what became of them."""

    def __init__(self, arena: Arena) -> None:
        self._segments, self._sources, self._slots = (
            len(arena.market.log.segments), arena.market.log.sources, arena.market.slots,
        )  # fmt: skip
        self._by_segment = np.zeros(self._segments, np.int64)
        self._by_source = np.zeros(self._sources, np.int64)
        self._refused = np.zeros((self._sources, self._slots), np.int64)
        self._filtered = arena.filtered
        self._why = {"won": 0, "refused as invalid traffic": 0, "outbid, or no money left": 0}
        self._invalid, self._caught = 0, 0

    @property
    def marked(self) -> bool:
        """Whether some request is known to be invalid."""
        return self._invalid > 0

    def add(self, auctions: DayAuctions, found: Cleared) -> None:
        """Count one day."""
        self._by_segment += np.bincount(auctions.segment[~found.refused], minlength=self._segments)
        self._by_source += np.bincount(auctions.source, minlength=self._sources)
        cell = auctions.source.astype(np.int64) * self._slots + auctions.slot
        self._refused += np.bincount(cell[found.refused], minlength=self._refused.size).reshape(self._refused.shape)
        refused, won = int(found.refused.sum()), len(found.won)
        counts = (won, refused, len(auctions.slot) - won - refused)
        self._why = {name: n + more for (name, n), more in zip(self._why.items(), counts, strict=True)}
        self._invalid += int(auctions.invalid.sum())
        self._caught += int((auctions.invalid & found.refused).sum())

    def made(self) -> Offered:
        """All that was counted."""
        return Offered(
            by_segment=self._by_segment,
            by_source=self._by_source,
            refused=self._refused if self._filtered else None,
            why=self._why,
            invalid=float(self._invalid) if self.marked else None,
            invalid_refused=float(self._caught) if self.marked else None,
        )

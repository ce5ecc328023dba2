"""Days that an agent plays again: what it buys of them, request by request, of a log or of a synthetic market."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent
from bidpilot.bidding.event import EVENTS
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.day import DayAuctions, materialise
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.roi.offered import Course, Offered
from bidpilot.training.roi.purchases import Asked, Purchases, Valued
from bidpilot.training.roi.replayed import Cleared, cleared
from bidpilot.training.roi.rows import Rows

Array = NDArray[np.float64]
NOTE_EXPECTED: Final = "what came of exposures is what was to be expected of them"
NOTE_FUNNEL: Final = "events of the log are of auctions that the recorded bidder won, and are left out"
_SLIGHT: Final = 0.001  # relative excess over a constraint that still counts as kept, as in evaluations


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
    """Keeps the rule of each slot, what was withheld at its beginning, and the events that were told."""

    def __init__(self, rows: int) -> None:
        self.rules: list[Rule] = []
        self.events = np.zeros((rows, len(EVENTS)))
        self._withheld = [np.zeros(rows)]

    def withheld(self, row: int) -> Array:
        """(T + 1,) currency: what bids of wins still unreported exceed their prices by, so that it is not bid."""
        return np.array([held[row] for held in self._withheld])

    def __call__(self, episode: Episode) -> None:
        rule = episode.rule
        own = Rule(rule.alpha.copy(), rule.multiplier.copy(), rule.beta.copy(), rule.gate, rule.price_level)
        if rule.gate is not None:
            own = replace(
                own, gate=replace(rule.gate, multiplier=rule.gate.multiplier.copy(), quota=rule.gate.quota.copy())
            )
        self.rules.append(own)
        self.events += episode.totals.funnel
        self._withheld.append(episode.statistics.withheld())


def played(arena: Arena, agent: Agent, name: str, rows: Rows) -> Played:
    """Play an arena's days at the price that their campaigns pay, and tell the exposures that were won.

    Rows of one day are one day of the purchases. Exposures known to be invalid bring nothing, whatever a log records of
    them. Orders are worth what the log tells; its conversions without a worth, or its expected conversions where it
    records none, are worth the day's conversion value.

    Args:
        arena: the days.
        agent: who bids.
        name: of what is played.
        rows: what the arena's rows are called.

    Raises:
        NothingBought: nothing is won.
    """
    watch = _Watch(len(arena.days))
    outcome = arena.play(agent, watch=watch)
    (names, day), late = rows.days, arena.campaigns.win_delay > 0
    parts, offered = [], _Counts(arena)
    for row in range(len(arena.days)):
        auctions = materialise(arena.market, arena.days, row)
        held = watch.withheld(row) if late[row] else None
        budget, first_price = float(arena.campaigns.budget[row]), arena.episode.today.first_price
        found = cleared(auctions, watch.rules, row, budget, first_price, held)
        offered.add(auctions, found)
        parts.append(_won(arena, row, int(day[row]), auctions, found))
    purchases = _purchases(arena, name, rows, parts, offered.marked)
    return Played(
        purchases=purchases,
        events=_events(arena, purchases, watch.events, day, len(names)),
        offered=offered.made(),
        course=_course(arena, rows),
        ratio=_by_day(outcome.ratio, day[arena.kept], len(names)),
        reached=outcome.reached.mean(axis=0),
        kept={kind: float((size <= _SLIGHT).mean()) for kind, size in arena.episode.violations().items()},
    )


def _purchases(arena: Arena, name: str, rows: Rows, parts: list[dict[str, NDArray[Any]]], marked: bool) -> Purchases:
    """All rows together; `marked`: whether some request is known to be invalid."""
    columns: dict[str, Any] = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    invalid, untold = columns.pop("invalid"), columns.pop("untold")
    names, day = rows.days
    terms = (day.tolist(), rows.campaigns, arena.campaigns.budget.tolist(), arena.campaigns.conversion_value.tolist())
    valued = _valued(arena, bool(untold.any()))
    left_out = isinstance(arena.market, RecordedMarket) and arena.market.log.funnel is not None
    left_out = left_out and "funnel" not in columns
    said = ((NOTE_EXPECTED, valued is Valued.expected), (NOTE_FUNNEL, left_out))
    return Purchases(
        name=name,
        days=names,
        budget=np.bincount(day, arena.campaigns.budget, len(names)).astype(np.float64),
        slots=arena.market.slots,
        segments=arena.market.log.segments,
        valued=valued,
        invalid=invalid if marked else None,
        asked=tuple(Asked(*each) for each in zip(*terms, strict=True)),
        notes=tuple(note for note, holds in said if holds),
        **columns,
    )


def _won(arena: Arena, row: int, day: int, auctions: DayAuctions, found: Cleared) -> dict[str, NDArray[Any]]:
    """The columns of `Purchases` of one row, and which conversions came without a worth."""
    won, worth = found.won, float(arena.campaigns.conversion_value[row])
    kpi = auctions.true[won].astype(np.float64)
    came = {"interacted": kpi[:, 1], "converted": kpi[:, 2], "value": kpi[:, 2] * worth}
    untold = np.zeros(len(won), np.bool_)
    if isinstance(arena.market, RecordedMarket):
        valid = ~auctions.invalid[won]
        recorded, untold = _recorded(arena.market.log, _places(arena, row)[won], worth)
        came |= {name: (column.T * valid).T for name, column in recorded.items()}
        untold &= valid
    return {
        "day": np.full(len(won), day, np.int64),
        "slot": auctions.slot[won].astype(np.int64),
        "segment": auctions.segment[won].astype(np.int64),
        "source": auctions.source[won].astype(np.int64),
        "cost": found.cost,
        "kpi": kpi,
        "invalid": auctions.invalid[won],
        "untold": untold,
        **came,
    }


def _recorded(
    log: AuctionLog, at: NDArray[np.int64], worth: float
) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
    """What a log records of the auctions `at` (W,), and which of their conversions it tells no worth of."""
    found: dict[str, NDArray[Any]] = {}
    untold = np.zeros(len(at), np.bool_)
    if log.interacted is not None:
        found["interacted"] = log.interacted[at].astype(np.float64)
    if log.converted is not None:
        converted = log.converted[at].astype(np.float64)
        told = np.zeros(len(at)) if log.order_value is None else log.order_value[at].astype(np.float64)
        untold = (told == 0) & (converted > 0)
        found |= {"converted": converted, "value": np.where(untold, converted * worth, told)}
    # counts of events are of all auctions only where their outcomes are
    if log.funnel is not None and found:
        found["funnel"] = log.funnel[at].astype(np.int64)
    return found, untold


def _valued(arena: Arena, untold: bool) -> Valued:
    """Where the worth of conversions comes from; `untold`: of some the log told none."""
    log = arena.market.log
    if not isinstance(arena.market, RecordedMarket) or log.converted is None:
        return Valued.expected
    if log.order_value is None:
        return Valued.constant
    return Valued.mixed if untold else Valued.orders


def _places(arena: Arena, row: int) -> NDArray[np.int64]:
    """Places in the log of a recorded day's auctions, all of which arrive."""
    start, count = arena.days.start[row], arena.days.count[row]
    return np.concatenate([np.arange(s, s + n) for s, n in zip(start.tolist(), count.tolist(), strict=True)])


def _events(arena: Arena, purchases: Purchases, drawn: Array, day: NDArray[np.int64], days: int) -> Array | None:
    """(D, 7) events: those recorded, or those that a synthetic market draws; none of a log that has no outcomes."""
    if purchases.funnel is not None:
        return np.stack([np.bincount(purchases.day, column, days) for column in purchases.funnel.T], axis=1)
    if isinstance(arena.market, RecordedMarket):
        return None
    return np.stack([np.bincount(day, column, days) for column in drawn.T], axis=1)


def _by_day(values: Array, day: NDArray[np.int64], days: int) -> Array:
    """(D,) means of the values of each day; NaN where there are none."""
    count = np.bincount(day, minlength=days)
    return np.where(count > 0, np.bincount(day, values, days) / np.maximum(count, 1), np.nan)


def _course(arena: Arena, rows: Rows) -> Course:
    order = np.argsort(rows.days[1], kind="stable")
    spent = arena.episode.statistics.spend.T / arena.campaigns.budget[:, None]
    return Course(spent[order], (1.0 - arena.planned).mean(axis=0), tuple(rows.labels[row] for row in order))


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

"""Which events of the server are incidents: a table of causes, with how many of them in what time count.

An event that happens once is an event. Many of a kind, or a state that lasts, are an incident; while they go on it is
noticed again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.guardrails import Cause, EventLog
from bidpilot.serving.incidents.incident import Level
from bidpilot.serving.ledger.store import MICRO

if TYPE_CHECKING:
    from bidpilot.serving.bidder import Bidder

_HOUR = 3600.0
_DEBT, _MUCH_DEBT = 0.01, 0.1  # of a day's budget
_AWAY = 30.0  # seconds without the ledger


@dataclass(frozen=True)
class Trigger:
    """Events that are an incident when so many come within a time."""

    risk: Risk
    causes: tuple[Cause, ...]
    count: int  # of events
    seconds: float  # within which they come
    what: str  # in words


TRIGGERS = (
    Trigger(
        Risk.policy_failure,
        (Cause.policy_failed, Cause.policy_slow, Cause.policy_out_of_range, Cause.campaign_failed),
        3,  # it is asked once per slot
        3 * _HOUR,
        "the policy fails slot after slot",
    ),
    Trigger(Risk.budget_overrun, (Cause.overpriced,), 20, _HOUR, "bills are above what was bid"),
    Trigger(Risk.store_failure, (Cause.ledger_unavailable, Cause.ledger_failed), 3, 600.0, "the ledger fails"),
    Trigger(Risk.store_failure, (Cause.state_failed,), 3, 600.0, "the state folder cannot be written"),
    Trigger(Risk.store_failure, (Cause.decisions_lost,), 2, 2 * _HOUR, "the decision log cannot be written"),
)
"""One place that says what counts."""


@dataclass(frozen=True)
class Found:
    """Something that is going on by the server's own events."""

    risk: Risk
    campaign: str  # empty where it is the bidder's
    explanation: str
    evidence: dict[str, Any]
    least: Level = Level.none


@dataclass
class Triggers:
    """Looks at the counts of events, and at states that last."""

    _seen: dict[tuple[str, int], deque[tuple[float, int]]] = field(default_factory=dict)  # times and counts
    _away_since: float | None = None

    def found(self, bidder: Bidder, now: float) -> Iterator[Found]:
        """All that is going on at this time."""
        yield from self._of("", bidder.events, now)
        for name in bidder.days:
            if (log := bidder.campaign_events(name)) is not None:
                yield from self._of(name, log, now)
        yield from _states(bidder)
        keeper = bidder.desk.keeper
        if keeper.well:
            self._away_since = None
            return
        self._away_since = now if self._away_since is None else self._away_since
        if (away := now - self._away_since) >= _AWAY:
            evidence = {"seconds": away, "failure": keeper.failure or f"no answer for {keeper.age:.0f} s"}
            yield Found(Risk.store_failure, "", f"the ledger does not answer for {away:.0f} s", evidence)

    def _of(self, campaign: str, log: EventLog, now: float) -> Iterator[Found]:
        for k, trigger in enumerate(TRIGGERS):
            total = sum(log.counts[cause] for cause in trigger.causes)
            seen = self._seen.setdefault((campaign, k), deque([(now, 0)]))
            if total != seen[-1][1]:
                seen.append((now, total))
            while len(seen) > 1 and now - seen[1][0] > trigger.seconds:
                seen.popleft()
            came = total - seen[0][1]  # since what was there before that time
            if came >= trigger.count:
                minutes = trigger.seconds / 60
                yield Found(
                    trigger.risk,
                    campaign,
                    f"{trigger.what}: {came} times in {minutes:g} minutes",
                    {"events": came, "seconds": trigger.seconds, "causes": [c.value for c in trigger.causes]},
                )


def _states(bidder: Bidder) -> Iterator[Found]:
    reconciliation = bidder.reconciliation
    for name, day in bidder.days.items():
        if reconciliation.warned(name):
            wins = reconciliation.wins[name]
            stopped = reconciliation.stopped(name)
            yield Found(
                Risk.exchange_not_billing,
                name,
                f"{wins.overdue} wins are not billed" + (", and the campaign has stopped" if stopped else ""),
                {"overdue": wins.overdue, "wins": wins.told, "owed": wins.owed / MICRO},
                Level.stop if stopped else Level.none,
            )
        state = day.wallet.state
        budget = 0 if state is None else state.budget
        if budget and day.wallet.debt > _DEBT * budget:
            share = day.wallet.debt / budget
            yield Found(
                Risk.budget_overrun,
                name,
                f"{share:.1%} of the day's budget was billed after its money was given back",
                {"debt": day.wallet.debt / MICRO, "budget": budget / MICRO},
                Level.stop if share > _MUCH_DEBT else Level.none,
            )

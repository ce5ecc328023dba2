"""Wins against bills: an exchange that tells wins and never bills them is noticed, and in the end not bid with.

What is compared is in the ledger, so that a restart forgets none of it. A win whose bill is overdue may still be
billed; it counts as overdue until then, also once its money is free again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from bidpilot.serving.guardrails import Cause, EventLog
from bidpilot.serving.ledger.store import MICRO, Wins

if TYPE_CHECKING:
    from bidpilot.serving.desk import Desk

_EVERY = 10.0  # seconds between two looks


class ReconciliationConfig(BaseModel):
    """When wins without bills are too many."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    age: float = Field(
        3600.0, gt=0, description="Time after which the bill of a win is overdue, seconds; at least bid-expiry."
    )
    least: int = Field(20, ge=1, description="Wins, billed or overdue, from which on their shares are looked at.")
    share: float = Field(
        0.2, ge=0, le=1, description="Overdue share of a campaign's wins above which an event is raised."
    )
    limit: float = Field(
        0.5, ge=0, le=1, description="Overdue share above which the campaign stops bidding; 1 never stops it."
    )


class Reconciliation:
    """Looks at the wins of each campaign every few seconds.

    Args:
        desk: what the campaigns share.
        events: of each campaign, by name.
    """

    def __init__(self, desk: Desk, events: Mapping[str, EventLog]) -> None:
        self._desk, self._events = desk, events
        self.wins: dict[str, Wins] = {}  # by campaign, as last told
        self._forgiven = desk.state.forgiven()  # by campaign: wins that an operator has looked at
        self._warned: set[str] = set()
        self._stopped: set[str] = set()
        self._next = desk.clock()

    def tend(self, now: float, accounts: Mapping[str, list[str]]) -> None:
        """Ask what has become of wins, where it is time to; `accounts` by campaign, of the days that are looked at."""
        if now < self._next:
            return
        self._next = now + _EVERY
        desk = self._desk
        until = now + desk.win_hold - max(desk.reconciliation.age, desk.expiry)
        for name in self.wins.keys() - accounts.keys():
            self._forget(name)
        for name, theirs in accounts.items():
            self._ask(name, theirs, until)

    def warned(self, name: str) -> bool:
        """Whether too many of a campaign's wins are not billed."""
        return name in self._warned

    def stopped(self, name: str) -> bool:
        """Whether a campaign does not bid because its wins are not billed."""
        return name in self._stopped

    def forgive(self, name: str) -> None:
        """An operator lets a campaign go on: what is overdue now counts no longer."""
        self._forgiven[name] = self.wins.get(name, Wins())
        self._desk.state.store_forgiven(name, self._forgiven[name])
        self._judge(name)

    def _ask(self, name: str, accounts: list[str], until: float) -> None:
        def told(found: list[Wins] | None) -> None:
            if found is not None:
                self.wins[name] = sum(found, start=Wins())
                self._judge(name)

        self._desk.keeper.run(lambda store: [store.wins(account, until) for account in accounts], told)

    def _judge(self, name: str) -> None:
        config, wins, before = self._desk.reconciliation, self.wins.get(name, Wins()), self._forgiven.get(name, Wins())
        if wins.told < before.told:  # the days that were forgiven are over
            before = Wins()
        overdue = max(wins.overdue - before.overdue, 0)
        known = wins.told - wins.waiting - (before.told - before.waiting)
        share = overdue / known if known >= config.least else 0.0
        owed = f"{overdue} of {known} wins are not billed after {config.age:g} s, {wins.owed / MICRO:g} in all"
        for kept, above, cause in (
            (self._warned, share > config.share, Cause.unbilled),
            (self._stopped, share > config.limit, Cause.unbilled_stop),
        ):
            if above and name not in kept:
                self._events[name].record(cause, owed)
            (kept.add if above else kept.discard)(name)

    def _forget(self, name: str) -> None:
        for kept in (self.wins, self._forgiven):
            kept.pop(name, None)
        self._warned.discard(name)
        self._stopped.discard(name)

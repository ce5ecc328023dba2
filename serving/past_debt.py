"""Debt of days gone by: it stays visible, and today's budget covers it where a campaign asks for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bidpilot.serving.calendar import Moment
from bidpilot.serving.desk import Desk
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.ledger.wallet import Wallet
from bidpilot.serving.served import ServedCampaign

DAYS = 7
"""Days gone by whose debt is known."""
_EVERY = 60.0  # seconds between two looks


class PastDebt:
    """Looks at the accounts of past days every minute, and when a slot begins.

    Args:
        desk: what the campaigns share.
        today: the running day's wallet of a campaign.
        moment: the slot under way of a campaign.
    """

    def __init__(self, desk: Desk, today: Callable[[str], Wallet], moment: Callable[[str], Moment]) -> None:
        self._desk, self._today, self._moment = desk, today, moment
        self._owed: dict[str, dict[str, float]] = {}
        self._next, self._turn = desk.clock(), -1

    def of(self, name: str) -> dict[str, float]:
        """What a campaign owes of days gone by, currency, by ISO date."""
        return self._owed.get(name, {})

    def tend(self, now: float, turn: int, served: Mapping[str, ServedCampaign]) -> None:
        """Ask what is owed, where it is time to; `turn` counts slots that have begun."""
        if now < self._next and turn == self._turn:
            return
        self._next, self._turn = now + _EVERY, turn
        accounts = [f"{name}@{self._moment(name).date_before(k)}" for name in served for k in range(1, DAYS + 1)]

        def told(found: list[int] | None) -> None:
            if found is None:
                return
            owed: dict[str, dict[str, float]] = {}
            for account, amount in zip(accounts, found, strict=True):
                if amount:
                    name, _, past = account.partition("@")
                    owed.setdefault(name, {})[past] = amount / MICRO
            self._owed = owed
            for name in owed.keys() & {name for name, one in served.items() if one.cover_past_debt}:
                self._cover(name)

        self._desk.keeper.run(lambda store: store.debts(accounts), told)

    def _cover(self, name: str) -> None:
        """Let today's account owe it."""
        wallet = self._today(name)
        accounts = [f"{name}@{past}" for past in self._owed[name]]
        if wallet.account in accounts:  # today's is about to begin: asked again
            return

        def told(moved: int | None) -> None:
            if moved:
                self._owed.pop(name, None)
                wallet.owes(moved)

        self._desk.keeper.run(lambda store: sum(store.move_debt(account, wallet.account) for account in accounts), told)

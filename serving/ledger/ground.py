"""What one batch of wins or bills changes in the accounts of the embedded store, written once at its end."""

from __future__ import annotations

import sqlite3


class Ground:
    """What is taken from leases, added to accounts and counted in slots. Amounts are written by `write` alone.

    Args:
        db: with a transaction under way.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._held: dict[tuple[str, str], int | None] = {}  # by account and lease; None where there is no such lease
        self._has_wins: dict[str, bool] = {}  # by account
        self._added: dict[tuple[str, str], int] = {}  # by column and account
        self._spent: dict[tuple[str, int], int] = {}  # by account and slot

    def holds(self, account: str, lease: str, amount: int) -> bool:
        """Whether a lease holds as much."""
        left = self._lease(account, lease)
        return left is not None and left >= amount

    def put(self, account: str, lease: str, amount: int) -> None:
        """Put an amount into a lease, or take one out that it holds; where it is gone it stays the account's."""
        left = self._lease(account, lease)
        if left is not None:
            self._held[account, lease] = left + amount

    def bill_win(self, account: str, key: str) -> int | None:
        """Let go of what is held for the win of a bid that is billed; how much, None where nothing is."""
        if account not in self._has_wins:  # most exchanges tell none: then no bill need look for one
            found = self._db.execute("SELECT 1 FROM wins WHERE account = ? LIMIT 1", (account,)).fetchone()
            self._has_wins[account] = found is not None
        if not self._has_wins[account]:
            return None
        row = self._db.execute("DELETE FROM wins WHERE key = ? RETURNING amount", (key,)).fetchone()
        return None if row is None else int(row[0])

    def _lease(self, account: str, lease: str) -> int | None:
        place = account, lease
        if place not in self._held:
            found = self._db.execute("SELECT held FROM leases WHERE account = ? AND lease = ?", place).fetchone()
            self._held[place] = found[0] if found else None
        return self._held[place]

    def add(self, column: str, account: str, amount: int) -> None:
        """Add an amount to one of an account's columns."""
        place = column, account
        self._added[place] = self._added.get(place, 0) + amount

    def spend(self, account: str, slot: int, amount: int) -> None:
        """Count an amount in the slot of its auction."""
        place = account, slot
        self._spent[place] = self._spent.get(place, 0) + amount

    def write(self) -> None:
        """Write it all."""
        for (column, account), amount in self._added.items():
            self._db.execute(f"UPDATE accounts SET {column} = {column} + ? WHERE account = ?", (amount, account))
        self._db.executemany(
            "INSERT INTO slots VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET spent = spent + excluded.spent",
            [(*place, amount) for place, amount in self._spent.items()],
        )
        leases = [(held, *place) for place, held in self._held.items() if held is not None]
        self._db.executemany("UPDATE leases SET held = ? WHERE account = ? AND lease = ?", leases)

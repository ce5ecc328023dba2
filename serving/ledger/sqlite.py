"""The embedded store: SQLite in WAL mode, one process, one writer. A commit is on disk when it returns."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.calendar import Clock
from bidpilot.serving.ledger import orders_sqlite
from bidpilot.serving.ledger.file_sqlite import opened
from bidpilot.serving.ledger.ground import Ground
from bidpilot.serving.ledger.reports import Reports
from bidpilot.serving.ledger.store import (
    AccountState,
    Booked,
    Grant,
    Held,
    Order,
    Resolved,
    Seen,
    Settlement,
    Shown,
    Win,
    Wins,
)

_AMONG = "key IN (SELECT value FROM json_each(?))"
_STATES = """
SELECT account, budget, settled, debt,
    (SELECT COALESCE(SUM(held), 0) FROM leases WHERE leases.account = accounts.account AND until >= ?),
    (SELECT COALESCE(SUM(amount), 0) FROM wins WHERE wins.account = accounts.account AND until >= ?)
FROM accounts WHERE account IN ({})
"""
_MOST_ASKED = 500  # accounts in one query


class SqliteStore:
    """Accounts in one file.

    Args:
        path: the database; made where missing. A second process on the same file is refused.
        clock: what deadlines and leases are compared with.
        shared: whether this process serves it to several others.

    Raises:
        LedgerUnavailable: the file cannot be opened, or another process holds it.
    """

    def __init__(self, path: Path, clock: Clock, shared: bool = False) -> None:
        self._clock, self.shared, self._reports = clock, shared, Reports()
        self._roll = orders_sqlite.Roll()
        self._lock, self._db, self._shown = opened(path)

    def open(self, account: str, budget: int) -> AccountState:
        """The account, made with this budget where it is new."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO accounts (account, budget) VALUES (?, ?)", (account, budget))
            return self._state(account)

    def set_budget(self, account: str, budget: int) -> AccountState:
        """Change an account's budget."""
        with self._transaction() as db:
            db.execute("UPDATE accounts SET budget = ? WHERE account = ?", (budget, account))
            return self._state(account)

    def lease(self, account: str, lease: str, want: int, until: float, begun: bool = False) -> Grant:
        """Let leases and wins that have run out go, cover debt, and add up to `want` to a lease lasting `until`."""
        now = self._clock()
        with self._transaction() as db:
            db.execute("DELETE FROM leases WHERE account = ? AND until < ?", (account, now))
            over = db.execute("DELETE FROM wins WHERE account = ? AND until < ? RETURNING amount", (account, now))
            if amounts := [row[0] for row in over.fetchall()]:
                db.execute(
                    "UPDATE accounts SET won = won - ?1, lapsed = lapsed + ?2, lapsed_amount = lapsed_amount + ?1 "
                    "WHERE account = ?3",
                    (sum(amounts), len(amounts), account),
                )
            row = db.execute("SELECT held FROM leases WHERE account = ? AND lease = ?", (account, lease)).fetchone()
            state = self._state(account)
            covered = min(state.debt, state.available)
            debt = state.debt - covered
            gone = begun and row is None
            granted = 0 if debt or gone else min(want, state.available - covered)
            if covered:
                db.execute(
                    "UPDATE accounts SET settled = settled + ?, debt = debt - ? WHERE account = ?",
                    (covered, covered, account),
                )
            if not gone:
                db.execute(
                    "INSERT INTO leases VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
                    "SET held = held + excluded.held, until = MAX(until, excluded.until)",
                    (account, lease, granted, until),
                )
            return Grant(granted, row is not None, debt, granted + (row[0] if row else 0), state.over)

    def give_back(self, account: str, lease: str, amount: int) -> None:
        """Take `amount` off a lease."""
        with self._transaction() as db:
            db.execute(
                "UPDATE leases SET held = MAX(held - ?, 0) WHERE account = ? AND lease = ?", (amount, account, lease)
            )

    def win(self, batch: Sequence[Win]) -> list[Held]:
        """Hold the money of bids that have won until they are billed, each once; one commit for the whole batch."""
        now = self._clock()
        outcome: list[Held] = []
        with self._transaction() as db:
            ground = Ground(db)
            for w in batch:
                if db.execute("SELECT 1 FROM notices WHERE key = ?", (w.key,)).fetchone():
                    outcome.append(Held.billed)
                    continue
                row = (w.key, w.account, w.lease, w.amount, w.until, w.slot)
                if not db.execute("INSERT OR IGNORE INTO wins VALUES (?, ?, ?, ?, ?, ?)", row).rowcount:
                    outcome.append(Held.repeated)
                    continue
                in_time = now <= w.deadline and ground.holds(w.account, w.lease, w.amount)
                if in_time:
                    ground.put(w.account, w.lease, -w.amount)
                ground.add("won", w.account, w.amount)
                ground.add("wins", w.account, 1)
                ground.spend(w.account, w.slot, w.amount)
                outcome.append(Held.held if in_time else Held.late)
            ground.write()
        return outcome

    def settle(self, batch: Sequence[Settlement]) -> list[Booked]:
        """Book billed exposures, each once: from what is held for their wins, or from their leases; one commit."""
        now = self._clock()
        outcome: list[Booked] = []
        with self._transaction() as db:
            ground = Ground(db)
            for s in batch:
                won = ground.bill_win(s.account, s.key)  # None also where it was billed before
                paid = won is not None or (now <= s.deadline and ground.holds(s.account, s.lease, s.amount))
                booked = Booked.settled if paid else Booked.debt
                row = (s.key, s.account, s.amount, booked.value)
                if not db.execute("INSERT OR IGNORE INTO notices VALUES (?, ?, ?, ?)", row).rowcount:
                    outcome.append(Booked.duplicate)
                    continue
                if won is not None:
                    ground.add("won", s.account, -won)
                    ground.put(s.account, s.lease, won - s.amount)
                elif paid:
                    ground.put(s.account, s.lease, -s.amount)
                ground.spend(s.account, s.slot, s.amount - (won or 0))
                ground.add(booked.value, s.account, s.amount)
                outcome.append(booked)
            ground.write()
        return outcome

    def resolve(self, batch: Sequence[Settlement]) -> list[Resolved]:
        """What became with other workers of bids whose reservations have run out."""
        now, keys = self._clock(), json.dumps([s.key for s in batch])
        with self._errors():  # one question for all: asked one by one they cost ten times as much
            billed = dict(self._db.execute(f"SELECT key, amount FROM notices WHERE {_AMONG}", (keys,)))
            won = dict(self._db.execute(f"SELECT key, until FROM wins WHERE until >= ? AND {_AMONG}", (now, keys)))
        return [
            Resolved(settled=billed[s.key])
            if s.key in billed
            else Resolved(won=won[s.key])
            if s.key in won
            else Resolved(pending=now <= s.deadline)
            for s in batch
        ]

    def tell(self, account: str, slot: int, bidder: str, report: bytes) -> None:
        """Keep, in memory, what a worker whose ledger this is has seen of a slot."""
        self._reports.tell(account, slot, bidder, report)

    def told(self, account: str, slot: int) -> dict[str, bytes]:
        """What workers tell of a slot, by their names."""
        return self._reports.told(account, slot)

    def spent_in(self, account: str, slot: int) -> int:
        """What bids on auctions of a slot were billed at, or will be as they have won; micro-units."""
        with self._errors():
            row = self._db.execute("SELECT spent FROM slots WHERE account = ? AND slot = ?", (account, slot)).fetchone()
        return row[0] if row else 0

    def wins(self, account: str, until: float) -> Wins:
        """Wins of an account; those that are not billed and are held for no longer than `until` are overdue."""
        with self._errors():
            row = self._db.execute(
                "SELECT wins, lapsed, lapsed_amount FROM accounts WHERE account = ?", (account,)
            ).fetchone()
            waiting, overdue, owed = self._db.execute(
                "SELECT COUNT(*) FILTER (WHERE until > ?2), COUNT(*) FILTER (WHERE until <= ?2), "
                "COALESCE(SUM(amount) FILTER (WHERE until <= ?2), 0) FROM wins WHERE account = ?1",
                (account, until),
            ).fetchone()
        told, lapsed, lapsed_amount = row or (0, 0, 0)
        return Wins(told, waiting, overdue + lapsed, owed + lapsed_amount)

    def unbilled(self, account: str) -> list[Win]:
        """Wins of an account that are not billed, where one process holds them all."""
        if self.shared:
            return []
        with self._errors():
            rows = self._db.execute("SELECT key, lease, amount, until, slot FROM wins WHERE account = ?", (account,))
            return [Win(key, account, lease, amount, 0.0, until, slot) for key, lease, amount, until, slot in rows]

    def debts(self, accounts: Sequence[str]) -> list[int]:
        """What each account owes, micro-units; 0 where there is no such account."""
        with self._errors():
            rows = [
                self._db.execute("SELECT debt FROM accounts WHERE account = ?", (account,)).fetchone()
                for account in accounts
            ]
        return [row[0] if row else 0 for row in rows]

    def move_debt(self, account: str, to: str) -> int:
        """Let another account owe what one owes; how much that was, 0 where there is no account to move it to."""
        with self._transaction() as db:
            rows = dict(db.execute("SELECT account, debt FROM accounts WHERE account IN (?, ?)", (account, to)))
            amount: int = rows.get(account, 0) if to in rows and account != to else 0
            if amount:
                db.execute("UPDATE accounts SET debt = 0 WHERE account = ?", (account,))
                db.execute("UPDATE accounts SET debt = debt + ? WHERE account = ?", (amount, to))
        return amount

    def state(self, account: str) -> AccountState | None:
        """The account, None where there is none."""
        with self._errors():
            if not self._db.execute("SELECT 1 FROM accounts WHERE account = ?", (account,)).fetchone():
                return None
            return self._state(account)

    def states(self, accounts: Sequence[str]) -> list[AccountState | None]:
        """Accounts as `state`, of days gone by too: what was held for leases and wins that have run out is not."""
        found: dict[str, AccountState] = {}
        now = self._clock()
        with self._errors():
            for begin in range(0, len(accounts), _MOST_ASKED):
                few = accounts[begin : begin + _MOST_ASKED]
                rows = self._db.execute(_STATES.format(", ".join("?" * len(few))), (now, now, *few))
                for account, budget, settled, debt, leased, won in rows:
                    found[account] = AccountState(budget, settled, leased + won, debt, won)
        return [found.get(account) for account in accounts]

    def order(self, name: str, text: str) -> int:
        """Keep an order in place of the one of its name."""
        with self._transaction() as db:
            return orders_sqlite.write(db, name, text)

    def orders(self, since: int) -> list[Order]:
        """The orders with versions above `since`, oldest first."""
        with self._errors():
            return orders_sqlite.read(self._db, since)

    def acknowledge(self, bidder: str, version: int, what: str) -> None:
        """A bidder of this machine obeys all orders up to `version`."""
        self._roll.acknowledge(bidder, version, what)

    def show(self, batch: Sequence[Shown]) -> None:
        """Keep exposures to people until they run out."""
        with self._transaction():
            self._shown.keep(batch, self._clock())

    def shown(self, since: int) -> list[Shown]:
        """Exposures with versions above `since` that have not run out, oldest first, at most `SLICE`."""
        with self._transaction():
            return self._shown.read(since, self._clock())

    def user_key(self, period: int, offered: str, until: float) -> str:
        """The key of a period, hex: `offered` where it has none yet."""
        with self._transaction():
            return self._shown.key(period, offered, until, self._clock())

    def bidders(self) -> dict[str, Seen]:
        """The bidders of this machine that were heard of."""
        return self._roll.bidders()

    def close(self) -> None:
        """Close the database and let another process have it."""
        self._db.close()
        self._lock.close()

    def _state(self, account: str) -> AccountState:
        budget, settled, debt, won = self._db.execute(
            "SELECT budget, settled, debt, won FROM accounts WHERE account = ?", (account,)
        ).fetchone()
        held = self._db.execute("SELECT COALESCE(SUM(held), 0) FROM leases WHERE account = ?", (account,)).fetchone()[0]
        return AccountState(budget, settled, held + won, debt, won)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LedgerUnavailable(
                f"the ledger's database failed ({error}): nothing was booked. Check the disk; notices are sent again."
            ) from error

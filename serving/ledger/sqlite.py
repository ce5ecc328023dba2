"""The embedded store: SQLite in WAL mode, one process, one writer. A commit is on disk when it returns."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.calendar import Clock
from bidpilot.serving.ledger.store import AccountState, Booked, Grant, Settlement

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    account TEXT PRIMARY KEY, budget INTEGER NOT NULL, settled INTEGER NOT NULL DEFAULT 0,
    debt INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    account TEXT NOT NULL, lease TEXT NOT NULL, held INTEGER NOT NULL CHECK (held >= 0), until REAL NOT NULL,
    PRIMARY KEY (account, lease)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notices (
    key TEXT PRIMARY KEY, account TEXT NOT NULL, amount INTEGER NOT NULL, booked TEXT NOT NULL
) WITHOUT ROWID;
"""


class SqliteStore:
    """Accounts in one file.

    Args:
        path: the database; made where missing. A second process on the same file is refused.
        clock: what deadlines and leases are compared with.

    Raises:
        LedgerUnavailable: the file cannot be opened, or another process holds it.
    """

    shared = False

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._lock: IO[str] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = path.with_suffix(".lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # one thread at a time uses it: the keeper's, or the caller's before and after it runs
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            if self._lock is not None:
                self._lock.close()
            raise LedgerUnavailable(
                f"the ledger {path} cannot be opened ({error}): another bidder holds it, or the disk refuses. Stop "
                "the other one, give another --state folder, or share a budget through --redis."
            ) from error

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

    def lease(self, account: str, lease: str, want: int, until: float) -> Grant:
        """Let leases that have run out go, cover debt, and add up to `want` to a lease that lasts `until`."""
        with self._transaction() as db:
            db.execute("DELETE FROM leases WHERE account = ? AND until < ?", (account, self._clock()))
            row = db.execute("SELECT held FROM leases WHERE account = ? AND lease = ?", (account, lease)).fetchone()
            state = self._state(account)
            covered = min(state.debt, state.available)
            debt = state.debt - covered
            granted = 0 if debt else min(want, state.available - covered)
            if covered:
                db.execute(
                    "UPDATE accounts SET settled = settled + ?, debt = debt - ? WHERE account = ?",
                    (covered, covered, account),
                )
            db.execute(
                "INSERT INTO leases VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET held = held + excluded.held, until = MAX(until, excluded.until)",
                (account, lease, granted, until),
            )
            return Grant(granted, row is not None, debt, granted + (row[0] if row else 0))

    def give_back(self, account: str, lease: str, amount: int) -> None:
        """Take `amount` off a lease."""
        with self._transaction() as db:
            db.execute(
                "UPDATE leases SET held = MAX(held - ?, 0) WHERE account = ? AND lease = ?", (amount, account, lease)
            )

    def settle(self, batch: Sequence[Settlement]) -> list[Booked]:
        """Book billed exposures, each once; one commit for the whole batch."""
        now = self._clock()
        outcome: list[Booked] = []
        settled: dict[str, int] = {}
        debt: dict[str, int] = {}
        held: dict[tuple[str, str], int] = {}
        with self._transaction() as db:
            for s in batch:
                place = s.account, s.lease
                if place not in held:
                    found = db.execute("SELECT held FROM leases WHERE account = ? AND lease = ?", place).fetchone()
                    held[place] = found[0] if found else 0
                paid = now <= s.deadline and held[place] >= s.amount
                booked = Booked.settled if paid else Booked.debt
                row = (s.key, s.account, s.amount, booked.value)
                if not db.execute("INSERT OR IGNORE INTO notices VALUES (?, ?, ?, ?)", row).rowcount:
                    outcome.append(Booked.duplicate)
                    continue
                if paid:
                    held[place] -= s.amount
                    settled[s.account] = settled.get(s.account, 0) + s.amount
                else:
                    debt[s.account] = debt.get(s.account, 0) + s.amount
                outcome.append(booked)
            db.executemany(
                "UPDATE accounts SET settled = settled + ? WHERE account = ?", [(a, k) for k, a in settled.items()]
            )
            db.executemany("UPDATE accounts SET debt = debt + ? WHERE account = ?", [(a, k) for k, a in debt.items()])
            db.executemany(
                "UPDATE leases SET held = ? WHERE account = ? AND lease = ?", [(h, *k) for k, h in held.items()]
            )
        return outcome

    def resolve(self, batch: Sequence[Settlement]) -> list[int | None]:
        """What others have settled of reservations that have run out: workers whose ledger this is."""
        now = self._clock()
        found: list[int | None] = []
        with self._errors():
            for s in batch:
                row = self._db.execute("SELECT amount FROM notices WHERE key = ?", (s.key,)).fetchone()
                found.append(row[0] if row else None if now <= s.deadline else 0)
        return found

    def state(self, account: str) -> AccountState | None:
        """The account, None where there is none."""
        with self._errors():
            if not self._db.execute("SELECT 1 FROM accounts WHERE account = ?", (account,)).fetchone():
                return None
            return self._state(account)

    def close(self) -> None:
        """Close the database and let another process have it."""
        self._db.close()
        if self._lock is not None:
            self._lock.close()

    def _state(self, account: str) -> AccountState:
        budget, settled, debt = self._db.execute(
            "SELECT budget, settled, debt FROM accounts WHERE account = ?", (account,)
        ).fetchone()
        held = self._db.execute("SELECT COALESCE(SUM(held), 0) FROM leases WHERE account = ?", (account,)).fetchone()[0]
        return AccountState(budget, settled, held, debt)

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

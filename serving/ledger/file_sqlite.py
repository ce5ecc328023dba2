"""The file of the embedded store: its tables, and how one process at a time has it."""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path
from typing import IO, NamedTuple

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.ledger import orders_sqlite, shown_sqlite

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    account TEXT PRIMARY KEY, budget INTEGER NOT NULL, settled INTEGER NOT NULL DEFAULT 0,
    debt INTEGER NOT NULL DEFAULT 0, won INTEGER NOT NULL DEFAULT 0, wins INTEGER NOT NULL DEFAULT 0,
    lapsed INTEGER NOT NULL DEFAULT 0, lapsed_amount INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    account TEXT NOT NULL, lease TEXT NOT NULL, held INTEGER NOT NULL CHECK (held >= 0), until REAL NOT NULL,
    PRIMARY KEY (account, lease)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notices (
    key TEXT PRIMARY KEY, account TEXT NOT NULL, amount INTEGER NOT NULL, booked TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wins (
    key TEXT PRIMARY KEY, account TEXT NOT NULL, lease TEXT NOT NULL, amount INTEGER NOT NULL, until REAL NOT NULL,
    slot INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slots (
    account TEXT NOT NULL, slot INTEGER NOT NULL, spent INTEGER NOT NULL, PRIMARY KEY (account, slot)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS wins_by_time ON wins (account, until);
"""

_ADDED = frozenset({"won", "wins", "lapsed", "lapsed_amount"})


class File(NamedTuple):
    """A file that this process has, until its lock is closed."""

    lock: IO[str]
    db: sqlite3.Connection
    shown: shown_sqlite.ShownRows


def opened(path: Path) -> File:
    """The file, made where missing, with the tables of this version.

    Raises:
        LedgerUnavailable: the file cannot be opened, or another process holds it.
    """
    lock: IO[str] | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # one thread at a time uses it: the keeper's, or the caller's before and after it runs
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(SCHEMA + orders_sqlite.SCHEMA + shown_sqlite.SCHEMA)
        there = {row[1] for row in db.execute("PRAGMA table_info(accounts)")}
        for column in _ADDED.difference(there):  # made by a version before
            db.execute(f"ALTER TABLE accounts ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
        return File(lock, db, shown_sqlite.ShownRows(db))
    except (OSError, sqlite3.Error) as error:
        if lock is not None:
            lock.close()
        raise LedgerUnavailable(
            f"the ledger {path} cannot be opened ({error}): another bidder holds it, or the disk refuses. Stop the "
            "other one, give another --state folder, or share a budget through --redis."
        ) from error

"""Exposures to people in SQLite, for frequency caps, and the keys that people are known by."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bidpilot.serving.ledger.store import MOST_SHOWN, SLICE, Shown

SCHEMA = """
CREATE TABLE IF NOT EXISTS shown (
    version INTEGER PRIMARY KEY, user INTEGER NOT NULL, campaign TEXT NOT NULL, creative INTEGER NOT NULL,
    at REAL NOT NULL, until REAL NOT NULL, process TEXT NOT NULL, count REAL NOT NULL DEFAULT 1
);
CREATE INDEX IF NOT EXISTS shown_by_time ON shown (until);
CREATE TABLE IF NOT EXISTS user_keys (period INTEGER PRIMARY KEY, key TEXT NOT NULL, until REAL NOT NULL);
"""
_READ = """SELECT user, campaign, creative, at, until, process, version, count FROM shown WHERE version > ?
ORDER BY version LIMIT ?"""
_BOUND = "DELETE FROM shown WHERE version IN (SELECT version FROM shown ORDER BY until LIMIT ?)"


class ShownRows:
    """The rows of one database, within the transactions of whoever holds it.

    Args:
        most: rows that are kept.
    """

    def __init__(self, db: sqlite3.Connection, most: int = MOST_SHOWN) -> None:
        self._db, self._most = db, most
        db.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten
        if "count" not in {row[1] for row in db.execute("PRAGMA table_info(shown)")}:  # made by a version before
            db.execute("ALTER TABLE shown ADD COLUMN count REAL NOT NULL DEFAULT 1")
        count, last = db.execute("SELECT COUNT(*), COALESCE(MAX(version), 0) FROM shown").fetchone()
        self._count: int = count
        self._last: int = last  # is never given twice, also where its row is erased

    def keep(self, batch: Sequence[Shown], now: float) -> None:
        """Keep exposures until they run out."""
        self._erase(now)
        for shown in batch:
            self._last += 1
            row = (self._last, shown.user, shown.campaign, shown.creative, shown.at, shown.until, shown.by, shown.count)
            self._db.execute("INSERT INTO shown VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._count += len(batch)
        if self._count > self._most:
            self._count -= self._db.execute(_BOUND, (self._count - self._most,)).rowcount

    def read(self, since: int, now: float) -> list[Shown]:
        """Exposures with versions above `since`, oldest first, at most `SLICE`."""
        self._erase(now)
        return [Shown(*row) for row in self._db.execute(_READ, (since, SLICE))]

    def key(self, period: int, offered: str, until: float, now: float) -> str:
        """The key of a period; `offered` becomes it where there is none and that is not empty."""
        self._db.execute("DELETE FROM user_keys WHERE until <= ?", (now,))
        if offered:
            self._db.execute("INSERT OR IGNORE INTO user_keys VALUES (?, ?, ?)", (period, offered, until))
        row = self._db.execute("SELECT key FROM user_keys WHERE period = ?", (period,)).fetchone()
        return "" if row is None else str(row[0])

    def _erase(self, now: float) -> None:
        self._count -= self._db.execute("DELETE FROM shown WHERE until <= ?", (now,)).rowcount

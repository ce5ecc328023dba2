"""Orders in SQLite, and who has been heard of, which no restart need outlive."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

from bidpilot.serving.ledger.store import Order, Seen

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    name TEXT PRIMARY KEY, version INTEGER NOT NULL UNIQUE, text TEXT NOT NULL
) WITHOUT ROWID;
"""
_WRITE = """
INSERT OR REPLACE INTO orders (name, version, text) SELECT ?, COALESCE(MAX(version), 0) + 1, ? FROM orders
"""


def write(db: sqlite3.Connection, name: str, text: str) -> int:
    """Keep an order; its version. The largest version is never replaced by a smaller one, so that it grows."""
    db.execute(_WRITE, (name, text))
    version: int = db.execute("SELECT version FROM orders WHERE name = ?", (name,)).fetchone()[0]
    return version


def read(db: sqlite3.Connection, since: int) -> list[Order]:
    """The orders with versions above `since`, oldest first."""
    rows = db.execute("SELECT version, name, text FROM orders WHERE version > ? ORDER BY version", (since,))
    return [Order(*row) for row in rows]


class Roll:
    """The bidders of one machine that were heard of."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._heard: dict[str, tuple[int, float, str]] = {}

    def acknowledge(self, bidder: str, version: int, what: str) -> None:
        """A bidder obeys all orders up to `version`; below 0 it says farewell."""
        if version < 0:
            self._heard.pop(bidder, None)
        else:
            self._heard[bidder] = (version, self._monotonic(), what)

    def bidders(self) -> dict[str, Seen]:
        """Who was heard of."""
        now = self._monotonic()
        return {name: Seen(version, now - at, what) for name, (version, at, what) in self._heard.items()}

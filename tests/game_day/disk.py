"""A disk that is full: what the bid server writes to its state folder fails as SQLite fails there, reads go on."""

from __future__ import annotations

import sqlite3
from typing import Any

from bidpilot.serving.bidder import Bidder
from bidpilot.serving.ledger.sqlite import SqliteStore

_WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "ALTER")


class _Full:
    """A connection of which every write is refused."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real

    def execute(self, statement: str, *arguments: Any) -> Any:
        if statement.lstrip().upper().startswith(_WRITES):
            raise sqlite3.OperationalError("database or disk is full")
        return self._real.execute(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Disk:
    """The state folder's disk of one bidder, which fills up and is emptied."""

    def __init__(self, bidder: Bidder) -> None:
        store = bidder.desk.keeper.store
        assert isinstance(store, SqliteStore)
        self._owners: tuple[Any, Any] = (bidder.desk.state, store)
        self._real: list[sqlite3.Connection] = []

    @property
    def full(self) -> bool:
        """Whether writes fail."""
        return bool(self._real)

    def fill(self) -> None:
        """Let writes fail from now on."""
        if not self._real:
            self._real = [owner._db for owner in self._owners]
            for owner, real in zip(self._owners, self._real, strict=True):
                owner._db = _Full(real)

    def empty(self) -> None:
        """Let writes succeed again."""
        for owner, real in zip(self._owners, self._real, strict=False):
            owner._db = real
        self._real = []

"""What a bidder must know after a restart besides money and orders: the slots it has seen."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple, fields
from functools import partial
from pathlib import Path

import numpy as np

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import BidpilotError, LedgerUnavailable
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.ledger.keeper import Deliver, at_once
from bidpilot.serving.ledger.store import Wins
from bidpilot.serving.privacy import in_use
from bidpilot.serving.privacy.fields import Fields, check_key
from bidpilot.serving.privacy.keys import Key
from bidpilot.serving.writer import Writer

SCHEMA = """
CREATE TABLE IF NOT EXISTS slots (account TEXT, slot INTEGER, totals TEXT NOT NULL, PRIMARY KEY (account, slot));
CREATE TABLE IF NOT EXISTS gates (account TEXT PRIMARY KEY, slot INTEGER NOT NULL, used TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS forgiven (campaign TEXT PRIMARY KEY, wins TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS results (account TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rotation (campaign TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS key (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT NOT NULL);
"""
_RESULTS = "INSERT OR REPLACE INTO results VALUES (?, ?)"
_READS = 0.2  # seconds that a read waits for a lock: the event loop waits with it
_OLD_TABLES = ("campaigns", "switches")  # kept orders before they moved to the ledger


class State:
    """A small database in the state folder. Reads are made at once, writes by a thread once it is started.

    Args:
        path: the database; made where missing.
        deliver: brings the news of failed writes to the caller's thread.
        keeps_slots: whether this process writes what slots brought; of several on one folder only one does.
        key: that texts are encrypted with; None: they are not.

    Raises:
        LedgerUnavailable: it cannot be opened or read.
        StateInUse: the folder is being restored.
        WrongKey, SealBroken: it is encrypted with another key, or altered.
    """

    def __init__(
        self, path: Path, deliver: Deliver = at_once, keeps_slots: bool = True, key: Key | None = None
    ) -> None:
        self.path, self._keeps_slots, self._fields = path, keeps_slots, Fields(key)
        self.on_failed: Callable[[str], None] = LOGGER.warning
        self.writer = Writer(lambda text: self.on_failed(text), deliver)
        held: in_use.Hold | None = None
        try:
            held = self._held = in_use.hold(path.parent)
            # writes and reads have connections of their own: a read must not wait for a write that waits for a lock
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(SCHEMA)
            self._reads = sqlite3.connect(path, isolation_level=None, timeout=_READS, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            if held is not None:
                held.close()
            raise self._unreadable(error) from error
        try:
            check_key(self._db, self._fields)
        except BidpilotError:
            self.close()
            raise

    def start(self) -> None:
        """Let a thread make the writes from now on."""
        self.writer.start()

    def store_slot(self, account: str, slot: int, totals: SlotTotals, results: str | None = None) -> None:
        """Keep what a slot brought, and the day's `results` so far."""
        if not self._keeps_slots:
            return
        values = {f.name: getattr(totals, f.name).tolist() for f in fields(totals)}

        def write() -> None:
            text = self._fields.seal(json.dumps(values), "slots", account, slot)
            self._db.execute("INSERT OR REPLACE INTO slots VALUES (?, ?, ?)", (account, slot, text))
            if results is not None:
                self._db.execute(_RESULTS, (account, self._fields.seal(results, "results", account)))

        self.writer.submit((account, slot), write)

    def slots(self, account: str, like: SlotTotals) -> dict[int, SlotTotals]:
        """The slots of an account that were kept, in the shapes of `like`; what cannot be read as such is left out.

        Raises:
            LedgerUnavailable: the database cannot be read.
        """
        found = {}
        for slot, text in self._read("SELECT slot, totals FROM slots WHERE account = ?", account):
            try:
                values = json.loads(self._fields.open(str(text), "slots", account, slot))
                # a version that counted less has kept less
                arrays = {f.name: np.asarray(values[f.name], getattr(like, f.name).dtype) for f in fields(like)}
            except (KeyError, TypeError, ValueError):
                continue
            if all(array.shape == getattr(like, name).shape for name, array in arrays.items()):
                found[int(str(slot))] = SlotTotals(**arrays)
        return found

    def store_results(self, account: str, text: str) -> None:
        """Keep what a day that is over has cost and brought."""

        def write() -> None:
            self._db.execute(_RESULTS, (account, self._fields.seal(text, "results", account)))

        self.writer.submit((account, "results"), write)

    def store_gate(self, account: str, slot: int, used: Sequence[int]) -> None:
        """Keep the requests by source that the slot under way has had."""
        if not self._keeps_slots:
            return

        def write() -> None:
            statement = "INSERT OR REPLACE INTO gates VALUES (?, ?, ?)"
            self._db.execute(statement, (account, slot, self._fields.seal(json.dumps(used), "gates", account)))

        self.writer.submit((account, "gate"), write)

    def gate(self, account: str, slot: int) -> list[int]:
        """What was kept of a slot's requests by source; empty where nothing was, or what cannot be read.

        Raises:
            LedgerUnavailable: the database cannot be read.
        """
        rows = self._read("SELECT used FROM gates WHERE account = ? AND slot = ?", account, slot)
        with suppress(TypeError, ValueError):
            found = json.loads(self._fields.open(str(rows[0][0]), "gates", account)) if rows else []
            return [int(count) for count in found]
        return []

    def store_forgiven(self, campaign: str, wins: Wins) -> None:
        """Keep which wins without bills an operator has looked at."""

        def write() -> None:
            text = self._fields.seal(json.dumps(astuple(wins)), "forgiven", campaign)
            self._db.execute("INSERT OR REPLACE INTO forgiven VALUES (?, ?)", (campaign, text))

        self.writer.submit((campaign, "forgiven"), write)

    def forgiven(self) -> dict[str, Wins]:
        """Which wins without bills were looked at, by campaign; what cannot be read is left out.

        Raises:
            LedgerUnavailable: the database cannot be read.
        """
        found = {}
        for campaign, text in self._read("SELECT campaign, wins FROM forgiven"):
            with suppress(TypeError, ValueError):
                found[str(campaign)] = Wins(*map(int, json.loads(self._fields.open(str(text), "forgiven", campaign))))
        return found

    def store_rotation(self, campaign: str, text: str) -> None:
        """Keep what a campaign's creatives have brought."""
        if not self._keeps_slots:
            return

        def write() -> None:
            sealed = self._fields.seal(text, "rotation", campaign)
            self._db.execute("INSERT OR REPLACE INTO rotation VALUES (?, ?)", (campaign, sealed))

        self.writer.submit((campaign, "rotation"), write)

    def rotation(self) -> dict[str, str]:
        """What was kept of creatives, by campaign.

        Raises:
            LedgerUnavailable: the database cannot be read.
        """
        rows = self._read("SELECT campaign, text FROM rotation")
        return {str(campaign): self._fields.open(str(text), "rotation", campaign) for campaign, text in rows}

    def results(self, accounts: Sequence[str]) -> dict[str, str]:
        """What was kept of days, by account.

        Raises:
            LedgerUnavailable: the database cannot be read.
        """
        query = f"SELECT account, text FROM results WHERE account IN ({', '.join('?' * len(accounts))})"
        rows = self._read(query, *accounts)
        return {str(account): self._fields.open(str(text), "results", account) for account, text in rows}

    def last(self) -> dict[str, tuple[str, int]]:
        """By campaign the date (ISO 8601) and the number of the latest slot that was kept.

        Raises:
            LedgerUnavailable: the database cannot be read.
        """
        latest = "MAX(SUBSTR(account, -10) || PRINTF('%06d', slot))"
        of = "SUBSTR(account, 1, LENGTH(account) - 11)"
        rows = self._read(f"SELECT {of}, {latest} FROM slots WHERE account LIKE '%@____-__-__' GROUP BY 1")
        return {str(name): (str(last)[:10], int(str(last)[10:])) for name, last in rows}

    def orders_before(self) -> tuple[dict[str, str], dict[str, bool]]:
        """The campaigns (JSON) and switches of a version that kept orders here, by name.

        Raises:
            LedgerUnavailable: the database cannot be read.
        """
        tables = {name for (name,) in self._read("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables.issuperset(_OLD_TABLES):
            return {}, {}
        switches = {str(name): bool(on) for name, on in self._read("SELECT name, value FROM switches")}
        return {str(n): str(text) for n, text in self._read("SELECT name, text FROM campaigns ORDER BY 1")}, switches

    def forget_orders_before(self) -> None:
        """Let go what `orders_before` has told: it is kept elsewhere now."""
        for table in _OLD_TABLES:
            self.writer.submit(table, partial(self._db.execute, f"DROP TABLE IF EXISTS {table}"))

    def close(self) -> None:
        """Write what waits and close the database."""
        self.writer.stop()
        self._db.close()
        self._reads.close()
        self._held.close()

    def _read(self, query: str, *arguments: object) -> list[tuple[object, ...]]:
        try:
            return self._reads.execute(query, arguments).fetchall()
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> LedgerUnavailable:
        return LedgerUnavailable(
            f"the state {self.path} cannot be opened or read ({error}). Move it away, or give another --state: the "
            "day's slots then count as forecast, and money is as the ledger has it."
        )

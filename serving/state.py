"""What a bidder must know after a restart besides money: its campaigns, its switches, and the slots it has seen."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import fields
from pathlib import Path

import numpy as np

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import LedgerUnavailable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS campaigns (name TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS switches (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS slots (account TEXT, slot INTEGER, totals TEXT NOT NULL, PRIMARY KEY (account, slot));
"""


class State:
    """A small database in the state folder. Written when something changes, never by a bid.

    Args:
        path: the file.
        keeps_slots: whether this process writes what slots brought; of several on one folder only one does.
    """

    def __init__(self, path: Path, keeps_slots: bool = True) -> None:
        self._keeps_slots = keeps_slots
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise LedgerUnavailable(f"the state {path} cannot be opened ({error}). Give another --state.") from error

    def campaigns(self) -> dict[str, str]:
        """Stored campaigns by name, as JSON."""
        return dict(self._db.execute("SELECT name, text FROM campaigns ORDER BY name"))

    def store_campaign(self, name: str, text: str) -> None:
        """Keep a campaign."""
        self._db.execute("INSERT OR REPLACE INTO campaigns VALUES (?, ?)", (name, text))

    def switch(self, name: str) -> bool:
        """Whether a switch is on."""
        row = self._db.execute("SELECT value FROM switches WHERE name = ?", (name,)).fetchone()
        return bool(row and row[0])

    def set_switch(self, name: str, on: bool) -> None:
        """Turn a switch on or off."""
        self._db.execute("INSERT OR REPLACE INTO switches VALUES (?, ?)", (name, int(on)))

    def store_slot(self, account: str, slot: int, totals: SlotTotals) -> None:
        """Keep what a slot brought."""
        if not self._keeps_slots:
            return
        text = json.dumps({f.name: getattr(totals, f.name).tolist() for f in fields(totals)})
        self._db.execute("INSERT OR REPLACE INTO slots VALUES (?, ?, ?)", (account, slot, text))

    def slots(self, account: str, like: SlotTotals) -> dict[int, SlotTotals]:
        """The slots of an account that were kept, in the shapes of `like`; others are left out."""
        found = {}
        for slot, text in self._db.execute("SELECT slot, totals FROM slots WHERE account = ?", (account,)):
            values = json.loads(text)
            if not all(f.name in values for f in fields(like)):  # kept by a version that counted less
                continue
            arrays = {f.name: np.asarray(values[f.name], getattr(like, f.name).dtype) for f in fields(like)}
            if all(array.shape == getattr(like, name).shape for name, array in arrays.items()):
                found[slot] = SlotTotals(**arrays)
        return found

    def close(self) -> None:
        """Close the database."""
        self._db.close()

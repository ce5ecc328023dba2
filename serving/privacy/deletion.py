"""Deletion by campaign, by source or by day: decision logs, state, incidents and what is remembered of sources.

It works beside a running server, which only adds files to the decision log, each whole, and writes rows of the state
for slots that end: what it still holds in memory of the slot and the day under way it writes later, and that is said.
Money stays where it is: the ledger is the books. The audit log stays: who did what.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.privacy.fields import Fields, check_key
from bidpilot.serving.privacy.forgotten import forget_source
from bidpilot.serving.privacy.frames import read_frame, write_frame
from bidpilot.serving.privacy.in_use import served
from bidpilot.serving.privacy.keep import Kind
from bidpilot.serving.privacy.keys import Key
from bidpilot.serving.privacy.places import STATE, decision_files, incident_files, report_files
from bidpilot.serving.privacy.retention import Removed

if TYPE_CHECKING:
    import polars as pl

_WAITS = 5.0  # seconds for a lock of the database
_PER_SOURCE = "source_"  # columns of slots that are told by source


@dataclass(frozen=True)
class What:
    """What is to be deleted: exactly one of these.

    Raises:
        InvalidServing: it is none, or more than one.
    """

    campaign: str | None = None
    source: int | None = None
    day: date | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("campaign", "source", "day") if getattr(self, name) is not None]
        if len(given) != 1:
            raise InvalidServing(
                f"what is to be deleted is given by {' and '.join(given) or 'nothing'}. Give one of --campaign NAME, "
                "--source N and --day DATE."
            )

    def rows(self) -> pl.Expr:
        """The rows of the decision log that are meant."""
        import polars as pl

        if self.campaign is not None:
            return pl.col("campaign") == self.campaign
        if self.source is not None:
            return pl.col("source") == self.source
        return pl.col("date") == str(self.day)

    def account(self, account: str) -> bool:
        """Whether a day of the state is meant as a whole."""
        campaign, _, day = account.rpartition("@")
        return self.campaign == campaign if self.campaign is not None else self.day is not None and str(self.day) == day

    def incident(self, told: dict[str, Any]) -> bool:
        """Whether an incident is meant."""
        if self.campaign is not None:
            return told.get("campaign") == self.campaign
        if self.day is not None:
            return told.get("day") == str(self.day)
        target = told.get("target")
        return isinstance(target, dict) and (target.get("kind"), target.get("index")) == ("source", self.source)


def delete(state: Path, decisions: Path | None, what: What, key: Key | None, dry_run: bool = False) -> list[Removed]:
    """Delete what is meant; what was deleted.

    Raises:
        WrongKey, SealBroken: what is encrypted cannot be read; nothing is deleted.
        UnreadableFile: a file of the decision log cannot be read; what was deleted before stays deleted.
        OSError, sqlite3.Error: likewise.
    """
    _of_state(state, what, Fields(key), dry_run=True)  # an error comes before anything is deleted
    removed = _of_log(decisions, what, key, dry_run)
    removed += _of_state(state, what, Fields(key), dry_run)
    removed += _incidents(state, decisions, what, dry_run)
    if what.source is not None and forget_source(state, what.source, dry_run):
        removed.append(Removed(Kind.memory, f"what is remembered of source {what.source}", 1))
    return removed


def said(state: Path, decisions: Path | None, what: What) -> list[str]:
    """What deletion leaves, for a person."""
    lines = ["kept: the ledger, which is the books (money by campaign, day and bid, orders), and the audit log."]
    if decisions is None:
        lines.append("not looked at: a decision log. Give its folder with --decisions.")
    if what.campaign is not None or what.day is not None:
        lines.append("kept: what is remembered of sources, which is of all campaigns and days together.")
    if report_files(state):
        lines.append(f"not looked into: reports under {state / 'reports'}. Remove those that tell of it by hand.")
    if list(state.glob("replaced-*")):
        lines.append(
            f"not looked into: what restores have replaced, {state / 'replaced-*'}. Remove it when it is settled."
        )
    if served(state):
        lines.append(
            "a server works on this folder: what it holds in memory of the slot and the day under way it writes when "
            "they end. Delete once more the day after; a campaign that is still served first: DELETE "
            "/admin/campaigns/NAME."
        )
    return lines


# --- decision log --------------------------------------------------------------------------------


def _of_log(folder: Path | None, what: What, key: Key | None, dry_run: bool) -> list[Removed]:
    """Delete rows, and outcomes of their bids: those first, so that a second run finds what a first did not finish."""
    files = decision_files(folder)
    rows = [path for path in files if path.name.startswith("decisions-")]
    keys: set[str] = set()
    found = {}
    for path in rows:
        meant = _read(path, key)
        if meant is None:
            continue
        meant = meant.filter(what.rows())
        if meant.height:
            found[path] = meant.height
            keys.update(bid for bid in meant["key"] if bid)
    removed = []
    for path in (path for path in files if path not in rows and keys):
        removed += _without(path, _outcomes_of(keys), key, dry_run)
    for path in found:
        removed += _without(path, what.rows(), key, dry_run)
    return removed


def _outcomes_of(keys: Iterable[str]) -> pl.Expr:
    import polars as pl

    return pl.col("key").is_in(list(keys))


def _without(path: Path, meant: pl.Expr, key: Key | None, dry_run: bool) -> list[Removed]:
    frame = _read(path, key)
    if frame is None:
        return []
    kept = frame.filter(~meant.fill_null(False))
    if kept.height == frame.height:
        return []
    if not dry_run:
        with suppress(FileNotFoundError):  # gone by age meanwhile
            write_frame(path, kept, key)
    return [Removed(Kind.decisions, path.name, frame.height - kept.height)]


def _read(path: Path, key: Key | None) -> pl.DataFrame | None:
    try:
        return read_frame(path, key)
    except FileNotFoundError:  # gone by age meanwhile
        return None


# --- state ---------------------------------------------------------------------------------------


def _of_state(state: Path, what: What, fields: Fields, dry_run: bool) -> list[Removed]:
    path = state / STATE
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=_WAITS, isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "key" in tables:
            check_key(db, fields)
        db.execute("BEGIN IMMEDIATE")
        removed = [one for table in ("slots", "gates", "results") if table in tables for one in _days(db, table, what)]
        for table in {"forgiven", "rotation"} & tables if what.campaign is not None else ():
            count = db.execute(f"DELETE FROM {table} WHERE campaign = ?", (what.campaign,)).rowcount
            removed += [Removed(Kind.state, f"{table} of {what.campaign}", count)] if count else []
        if what.source is not None and "slots" in tables:
            removed += _of_source(db, what.source, fields)
        db.execute("ROLLBACK" if dry_run else "COMMIT")
        if removed and not dry_run:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nor does the log of changes hold it any more
    return removed


def _days(db: sqlite3.Connection, table: str, what: What) -> list[Removed]:
    accounts = [row[0] for row in db.execute(f"SELECT DISTINCT account FROM {table}") if what.account(row[0])]
    removed = []
    for account in accounts:
        count = db.execute(f"DELETE FROM {table} WHERE account = ?", (account,)).rowcount
        removed.append(Removed(Kind.state, f"{table} of {account}", count))
    return removed


def _of_source(db: sqlite3.Connection, source: int, fields: Fields) -> list[Removed]:
    """Nothing of a source in slots and gates: what they tell by source is 0 there."""
    removed, changed = [], 0
    for account, slot, text in db.execute("SELECT account, slot, totals FROM slots").fetchall():
        totals = json.loads(fields.open(text, "slots", account, slot))
        rows = [row for name, rows in totals.items() if name.startswith(_PER_SOURCE) for row in rows]
        told = [row for row in rows if source < len(row) and row[source]]
        for row in told:
            row[source] = 0
        if told:
            changed += 1
            sealed = fields.seal(json.dumps(totals), "slots", account, slot)
            db.execute("UPDATE slots SET totals = ? WHERE account = ? AND slot = ?", (sealed, account, slot))
    removed += [Removed(Kind.state, f"source {source} in slots", changed)] if changed else []
    changed = 0
    for account, text in db.execute("SELECT account, used FROM gates").fetchall():
        used = json.loads(fields.open(text, "gates", account))
        if source < len(used) and used[source]:
            used[source], changed = 0, changed + 1
            sealed = fields.seal(json.dumps(used), "gates", account)
            db.execute("UPDATE gates SET used = ? WHERE account = ?", (sealed, account))
    return removed + ([Removed(Kind.state, f"source {source} in gates", changed)] if changed else [])


# --- incidents -----------------------------------------------------------------------------------


def _incidents(state: Path, decisions: Path | None, what: What, dry_run: bool) -> list[Removed]:
    removed = []
    for path in incident_files(state, decisions):
        try:
            told = json.loads(path.read_bytes())
        except (OSError, ValueError):  # it ages
            continue
        if isinstance(told, dict) and what.incident(told):
            removed.append(Removed(Kind.incidents, str(path), 1, path.stat().st_size))
            if not dry_run:
                path.unlink(missing_ok=True)
    return removed

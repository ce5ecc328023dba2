"""Retention: what is older than its kind may be is removed, and it is said what was.

Never removed are what a running day needs (and the days before it whose bids may still be billed), days that owe
money or wait for bills, and incidents that are open. The ledger is the books and does not age.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from bidpilot.bidding.errors import AuditBroken
from bidpilot.serving.days import OLD_DAYS
from bidpilot.serving.privacy.audit_prune import prune_audit
from bidpilot.serving.privacy.in_use import served
from bidpilot.serving.privacy.keep import Kind
from bidpilot.serving.privacy.places import (
    LEDGER,
    STATE,
    audit_file,
    decision_files,
    incident_files,
    memory_files,
    report_files,
)

_DAY = 86_400.0
_WAITS = 5.0  # seconds for a lock of the database
_TOGETHER = 200  # days whose rows are deleted in one transaction


class Removed(NamedTuple):
    """What was removed, or, on a dry run, would be."""

    kind: Kind
    what: str  # a file, or rows of one
    number: int  # of files or rows
    size: int = 0  # bytes, of files


class Report(NamedTuple):
    """What one run has done."""

    removed: list[Removed]
    failed: list[str]  # what could not be removed, and why

    def lines(self, dry_run: bool) -> list[str]:
        """For a person."""
        verb = "would remove" if dry_run else "removed"
        found = [
            f"{verb} {one.kind.value}: {one.what}, {one.number} {'file' if one.size else 'rows'}"
            + (f" of {one.size} bytes" if one.size else "")
            for one in self.removed
        ]
        failed = [f"could not remove {text}" for text in self.failed]
        return [*(found or ["nothing is older than it may be"]), *failed]


def prune(
    state: Path, decisions: Path | None, days: dict[Kind, int], now: float, today: date, dry_run: bool = False
) -> Report:
    """Remove what is older than its kind may be.

    Args:
        state: the state folder.
        decisions: folder of the decision log; None: there is none.
        days: that kinds are kept (`limits`).
        now: seconds since 1970, that the age of files is reckoned from.
        today: the running day, that the age of days is reckoned from.
        dry_run: whether nothing is removed, only said.
    """
    report = Report([], [])

    def attempt(call: Callable[[], Iterable[Removed]]) -> None:
        try:
            report.removed.extend(call())
        except (OSError, sqlite3.Error, AuditBroken) as error:
            report.failed.append(str(error))

    def files(kind: Kind, paths: list[Path]) -> None:
        for path in paths:
            attempt(lambda path=path: _old_file(kind, path, now - days[kind] * _DAY, dry_run))  # type: ignore[misc]

    if Kind.decisions in days:
        files(Kind.decisions, decision_files(decisions))
    if Kind.incidents in days:
        files(Kind.incidents, [path for path in incident_files(state) if not _open(path)])
    if Kind.reports in days:
        files(Kind.reports, report_files(state))
    if Kind.memory in days:
        files(Kind.memory, memory_files(state))
    if Kind.state in days:
        attempt(lambda: _old_days(state, today - timedelta(days=max(days[Kind.state], OLD_DAYS)), dry_run))
    if Kind.audit in days:
        path = audit_file(state)

        def actions() -> list[Removed]:
            count = prune_audit(path, now - days[Kind.audit] * _DAY, now, dry_run)
            return [Removed(Kind.audit, path.name, count)] if count else []

        attempt(actions)
    return report


def _old_file(kind: Kind, path: Path, before: float, dry_run: bool) -> list[Removed]:
    """Remove a file that was last written before a time: all that is in it is older than that."""
    try:
        found = path.stat()
        if found.st_mtime >= before:
            return []
        if not dry_run:
            path.unlink()
    except FileNotFoundError:
        return []
    return [Removed(kind, str(path), 1, found.st_size or 1)]


def _open(path: Path) -> bool:
    """Whether a file tells of an incident that goes on; what cannot be read ages."""
    try:
        return json.loads(path.read_bytes()).get("open") is True
    except (OSError, ValueError, AttributeError):
        return False


def _old_days(state: Path, before: date, dry_run: bool) -> list[Removed]:
    """Remove slots, gates and results of days before a date, those apart that owe money or wait for bills."""
    path = state / STATE
    if not path.exists():
        return []
    owing = accounts_with_money(state / LEDGER)
    removed = []
    with closing(sqlite3.connect(path, timeout=_WAITS, isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
        for table in ("slots", "gates", "results"):
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                continue
            accounts = [row[0] for row in db.execute(f"SELECT DISTINCT account FROM {table}")]
            old = [a for a in accounts if (day := day_of(a)) is not None and day < before and a not in owing]
            count = sum(_rows(db, table, old[k : k + _TOGETHER], dry_run) for k in range(0, len(old), _TOGETHER))
            if count:
                removed.append(Removed(Kind.state, f"{table} of {len(old)} days before {before}", count))
        if removed and not dry_run:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nor does the log of changes hold it any more
    return removed


def _rows(db: sqlite3.Connection, table: str, accounts: list[str], dry_run: bool) -> int:
    """Delete a few accounts' rows at once, so that a server that writes meanwhile does not wait for long."""
    among = f"{table} WHERE account IN ({', '.join('?' * len(accounts))})"
    if dry_run:
        return int(db.execute(f"SELECT COUNT(*) FROM {among}", accounts).fetchone()[0])
    return db.execute(f"DELETE FROM {among}", accounts).rowcount


def running_day(state: Path, today: date) -> date:
    """The day that a server may be in: the last one that is kept, where it serves and goes by a clock of its own."""
    path = state / STATE
    if not served(state) or not path.exists():
        return today
    with closing(_reading(path)) as db:
        days = [day_of(row[0]) for row in db.execute("SELECT DISTINCT account FROM slots")]
    return min([today, max([day for day in days if day is not None], default=today)])


def day_of(account: str) -> date | None:
    """The day of an account; None where its name tells none."""
    try:
        return date.fromisoformat(account.rpartition("@")[2])
    except ValueError:
        return None


def accounts_with_money(ledger: Path) -> set[str]:
    """Accounts of a local ledger that owe money or wait for bills; none where there is no such ledger."""
    if not ledger.exists():
        return set()
    with closing(_reading(ledger)) as db:
        return {row[0] for row in db.execute("SELECT account FROM accounts WHERE debt > 0 OR won > 0")}


def _reading(path: Path) -> sqlite3.Connection:
    """A database that is read alone."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAITS)

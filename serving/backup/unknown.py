"""What was spent after a backup is in no copy of it. It counts as spent, so that it cannot be spent once more.

No day can have spent more than its budget. So of each day that ran at the backup or began since, all that the copy has
left counts as settled; what wins hold stays held. Where it is known what exchanges have billed since, that counts
instead. A day of a campaign that the copy does not know is stopped by the kill switch.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple

from bidpilot.bidding.errors import InvalidBackup
from bidpilot.serving.ledger import orders_sqlite
from bidpilot.serving.ledger.store import MICRO, MOST
from bidpilot.serving.privacy.retention import day_of
from bidpilot.serving.settings import KILL, Said

BY = "restore"
"""Who has turned the kill switch on."""
_HELD = 2 * 86_400.0  # seconds: wins may have been billed since, so their money is not free before their day is over
_DAY = timedelta(days=1)
_MOST_DAYS = 366  # that are filled in


class Counted(NamedTuple):
    """What of a day counts as spent since the backup."""

    account: str
    amount: int  # micro-units


def count_unknown(
    db: sqlite3.Connection, at: float, now: float, zones: Sequence[tzinfo], spent: Mapping[str, float] | None
) -> list[Counted]:
    """Let what may have been spent since a backup count as spent, in a copy of its ledger; the caller commits.

    Args:
        db: the copy.
        at, now: times of the backup and of the restore, seconds since 1970.
        zones: of the campaigns' days, one at least: a day counts where it has begun in any of them.
        spent: what was billed since, currency by account; None: nobody knows.

    Raises:
        InvalidBackup: an account of `spent` is none.
    """
    begun = min(datetime.fromtimestamp(at, zone).date() for zone in zones)
    today = max(datetime.fromtimestamp(now, zone).date() for zone in zones)
    db.execute("DELETE FROM leases")  # who held them is gone
    unsure = _running(db, begun, today)
    rows = db.execute("SELECT account, budget, settled, debt, won FROM accounts ORDER BY account").fetchall()
    known = {row[0] for row in rows}
    told = dict(spent or {})
    if odd := sorted(told.keys() - known):
        raise InvalidBackup(f"the backup has no day {odd[0]!r}. Its days are: {', '.join(sorted(known)[-8:])}.")
    counted = []
    for account, budget, settled, debt, won in rows:
        left = max(budget - settled - debt - won, 0)
        if account in told:
            amount = round(told[account] * MICRO)
        elif account in unsure:
            amount = left
            db.execute("UPDATE wins SET until = MAX(until, ?) WHERE account = ?", (now + _HELD, account))
        else:
            continue
        within = min(amount, left)
        statement = "UPDATE accounts SET settled = settled + ?, debt = debt + ? WHERE account = ?"
        db.execute(statement, (within, amount - within, account))
        counted.append(Counted(account, amount))
    orders_sqlite.write(db, KILL, Said(BY, now, True).text())
    return counted


def _running(db: sqlite3.Connection, begun: date, today: date) -> set[str]:
    """Accounts of days that ran at the backup or may have begun since; those that are not there are made."""
    budgets: dict[str, dict[date, int]] = {}
    for account, budget in db.execute("SELECT account, budget FROM accounts"):
        day = day_of(account)
        if day is not None:
            budgets.setdefault(account.rpartition("@")[0], {})[day] = budget
    # a server whose clock is moved by hand is in the last day that it knows
    latest = min([begun, max((max(days) for days in budgets.values()), default=begun)])
    found = set()
    for campaign, days in budgets.items():
        last = max(days)
        if last < latest - _DAY:  # it did not run any more
            continue
        found |= {f"{campaign}@{day}" for day in days if day >= min(last, latest)}
        day = max(last + _DAY, begun)
        while day <= today and (day - begun).days < _MOST_DAYS:
            account = f"{campaign}@{day}"
            db.execute("INSERT OR IGNORE INTO accounts (account, budget) VALUES (?, ?)", (account, days[last]))
            found.add(account)
            day += _DAY
    return found


def read_spent(path: Path | None) -> dict[str, float] | None:
    """What was billed since, as an operator has written it; None where there is no file.

    Raises:
        InvalidBackup: it is no object of amounts of 0 or more.
    """
    if path is None:
        return None
    try:
        found = {str(account): float(amount) for account, amount in json.loads(path.read_text()).items()}
        if not all(0 <= amount * MICRO <= MOST for amount in found.values()):
            raise ValueError("an amount is below 0, or too large")
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        remedy = 'Write {"NAME@2026-11-27": 12.5}, in currency.'
        raise InvalidBackup(f"{path} tells no amounts ({error}). {remedy}") from error
    return found

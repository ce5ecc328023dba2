"""Another key for the decision log and the state: whole files, each at once, and the state in one transaction.

A run that is cut off is run again: what has the new key already is left as it is.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from bidpilot.serving.privacy.fields import Fields, check_key
from bidpilot.serving.privacy.in_use import alone
from bidpilot.serving.privacy.keys import Key
from bidpilot.serving.privacy.places import STATE, decision_files
from bidpilot.serving.privacy.seal import SEALED, read_plain, sealed_with, write_sealed

_TEXTS = (("slots", "totals", ("account", "slot")), ("gates", "used", ("account",)), ("results", "text", ("account",)),
          ("forgiven", "wins", ("campaign",)), ("rotation", "text", ("campaign",)))  # fmt: skip


def rekey(state: Path, decisions: Path | None, old: Key | None, new: Key) -> list[str]:
    """Encrypt all with a new key, also what was not encrypted before; what was done.

    Raises:
        StateInUse: a server works on the folder.
        WrongKey, SealBroken: what is encrypted cannot be read with the old key.
        OSError, sqlite3.Error: something cannot be written; run it again.
    """
    lines = []
    with alone(state, "encrypt it anew"):
        files = [path for path in decision_files(decisions) if sealed_with(path) != new.name]
        for path in files:
            _file(path, old, new)
        lines.append(f"{len(files)} files of the decision log have the key {new.name.hex()}")
        if (state / STATE).exists():
            count = _state(state / STATE, old, new)
            lines.append(f"{count} texts of the state have it")
    return lines


def _file(path: Path, old: Key | None, new: Key) -> None:
    found, data = path.stat(), read_plain(path, old)
    target = path if path.name.endswith(SEALED) else path.with_name(path.name.removesuffix(".parquet") + SEALED)
    write_sealed(target, data, new)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    if target != path:
        path.unlink()


def _state(path: Path, old: Key | None, new: Key) -> int:
    before, after, count = Fields(old), Fields(new), 0
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = ON")
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        db.execute("BEGIN IMMEDIATE")
        if "key" in tables:
            row = db.execute("SELECT text FROM key").fetchone()
            if row is not None and after.mine(row[0]):
                db.execute("ROLLBACK")
                return 0
            check_key(db, before)
            db.execute("DELETE FROM key")
            check_key(db, after)
        for table, column, names in _TEXTS:
            if table not in tables:
                continue
            where = " AND ".join(f"{name} = ?" for name in names)
            for *place, text in db.execute(f"SELECT {', '.join(names)}, {column} FROM {table}").fetchall():
                sealed = after.seal(before.open(text, table, *place), table, *place)
                db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (sealed, *place))
                count += 1
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("VACUUM")
    return count

"""`bidpilot backup`: a copy of ledger, state and what lies beside them, consistent, while a server writes them.

SQLite copies its databases itself: a copy is as the database was at one moment, and nobody waits for it. The state is
copied first and the ledger after it: what was acknowledged before the time in the manifest is in the copy.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bidpilot.bidding.errors import InvalidBackup
from bidpilot.serving.backup.config import BackupConfig
from bidpilot.serving.backup.manifest import FILE, Manifest, entry
from bidpilot.serving.durable import sync
from bidpilot.serving.privacy.in_use import UNFINISHED, served
from bidpilot.serving.privacy.places import LEDGER, STATE, audit_file, incident_files, memory_files, report_files

SECRETS = ("notice.secret", "admin.token")
"""Files without which bills of bids that were made are forged ones, and no operator is known."""
_WAITS = 30.0  # seconds for a lock


def run(config: BackupConfig) -> None:
    """Make a backup and print what it holds.

    Raises:
        InvalidBackup: there is nothing to copy, it cannot be written, or OUT is there already.
    """
    found = backup(config.state, config.out)
    print(f"{config.out}: {len(found.files)} files as they were at {found.when}")
    if not (config.out / LEDGER).exists():
        print(f"no {LEDGER} is in {config.state}: where budgets are kept in Redis, back that up itself.")
    secrets = [name for name in SECRETS if (config.out / name).exists()]
    if secrets:
        print(f"{' and '.join(secrets)} are in it, without which bills would be taken for forged: keep it as safe.")
    print("the decision log and the key file are not in it: they are files that never change; copy them as they are.")


def backup(state: Path, out: Path, clock: Callable[[], float] = time.time) -> Manifest:
    """Copy a state folder; a folder that is there afterwards is whole.

    Raises:
        InvalidBackup: as `run`.
    """
    if out.exists():
        raise InvalidBackup(f"{out} is there already. Name a folder that is not: a backup never replaces another.")
    if not any((state / name).exists() for name in (LEDGER, STATE)):
        raise InvalidBackup(f"{state} holds neither {LEDGER} nor {STATE}. Name a server's --state folder.")
    if (state / UNFINISHED).exists():
        raise InvalidBackup(f"the restore of {state} was cut off. Run bidpilot restore again, and then make a backup.")
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        part.mkdir(mode=0o700, parents=True)
        names = _beside(state, part)
        running = served(state)
        for name in (STATE, LEDGER):
            if (state / name).exists():
                at = clock()
                _database(state / name, part / name)
                names.append(name)
        found = Manifest(at=at, served=running, files=tuple(entry(part, name) for name in sorted(names)))
        (part / FILE).write_text(found.model_dump_json(indent=1))
        for path in (path for path in part.rglob("*") if path.is_file()):
            sync(path)
        sync(part)
        part.rename(out)
        sync(out.parent)
    except (OSError, sqlite3.Error) as error:
        remedy = "See that there is room, and try again."
        raise InvalidBackup(f"{state} cannot be copied to {out} ({error}). {remedy}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return found


def _beside(state: Path, part: Path) -> list[str]:
    """Copy what lies beside the databases; the names of the copies."""
    paths = [*memory_files(state), *incident_files(state), *report_files(state), *(state / name for name in SECRETS)]
    names = []
    for path in [*paths, audit_file(state)]:
        try:
            data, found = path.read_bytes(), path.stat()
        except FileNotFoundError:  # gone meanwhile
            continue
        if path == audit_file(state):
            data = data[: data.rfind(b"\n") + 1]  # what is being written is the next backup's
        name = str(path.relative_to(state))
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        os.utime(part / name, ns=(found.st_atime_ns, found.st_mtime_ns))  # it ages on
        names.append(name)
    return names


def _database(source: Path, target: Path) -> None:
    """Copy a database in one step, as it is at one moment, and look whether the copy is whole."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(source, timeout=_WAITS)) as db, closing(sqlite3.connect(target)) as copy:
        db.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"{source.name} is damaged: {verdict}")

"""`bidpilot restore`: put a backup back. A server does not start on a folder whose restore was cut off.

Everything is prepared beside, then put in place under a mark that keeps servers out until all is there. What was there
before is kept in a folder beside it.
"""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bidpilot.bidding.errors import InvalidBackup, StateExists, StateInUse
from bidpilot.bidding.zone import zone_of
from bidpilot.serving.backup.config import RestoreConfig
from bidpilot.serving.backup.manifest import Manifest, read_manifest
from bidpilot.serving.backup.unknown import Counted, count_unknown, read_spent
from bidpilot.serving.durable import sync
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.privacy import audit
from bidpilot.serving.privacy.audit import Action
from bidpilot.serving.privacy.in_use import UNFINISHED, alone
from bidpilot.serving.privacy.places import LEDGER, STATE, audit_file

_STAGE = ".restore"
_BESIDE = ("", "-wal", "-shm")  # a database and what SQLite keeps with it


def run(config: RestoreConfig) -> None:
    """Restore a backup and print what must be done next.

    Raises:
        InvalidBackup: the backup is not whole, or what was spent since cannot be read.
        StateExists: a state is there and is not to be replaced.
        StateInUse: a server runs on the folder.
    """
    manifest, counted = restore(config)
    for line in said(config, manifest, counted):
        print(line)


def restore(config: RestoreConfig, clock: Callable[[], float] = time.time) -> tuple[Manifest, list[Counted]]:
    """Put a backup in a state folder; what counts as spent since. Raises as `run`."""
    if config.spent is not None and config.nothing_since:
        raise InvalidBackup("--nothing-since says that nothing was spent, --spent that some was. Give one of them.")
    manifest, spent = read_manifest(config.backup), read_spent(config.spent)
    state, stage, now = config.state, config.state / _STAGE, clock()
    try:
        with alone(state, "restore it"), _ledger_alone(state):
            there = [name for name in (LEDGER, STATE) if (state / name).exists()]
            if there and not config.force and not (state / UNFINISHED).exists():
                raise StateExists(
                    f"{state} holds {' and '.join(there)}, which may know of more money than the backup of "
                    f"{manifest.when}. Restore to another folder, or replace it with --force: it is kept beside."
                )
            counted = _prepare(config, manifest, stage, now, spent)
            (state / UNFINISHED).touch()
            sync(state)
            _put(state, stage, manifest, now)
            told = {"backup": manifest.at, "spent since": {one.account: one.amount / MICRO for one in counted}}
            audit.append(audit_file(state), Action(now, "command line", "", "", "restore", 0, None, told))
            (state / UNFINISHED).unlink()
            shutil.rmtree(stage, ignore_errors=True)
    except (OSError, sqlite3.Error) as error:
        raise InvalidBackup(
            f"{config.backup} cannot be put into {state} ({error}). Try again when that is mended."
        ) from error
    return manifest, counted


@contextmanager
def _ledger_alone(state: Path) -> Iterator[None]:
    """Hold the ledger as the one process that writes it does."""
    with (state / LEDGER).with_suffix(".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateInUse(f"a server holds the ledger of {state}. Stop it to restore it.") from error
        yield


def _prepare(
    config: RestoreConfig, manifest: Manifest, stage: Path, now: float, spent: dict[str, float] | None
) -> list[Counted]:
    """Copy the backup beside the state, and let its ledger know that more may have been spent."""
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    for one in manifest.files:
        (stage / one.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(config.backup / one.name, stage / one.name)  # it ages on
        (stage / one.name).chmod(0o600)
    counted: list[Counted] = []
    if (stage / LEDGER).exists() and not config.nothing_since:
        with closing(sqlite3.connect(stage / LEDGER)) as db:
            counted = count_unknown(db, manifest.at, now, [zone_of(name) for name in config.timezone], spent)
            db.commit()
    for path in (path for path in stage.rglob("*") if path.is_file()):
        sync(path)
    return counted


def _put(state: Path, stage: Path, manifest: Manifest, now: float) -> None:
    """Put what is prepared in place, and what was there into a folder beside it."""
    kept = state / f"replaced-{int(now)}"
    for one in manifest.files:
        target, source = state / one.name, stage / one.name
        if target == audit_file(state) and target.exists():
            continue  # lines are only ever added: what is there knows more
        for ending in _BESIDE if target.suffix == ".sqlite" else ("",):
            old = target.with_name(target.name + ending)
            if old.exists():
                (kept / one.name).parent.mkdir(parents=True, exist_ok=True)
                old.replace((kept / one.name).with_name(old.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    sync(state)


def said(config: RestoreConfig, manifest: Manifest, counted: list[Counted]) -> list[str]:
    """What was done and what to do next, for a person."""
    lines = [f"{config.state} is as it was at {manifest.when}."]
    if config.nothing_since:
        return [*lines, "Nothing counts as spent since, as you say: each day's money is what it was then."]
    if not any(one.name == LEDGER for one in manifest.files):
        return [*lines, "It holds no ledger: budgets are as their Redis has them."]
    told = "as you say" if config.spent is not None else "all that it had left, or could have had"
    return [
        *lines,
        "What was spent and ordered since is not in it. So that no money is spent twice:",
        "- the kill switch is on: no bid is made until POST /admin/revive; wins and bills are booked meanwhile",
        *(f"- {one.account}: {one.amount / MICRO:.2f} count as spent since, {told}" for one in counted if one.amount),
        "Before you revive it:",
        f"1. Ask each exchange what it has billed since {manifest.when}, by campaign and day. Then restore once more "
        'with --force --spent FILE, {"NAME@DATE": amount}. Or wait for the next day, whose budgets are whole.',
        "2. Look at GET /admin/campaigns: budgets, pauses and campaigns that were ordered since are lost. A campaign "
        "that did not run at the backup, or has a larger budget now, has money that may be spent: pause it, or cut it.",
    ]

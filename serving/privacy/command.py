"""`bidpilot privacy`. Nothing heavier than what a server needs is imported."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.privacy import audit
from bidpilot.serving.privacy.audit import Action
from bidpilot.serving.privacy.config import Do, PrivacyConfig
from bidpilot.serving.privacy.deletion import What, delete, said
from bidpilot.serving.privacy.inventory import table
from bidpilot.serving.privacy.keep import limits
from bidpilot.serving.privacy.keys import new_key, read_key
from bidpilot.serving.privacy.places import audit_file
from bidpilot.serving.privacy.rekey import rekey
from bidpilot.serving.privacy.retention import Removed, Report, prune, running_day

_USER = "command line"
"""Who does what is asked for at the command line, in the audit log."""


def run(config: PrivacyConfig) -> None:
    """Do what is asked for and print what was done.

    Raises:
        BidpilotError: it cannot be done, and why.
    """
    try:
        lines = _DOES[config.do](config)
    except (OSError, sqlite3.Error) as error:
        remedy = "See that there is room and that it can be written, and run it again: what was done stays done."
        raise InvalidServing(f"{config.place} cannot be looked after ({error}). {remedy}") from error
    print("\n".join(lines))


def _audit(config: PrivacyConfig) -> list[str]:
    found = audit.verify(config.place / audit.FILE, config.head)
    before = f"; {found.first} before them are gone by age" if found.first else ""
    return [
        f"{found.lines} actions, each after the one before{before}.",
        f"head {found.head}: note it where operators cannot write; --head HASH then sees what is cut off later.",
    ]


def _prune(config: PrivacyConfig) -> list[str]:
    days = limits(config.keep_days, config.keep)
    if not days:
        raise InvalidServing("nothing is to be removed: give --keep-days N, or --keep.decisions N and the like.")
    today = running_day(config.place, datetime.now(UTC).date())
    report = prune(config.place, config.decisions, days, time.time(), today, config.dry_run)
    if report.removed and not config.dry_run:
        _tell(config, "prune", {kind.value: kept for kind, kept in days.items()}, report.removed)
    return report.lines(config.dry_run)


def _delete(config: PrivacyConfig) -> list[str]:
    what = What(config.campaign, config.source, config.day)
    removed = delete(config.place, config.decisions, what, read_key(config.key_file), config.dry_run)
    if not config.dry_run:
        asked = {name: str(value) for name, value in vars(what).items() if value is not None}
        _tell(config, "delete", asked, removed)
    lines = Report(removed, []).lines(config.dry_run) if removed else ["nothing of it is kept"]
    return [*lines, *said(config.place, config.decisions, what)]


def _tell(config: PrivacyConfig, what: str, asked: Mapping[str, object], removed: Sequence[Removed]) -> None:
    """Tell the audit log."""
    told = [one._asdict() for one in removed]
    audit.append(audit_file(config.place), Action(time.time(), _USER, "", "", what, 0, asked, told))


def _new_key(config: PrivacyConfig) -> list[str]:
    key = new_key(config.place)
    return [
        f"{config.place} holds the key {key.name.hex()}. Keep a copy where the server's disk is not: without it what "
        "is encrypted is lost."
    ]


def _rekey(config: PrivacyConfig) -> list[str]:
    new = read_key(config.new_key_file)
    if new is None:
        raise InvalidServing("no key is given to encrypt with. Give --new-key-file FILE; privacy new-key makes one.")
    lines = rekey(config.place, config.decisions, read_key(config.key_file), new)
    return [*lines, f"serve with --key-file {config.new_key_file} from now on."]


_DOES: dict[Do, Callable[[PrivacyConfig], list[str]]] = {
    "inventory": lambda _: table(),
    "audit": _audit,
    "prune": _prune,
    "delete": _delete,
    "new-key": _new_key,
    "rekey": _rekey,
}

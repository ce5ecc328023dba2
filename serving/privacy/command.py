"""`bidpilot privacy`. Nothing heavier than what a server needs is imported."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.privacy import audit
from bidpilot.serving.privacy.config import Do, PrivacyConfig
from bidpilot.serving.privacy.keep import limits
from bidpilot.serving.privacy.retention import prune, running_day


def run(config: PrivacyConfig) -> None:
    """Do what is asked for and print what was done.

    Raises:
        BidpilotError: it cannot be done, and why.
    """
    for line in _DOES[config.do](config):
        print(line)


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
    return prune(config.place, config.decisions, days, time.time(), today, config.dry_run).lines(config.dry_run)


_DOES: dict[Do, Callable[[PrivacyConfig], list[str]]] = {"audit": _audit, "prune": _prune}

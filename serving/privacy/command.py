"""`bidpilot privacy`. Nothing heavier than what a server needs is imported."""

from __future__ import annotations

from collections.abc import Callable

from bidpilot.serving.privacy import audit
from bidpilot.serving.privacy.config import Do, PrivacyConfig


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


_DOES: dict[Do, Callable[[PrivacyConfig], list[str]]] = {"audit": _audit}

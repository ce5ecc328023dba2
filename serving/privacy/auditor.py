"""Watches what operators do at the admin application, and tells the audit log: who, what, and what it changed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from bidpilot.serving.bidder import Bidder
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.http import Request
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.privacy.audit import Action, AuditLog
from bidpilot.serving.settings import flat
from bidpilot.serving.tokens import Role, Who

DURABLE = 0.25
"""Seconds that an answer waits for its line to be on disk; what an operator orders holds before that."""

_LONG = 200  # characters of a text that is kept whole
_OF_INCIDENTS = ("level", "acknowledged", "deadline", "open")
_NOT_KEPT = ("clock",)  # moves of a clock that is moved by hand come with every auction of a replay


class Watched:
    """One action that is under way."""

    status = 0

    def __init__(self) -> None:
        self._durable = asyncio.Event()
        self._waits = False

    def told(self) -> None:
        """It has been given to the log."""
        self._waits = True

    def written(self) -> None:
        """It is on disk."""
        self._durable.set()

    async def durable(self) -> None:
        """Wait until it is on disk, and no longer than `DURABLE`."""
        if self._waits:
            with suppress(TimeoutError):
                async with asyncio.timeout(DURABLE):
                    await self._durable.wait()


class Auditor:
    """Tells a log what becomes of one bidder by its operators.

    An action whose line cannot be written holds all the same: it is an event (`audit_failed`), and tried again.
    """

    def __init__(self, bidder: Bidder, log: AuditLog) -> None:
        self._bidder, self.log = bidder, log
        log.on_failed = lambda why: bidder.events.record(Cause.audit_failed, f"{log.path.name}: {why}")

    @contextmanager
    def watching(self, who: Who, request: Request, needed: Role) -> Iterator[Watched]:
        """While an action is carried out; whoever does so sets the answer's status. What only reads is not kept."""
        watched, path = Watched(), request.path.strip("/").split("/")
        if needed <= Role.read or path[-1] in _NOT_KEPT:
            yield watched
            return
        before = self._seen(path)
        try:
            yield watched
        finally:  # whatever happens to who asked
            what = shortened(f"{request.method} {request.path}")
            changed = _changes(before, self._seen(path))
            action = Action(self.log.clock(), who.name, who.role.name, request.peer, what, watched.status, *changed)
            watched.told()
            self.log.tell(action, watched.written)

    def _seen(self, path: list[str]) -> dict[str, Any]:
        """What actions on a path may change, by name; empty where there is nothing, or is not known."""
        match path[1:]:
            case ["campaigns", name, *_]:
                served = self._bidder.served.get(name)
                return self._arms() if served is None else flat(served)
            case [("kill" | "revive")]:
                return {"killed": self._bidder.killed}
            case ["incidents", id, *_] if id in self._bidder.responder.all:
                incident = self._bidder.responder.all[id]
                return {name: getattr(incident, name) for name in _OF_INCIDENTS}
            case ["experiment", *_]:
                return self._arms()
            case ["bundle"]:
                return {"digest": self._bidder.desk.origin.digest}
        return {}

    def _arms(self) -> dict[str, Any]:
        """What an action on an experiment, or on a campaign that is served in arms, may change."""
        bidder, experiment = self._bidder, self._bidder.experiment
        if experiment is None:
            return {}
        arms = [served for name, served in sorted(bidder.served.items()) if name in experiment.campaigns]
        found: dict[str, Any] = {
            f"{arm.name}.budget": bidder.desk.budgets.on(arm, bidder.moment_of(arm.name)) / MICRO for arm in arms
        }
        return found | {f"{arm.name}.paused": arm.paused for arm in arms} | {"ended_to": experiment.ended_to}


def _changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs, as it was and as it is."""
    names = [name for name in before | after if before.get(name) != after.get(name)]
    return tuple({n: _brief(side[n]) for n in names if n in side} for side in (before, after))  # type: ignore[return-value]


def _brief(value: Any) -> Any:
    """A value without its long texts: markup of an advertisement is told by its hash, since it may hold secrets."""
    if isinstance(value, dict):
        return {name: _brief(inner) for name, inner in value.items() if name != "adm"} | (
            {"adm": _hashed(value["adm"])} if value.get("adm") is not None else {}
        )
    if isinstance(value, list):
        return [_brief(inner) for inner in value]
    return shortened(value) if isinstance(value, str) else value


def shortened(text: str) -> str:
    """A text, or, where it is long, its hash."""
    return text if len(text) <= _LONG else _hashed(text)


def _hashed(text: str) -> str:
    data = text.encode(errors="replace")
    return f"sha256:{hashlib.sha256(data).hexdigest()} of {len(data)} bytes"

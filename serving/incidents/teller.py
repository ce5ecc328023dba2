"""Tells contacts of incidents from a thread of its own: a bid never waits for anybody to be reached."""

from __future__ import annotations

import hashlib
import heapq
import hmac
import json
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from bidpilot.serving.incidents.contacts import Book, Contact, by_apprise, whom
from bidpilot.serving.incidents.incident import Action, Incident

_MOST = 1000  # messages that wait; more are failures
_RESTS = (1.0, 4.0, 16.0, 60.0)  # seconds between attempts, five in all
_PATIENCE = 10.0  # seconds for one attempt
_FAREWELL = 5.0  # seconds in which what waits is still told when a server ends


@dataclass(order=True)
class _Message:
    due: float
    turn: int
    contact: Contact = field(compare=False)
    incident: str = field(compare=False)
    title: str = field(compare=False)
    body: bytes = field(compare=False)
    attempts: int = field(compare=False, default=0)


@dataclass(frozen=True)
class Reached:
    """What became of a message."""

    incident: str
    contact: str
    failed: str = ""  # why it was given up; empty where it has arrived


def message(incident: Incident) -> bytes:
    """What a webhook is sent: the last step and the incident, without its slots; JSON."""
    steps = [step for step in incident.steps if step.action is not Action.told]
    told = incident.model_dump(mode="json", exclude={"slots", "alarms"})
    told["alarms"] = [*incident.alarms[-1:]]
    return json.dumps({"event": steps[-1].model_dump(mode="json"), "incident": told}).encode()


def sign(key: bytes, at: str, body: bytes) -> str:
    """The value of `X-Bidpilot-Signature`: HMAC-SHA256 of `X-Bidpilot-Timestamp`, a dot and the body, hex."""
    return "sha256=" + hmac.new(key, at.encode() + b"." + body, hashlib.sha256).hexdigest()


def send(contact: Contact, title: str, body: bytes) -> None:
    """Tell one contact.

    Raises:
        Exception: it was not reached, or did not take it.
    """
    if not contact.webhook:
        if not by_apprise(contact).notify(title=title, body=_words(body)):
            raise OSError("Apprise did not reach it")
        return
    headers = {"Content-Type": "application/json", "User-Agent": "bidpilot"}
    if (key := contact.key()) is not None:
        at = f"{time.time():.0f}"
        headers |= {"X-Bidpilot-Timestamp": at, "X-Bidpilot-Signature": sign(key, at, body)}
    request = urllib.request.Request(contact.url, body, headers, method="POST")
    with _OPENER.open(request, timeout=_PATIENCE) as response:
        response.read(1024)


class _Stay(urllib.request.HTTPRedirectHandler):
    """A webhook that has moved is a failure: what is told goes where an operator said."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stay)


class Teller:
    """Sends what is told of incidents, several times where it must, and says what became of it.

    Args:
        book: whom, by role.
        send: tells one contact, and raises where it does not.
        monotonic: seconds, by which is waited.
    """

    def __init__(
        self,
        book: Book,
        send: Callable[[Contact, str, bytes], None] = send,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._book, self._send, self._monotonic = book, send, monotonic
        self._waiting: list[_Message] = []  # a heap
        self._turns, self._changed, self._stopping = count(), threading.Condition(), False
        self._reached: deque[Reached] = deque(maxlen=_MOST)
        self._thread: threading.Thread | None = None

    def tell(self, incident: Incident) -> None:
        """Tell the contacts of an incident's role of its last step, some time soon."""
        last = next(step for step in reversed(incident.steps) if step.action is not Action.told)
        where = incident.campaign or "the bidder"
        title = f"bidpilot: {incident.risk} of {where}: {last.action}, level {incident.level.value}"
        body = message(incident)
        with self._changed:
            for contact in whom(self._book, incident.role, not incident.open):
                if len(self._waiting) >= _MOST:
                    self._reached.append(Reached(incident.id, contact.name, f"{_MOST} messages wait already"))
                    continue
                now = self._monotonic()
                one = _Message(now, next(self._turns), contact, incident.id, title, body)
                heapq.heappush(self._waiting, one)
            self._changed.notify()
            if self._thread is None and self._waiting:
                self._thread = threading.Thread(target=self._run, name="contacts", daemon=True)
                self._thread.start()

    def reached(self) -> list[Reached]:
        """What became of messages since this was asked last."""
        found = []
        while self._reached:
            found.append(self._reached.popleft())
        return found

    def close(self) -> None:
        """Tell what waits, each once more and for a few seconds in all, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_FAREWELL)

    def _run(self) -> None:
        while (one := self._next()) is not None:
            try:
                self._send(one.contact, one.title, one.body)
            except Exception as error:  # whatever it is, the others are told
                self._failed(one, f"{type(error).__name__}: {error}"[:200])
            else:
                self._reached.append(Reached(one.incident, one.contact.name))

    def _next(self) -> _Message | None:
        with self._changed:
            while True:
                if self._waiting and (self._stopping or self._waiting[0].due <= self._monotonic()):
                    return heapq.heappop(self._waiting)
                if self._stopping:
                    return None
                self._changed.wait(self._waiting[0].due - self._monotonic() if self._waiting else None)

    def _failed(self, one: _Message, why: str) -> None:
        with self._changed:
            if self._stopping or one.attempts >= len(_RESTS):
                self._reached.append(Reached(one.incident, one.contact.name, f"{one.contact.name}: {why}"))
                return
            one.due = self._monotonic() + _RESTS[one.attempts]
            one.attempts += 1
            heapq.heappush(self._waiting, one)


def _words(body: bytes) -> str:
    """A message in words, for people."""
    told = json.loads(body)
    event, incident = told["event"], told["incident"]
    lines = [
        incident["explanation"],
        f"{event['action']} by {event['by']}: {event['cause']}",
        f"incident {incident['id']}",
    ]
    if incident["deadline"] is not None:
        lines.append(f"escalates at {time.strftime('%Y-%m-%d %H:%M', time.gmtime(incident['deadline']))} UTC")
    return "\n".join(lines)

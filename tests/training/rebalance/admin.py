"""Administrations for the client to talk to: one that tells what it is given, and a bidder's own behind a socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-tests"

Answer = Callable[[str, str, str, bytes, str], tuple[int, bytes]]
"""(method, path, query, body, authorization) -> status, body."""


@contextmanager
def listening(answer: Answer) -> Any:
    """The address where `answer` is asked."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            token = self.headers.get("authorization", "")
            status, text = answer(self.command, parts.path, parts.query, body, token)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", "http://127.0.0.1:1/")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _do  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def spent_day(**fields: Any) -> dict[str, Any]:
    """A day of a campaign as the server tells it."""
    usual = {"budget": 40.0, "settled": 0.0, "debt": 0.0, "held": 0.0}
    none = {"channels": {}, "predicted": [0.0] * 3, "realised": [0.0] * 3}
    return usual | none | fields


@dataclass
class FakeAdmin:
    """Campaigns by name with their budgets and days; what is posted is kept, and what is to fail fails."""

    budgets: dict[str, float]
    today: date
    passed: float = 0.999
    currency: str = "USD"
    days: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    more: dict[str, dict[str, Any]] = field(default_factory=dict)  # of campaigns
    fails: dict[str, list[int]] = field(default_factory=dict)  # statuses of the next posts by name; 0: no answer
    durable: bool = True
    posted: list[tuple[str, float, str]] = field(default_factory=list)
    planned: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __call__(self, method: str, path: str, query: str, body: bytes, token: str) -> tuple[int, bytes]:
        if token != f"Bearer {TOKEN}":
            return 401, b'{"error":"give the token as Authorization: Bearer TOKEN"}'
        parts = path.strip("/").split("/")
        if method == "GET" and parts == ["admin", "campaigns"]:
            return 200, json.dumps({name: self._campaign(name) for name in self.budgets}).encode()
        name, action = parts[2], parts[3]
        if method == "GET" and action == "spend":
            first = parse_qs(query).get("from", [self.today.isoformat()])[0]
            told = {day: one for day, one in self.days.get(name, {}).items() if day >= first}
            found = {"currency": self.currency, "today": self.today.isoformat(), "passed": self.passed, "days": told}
            return 200, json.dumps(found).encode()
        order = json.loads(body)
        self.posted.append((name, order["budget"], order["from"]))
        status = self.fails.get(name, []).pop(0) if self.fails.get(name) else 200
        if status in (200, 0):
            days = [{"since": order["from"], "budget": order["budget"]}]
            self.planned[name] = {"instead_of": self.budgets[name], "days": days}
        if status == 0:
            raise ConnectionError("no answer")
        if status != 200:
            return status, json.dumps({"error": "it does not want to"}).encode()
        return (200 if self.durable else 202), b"{}"

    def _campaign(self, name: str) -> dict[str, Any]:
        base = {"name": name, "campaign": {"budget": self.budgets[name]}, "planned": self.planned.get(name)}
        return base | {"paused": False, "money": {"budget": self.budgets[name]}} | self.more.get(name, {})

    def budget_of(self, name: str) -> float:
        """What was planned last."""
        planned = self.planned.get(name)
        return self.budgets[name] if planned is None else float(planned["days"][-1]["budget"])

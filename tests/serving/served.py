"""A bid server in a process of its own, and a client for it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TOKEN, SECRET = "an-administrators-token", "a-secret-that-signs-notices-and-is-long"


class Served:
    """`bidpilot serve` with options; a context that stops it. `python`: that of another environment."""

    def __init__(self, bundle: Path, state: Path, *options: str, python: Path | None = None) -> None:
        # in isolation neither the working directory nor PYTHONPATH brings the checkout in
        program = [sys.executable] if python is None else [str(python), "-I"]
        self.command = [
            *program, "-m", "bidpilot", "serve", str(bundle), "--state", str(state),
            "--port", "0", "--admin-port", "0", *([] if "--drain" in options else ["--drain", "0"]), *options,
        ]  # fmt: skip
        self.log = state / "server.log"
        state.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "BIDPILOT_ADMIN_TOKEN": TOKEN, "BIDPILOT_NOTICE_SECRET": SECRET}
        with self.log.open("a") as log:
            begin = log.tell()
            self.process = subprocess.Popen(self.command, stderr=log, stdout=log, env=environment)
        for _ in range(1200):
            line = next((entry for entry in self.text(begin).splitlines() if entry.startswith("bids: ")), "")
            if line:
                words = line.split()
                self.bids, self.admin = urlsplit(words[1]), urlsplit(words[3])
                return
            if self.process.poll() is not None:
                raise RuntimeError(self.text(begin))
            time.sleep(0.05)
        raise RuntimeError("the server did not start")

    def text(self, begin: int = 0) -> str:
        with self.log.open() as log:
            log.seek(begin)
            return log.read()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()

    def client(self) -> Client:
        return Client(str(self.bids.hostname), int(self.bids.port or 0))

    def administrator(self, token: str | None = TOKEN) -> Client:
        return Client(str(self.admin.hostname), int(self.admin.port or 0), token)


class Client:
    """One connection that is kept."""

    def __init__(self, host: str, port: int, token: str | None = None) -> None:
        self.connection = http.client.HTTPConnection(host, port, timeout=20)
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status, and the decoded body (text where it is no JSON)."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self.connection.request(method, path, data, self.headers)
        response = self.connection.getresponse()
        text = response.read().decode()
        try:
            return response.status, json.loads(text) if text else None
        except ValueError:
            return response.status, text

    def bid(self, *imps: dict[str, Any], **fields: Any) -> tuple[int, Any]:
        return self.send("POST", "/openrtb2/bid", request(*imps, **fields))

    def notice(self, url: str, price: float | None = None, least: float | None = None, extra: str = "") -> int:
        """Call a notice's address with its macros filled in; prices per mille."""
        parts = urlsplit(fill(url, price, least) + extra)
        return self.send("GET", f"{parts.path}?{parts.query}")[0]

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fill(url: str, price: float | None, least: float | None = None) -> str:
    if price is not None:
        url = url.replace("${AUCTION_PRICE}", repr(price))
    return url if least is None else url.replace("${AUCTION_MIN_TO_WIN}", repr(least))


def imp(id: str = "1", floor: float = 0.0, **hints: Any) -> dict[str, Any]:
    usual = {"exposure": 0.6, "interaction": 0.2, "conversion": 0.004, "segment": 0}
    return {"id": id, "bidfloor": floor, "ext": {"bidpilot": usual | hints}}


def request(*imps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "r", "imp": list(imps) or [imp()], **fields}


def only_bid(response: Any) -> dict[str, Any]:
    """The one bid of a response."""
    (seat,) = response["seatbid"]
    (bid,) = seat["bid"]
    return dict(bid)

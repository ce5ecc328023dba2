"""Requests straight into the applications, in this process, and what is held meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, NamedTuple

from bidpilot.serving.bidder import Bidder
from bidpilot.serving.http import Hangup, Request, Response
from bidpilot.serving.ledger.store import MICRO
from tests.serving.served import request as bid_request

HERE = "127.0.0.1:40000"


class Watch:
    """A stopwatch that is moved by hand, seconds."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Here(Hangup):
    """A client that waits."""

    def __init__(self) -> None:
        self._told = Future[None]()


class Answer(NamedTuple):
    status: int
    body: Any


class Given(NamedTuple):
    """A request that no server hands over."""

    method: str
    path: str
    query: str
    authorization: str | None
    read: Callable[[int, float], Coroutine[Any, Any, bytes]]
    peer: str = ""
    arrived: float | None = None
    hangup: Callable[[], Hangup] = Here
    header: Callable[[str], str | None] = lambda _: None
    encoding: str | None = None
    accepts: str | None = None


def ask(
    app: Callable[[Request], Any],
    path: str = "/openrtb2/bid",
    body: Any = None,
    method: str = "POST",
    query: str = "",
    token: str | None = None,
    peer: str = HERE,
    arrived: float | None = None,
    hangup: Callable[[], Hangup] = Here,
    reading: Callable[[], None] = lambda: None,
) -> Answer:
    """One request; `reading` happens while its body is read."""

    async def read(most: int, seconds: float) -> bytes:
        reading()
        if isinstance(body, bytes):
            return body
        return json.dumps(bid_request() if body is None and path.startswith("/openrtb2") else body).encode()

    authorization = None if token is None else f"Bearer {token}"
    response: Response = asyncio.run(app(Given(method, path, query, authorization, read, peer, arrived, hangup)))
    return Answer(response.status, json.loads(response.body) if response.body else None)


def promised(bidder: Bidder) -> int:
    """Micro-units that bids of all campaigns hold, and a check that what is outstanding adds up to it."""
    wallets = [day.wallet for day in bidder.days.values()]
    for wallet in wallets:
        assert wallet.promised == sum(held.amount for held in wallet._held._open.values())
        assert sum(wallet.promised_by_slot.values()) == wallet.promised
        if wallet.state is not None:
            assert wallet.free + wallet.promised + wallet.state.settled <= wallet.state.budget + MICRO // 1000
    return sum(wallet.promised for wallet in wallets)

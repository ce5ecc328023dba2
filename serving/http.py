"""The ASGI applications' common ground: bodies with limits, and short answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = (b"content-type", b"application/json")
TEXT = (b"content-type", b"text/plain; charset=utf-8")


class BodyRefused(Exception):  # never leaves the applications: it becomes a status
    """Raised when a body is too large, too slow, or its sender has gone."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


async def read_body(scope: Scope, receive: Receive, most: int, seconds: float) -> bytes:
    """The request's body.

    Raises:
        BodyRefused: it is larger than `most` bytes, or not there after `seconds`.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value) > most):
            raise BodyRefused(413, "body_too_large")
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(seconds):
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise BodyRefused(400, "disconnected")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise BodyRefused(413, "body_too_large")
                more = message.get("more_body", False)
    except TimeoutError:
        raise BodyRefused(408, "body_too_slow") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def answer(
    send: Send, status: int, body: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = (JSON,)
) -> None:
    """Send a whole response."""
    length = (b"content-length", b"%d" % len(body))
    sent = [length, *headers] if body else [length]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})

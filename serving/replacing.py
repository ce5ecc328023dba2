"""Administration of what may be replaced by another file while it is served: GET says what holds, POST names a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import msgspec


class Replaceable(Protocol):
    """What is served from a file."""

    def state(self) -> dict[str, Any]:
        """What holds."""

    async def begin(self, path: Path, /) -> dict[str, Any]:
        """Let another file hold; what was done."""


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a POST."""

    path: str


async def answer(served: Replaceable, method: str, body: bytes, done: int) -> tuple[int, dict[str, Any]]:
    """Status and body; `done`: the status where another file was taken.

    Raises:
        MsgspecError, BidpilotError: what is asked for cannot be.
    """
    if method == "GET":
        return 200, served.state()
    if method != "POST":
        return 405, {"error": "ask with GET, replace with POST"}
    return done, await served.begin(Path(msgspec.json.decode(body, type=_Asked).path))

"""What is served from a file is shown by GET and replaced by POST, whatever it is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bidpilot.serving.replacing import answer


class Served:
    """Remembers what it was asked to take."""

    def __init__(self) -> None:
        self.taken: list[Path] = []

    def state(self) -> dict[str, Any]:
        return {"taken": len(self.taken)}

    async def begin(self, path: Path, /) -> dict[str, Any]:
        self.taken.append(path)
        return self.state()


@pytest.mark.parametrize(
    ("method", "status", "taken"),
    [("GET", 200, []), ("POST", 202, [Path("a/b")]), ("PUT", 405, []), ("DELETE", 405, [])],
)
def test_post_alone_takes_another_file(method: str, status: int, taken: list[Path]) -> None:
    served = Served()
    found = asyncio.run(answer(served, method, b'{"path": "a/b"}', done=202))
    assert (found[0], served.taken) == (status, taken)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"path": 7}', b'{"path": "a", "force": true}'])
def test_a_body_that_names_no_file_or_more_takes_nothing(body: bytes) -> None:
    served = Served()
    with pytest.raises(msgspec.MsgspecError):
        asyncio.run(answer(served, "POST", body, done=200))
    assert served.taken == []

"""The link between two processes: answers find their questions, and its end is heard on both sides."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from bidpilot.bidding.errors import LinkLost
from bidpilot.serving.link import Handler, Link


async def shout(body: bytes) -> bytes:
    return body.upper()


async def broken(_: bytes) -> bytes:
    raise ZeroDivisionError("no number")


async def silent(_: bytes) -> bytes:
    await asyncio.sleep(60)
    return b""


HANDLERS: dict[str, Handler] = {"shout": shout, "broken": broken, "silent": silent}


def over_a_link(scene: Callable[[Link, Link], Awaitable[None]]) -> None:
    async def play() -> None:
        one, other = socket.socketpair()
        here, there = await Link.over(one, HANDLERS), await Link.over(other, HANDLERS)
        try:
            await scene(here, there)
        finally:
            here.close()
            there.close()

    asyncio.run(play())


def test_both_ends_ask_and_answers_find_their_questions() -> None:
    async def scene(here: Link, there: Link) -> None:
        asked = [
            end.ask("shout", f"{name} {k}".encode()) for k in range(50) for name, end in (("a", here), ("b", there))
        ]
        answers = await asyncio.gather(*asked)
        assert answers == [f"{name} {k}".encode() for k in range(50) for name in "AB"]

    over_a_link(scene)


def test_a_long_answer_comes_whole() -> None:
    async def scene(here: Link, there: Link) -> None:
        assert await here.ask("shout", b"x" * 3_000_000) == b"X" * 3_000_000

    over_a_link(scene)


@pytest.mark.parametrize(("what", "why"), [("broken", "no number"), ("unknown", "unknown"), ("silent", "within 0.05")])
def test_a_question_that_fails_is_a_named_error_and_the_link_goes_on(what: str, why: str) -> None:
    async def scene(here: Link, there: Link) -> None:
        with pytest.raises(LinkLost, match=why):
            await here.ask(what, patience=0.05)
        assert await here.ask("shout", b"on") == b"ON"

    over_a_link(scene)


def test_the_end_of_one_side_is_heard_at_the_other_and_by_who_waits() -> None:
    async def scene(here: Link, there: Link) -> None:
        heard = asyncio.Event()
        here.on_lost(heard.set)
        waiting = asyncio.ensure_future(here.ask("silent", patience=10))
        await asyncio.sleep(0.01)
        there.close()
        with pytest.raises(LinkLost):
            await waiting
        await asyncio.wait_for(heard.wait(), 5)
        with pytest.raises(LinkLost, match="nobody"):
            await here.ask("shout")
        here.tell("shout")  # nothing, and no error
        late = asyncio.Event()
        here.on_lost(late.set)
        assert late.is_set()

    over_a_link(scene)

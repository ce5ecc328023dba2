"""The stream: what has changed and nothing else, for few listeners, of bounded length, while somebody looks."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.drain import Drain
from bidpilot.serving.http import Response, stream
from bidpilot.serving.page import feed as feed_module
from bidpilot.serving.page.feed import Feed, Listener
from bidpilot.serving.page.snapshot import Snapshots, changes
from bidpilot.serving.tokens import Role, Who

WHO = Who("rita", Role.read)


@pytest.fixture(scope="module")
def bidder(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bidder]:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path_factory.mktemp("feed"))
    with open_bidder(config, ManualClock(20_000 * DAY)) as made:
        yield made


def a_feed(bidder: Bidder, drain: Drain | None = None, every: float = 0.1, most: int = 16) -> Feed:
    return Feed(Snapshots(bidder, "USD", drain or Drain()), every, most)


def join(feed: Feed) -> Listener:
    listener = feed.join(WHO)
    assert listener is not None
    return listener


async def take(listener: Listener, parts: int) -> list[tuple[str, Any]]:
    found = []
    async with asyncio.timeout(5.0):
        for _ in range(parts):
            kind, data = (await anext(listener)).decode().strip().split("\n")
            found.append((kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


# --- what is told --------------------------------------------------------------------------------

VALUES = st.integers(0, 2) | st.lists(st.integers(0, 1), max_size=2)
ROWS = st.dictionaries(st.sampled_from("abc"), st.fixed_dictionaries({"steady": VALUES, "moving": VALUES}))
TOLD = st.fixed_dictionaries({"server": VALUES, "incidents": VALUES, "campaigns": ROWS})


@given(TOLD, TOLD)
def test_what_was_told_and_what_has_changed_is_what_is(before: dict[str, Any], after: dict[str, Any]) -> None:
    kept, change = copy.deepcopy(before), changes(before, after)
    for part in ("server", "incidents"):
        kept[part] = change.get(part, kept[part])
    for name, row in change["campaigns"].items():
        kept["campaigns"][name] = kept["campaigns"].get(name, {}) | row
    for name in change.get("gone", []):
        del kept["campaigns"][name]
    assert kept == after
    assert changes(after, copy.deepcopy(after)) == {"campaigns": {}}


def test_a_listener_is_told_who_it_is_then_all_then_what_has_changed(bidder: Bidder) -> None:
    async def go() -> list[tuple[str, Any]]:
        feed = a_feed(bidder)
        listener = join(feed)
        found = await take(listener, 3)
        bidder.kill(True)
        found += await take(listener, 1)
        bidder.kill(False)
        listener.close()
        return found

    (first, who), (second, whole), (third, quiet), (_, killed) = asyncio.run(go())
    assert (first, second, third) == ("who", "whole", "change")
    assert who == {"name": "rita", "role": "read"}
    assert whole["campaigns"]["default"]["moving"]["state"] == "bidding"
    assert quiet == {"campaigns": {}}  # nothing has happened
    assert killed["server"]["killed"]
    assert killed["campaigns"]["default"].keys() == {"moving"}


# --- how much ------------------------------------------------------------------------------------


def test_there_are_few_at_once_and_one_that_goes_makes_room(bidder: Bidder) -> None:
    async def go() -> None:
        feed = a_feed(bidder, most=2)
        one, two = join(feed), join(feed)
        assert feed.join(WHO) is None
        one.close()
        three = join(feed)
        assert [kind for kind, _ in await take(three, 2)] == ["who", "whole"]
        two.close()
        three.close()

    asyncio.run(go())


def test_who_takes_nothing_is_let_go_with_little_kept_and_others_are_told(bidder: Bidder) -> None:
    async def go() -> tuple[int, bool]:
        feed = a_feed(bidder, every=0.1)
        slow, quick = join(feed), join(feed)
        await take(quick, 9)
        kept = 0
        async with asyncio.timeout(5.0):
            async for _ in slow:
                kept += 1
        quick.close()
        return kept, slow in feed.listeners

    kept, _ = asyncio.run(go())
    assert kept <= 4


def test_a_stream_ends_after_so_many_bytes(bidder: Bidder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP server keeps whatever a client does not take."""
    monkeypatch.setattr(feed_module, "_BYTES", 200)

    async def go() -> list[bytes]:
        listener = join(a_feed(bidder, every=0.1))
        async with asyncio.timeout(5.0):
            found = [part async for part in listener]
        listener.close()
        return found

    found = asyncio.run(go())
    assert found[1].startswith(b"event: whole")
    assert sum(map(len, found[2:])) <= 400


def test_no_snapshot_is_taken_while_nobody_looks(bidder: Bidder) -> None:
    async def go() -> int:
        feed, taken = a_feed(bidder, every=0.1), 0
        take_one = feed.snapshots.take

        async def counted() -> Any:
            nonlocal taken
            taken += 1
            return await take_one()

        feed.snapshots.take = counted  # type: ignore[method-assign]
        listener = join(feed)
        await take(listener, 3)
        listener.close()
        before = taken
        await asyncio.sleep(0.35)
        return taken - before

    assert asyncio.run(go()) <= 1


def test_a_drain_ends_all_and_lets_nobody_in(bidder: Bidder) -> None:
    async def go() -> None:
        drain = Drain(60.0)
        feed = a_feed(bidder, drain, every=60.0)
        listener = join(feed)
        await take(listener, 2)
        drain.begin()
        async with asyncio.timeout(1.0):  # at once, and not with the next snapshot
            assert [part async for part in listener] == []
        assert feed.join(WHO) is None
        listener.close()

    asyncio.run(go())


def test_a_fault_ends_streams_and_nothing_else(bidder: Bidder, caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> None:
        feed = a_feed(bidder)
        feed.snapshots.bidder = None  # type: ignore[assignment]
        listener = join(feed)
        async with asyncio.timeout(2.0):
            assert len([part async for part in listener]) == 1
        listener.close()

    asyncio.run(go())
    assert "the control page cannot be told" in caplog.text


# --- over HTTP -----------------------------------------------------------------------------------


class Gone(RuntimeError):
    pass


class Protocol:
    """RSGI's, as far as a stream needs it; the client goes after so many parts, told of or not."""

    def __init__(self, parts: int, told: bool) -> None:
        self.sent: list[bytes] = []
        self._parts, self._told = parts, told
        self._left: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def client_disconnect(self) -> asyncio.Future[None]:
        return self._left

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> Protocol:
        return self

    async def send_bytes(self, part: bytes) -> None:
        if len(self.sent) == self._parts:
            raise Gone
        self.sent.append(part)
        if len(self.sent) == self._parts and self._told:
            self._left.set_result(None)


class Endless:
    closed = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b"x"

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("parts", [1, 5])
def test_a_stream_stops_when_its_client_has_gone(monkeypatch: pytest.MonkeyPatch, parts: int, told: bool) -> None:
    monkeypatch.setattr("bidpilot.serving.http._CLOSED", Gone)

    async def go() -> tuple[Protocol, Endless]:
        protocol, endless = Protocol(parts, told), Endless()
        async with asyncio.timeout(2.0):
            await stream(protocol, Response(200, b"", [], endless), endless)
        return protocol, endless

    protocol, endless = asyncio.run(go())
    assert (len(protocol.sent), endless.closed) == (parts, 1)

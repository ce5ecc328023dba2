"""The end of a server: no more bids, every bill that still comes, and then it is over."""

from __future__ import annotations

import asyncio
import signal
import time
from itertools import islice
from pathlib import Path

import pytest

from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.drain import Drain
from bidpilot.serving.server import applications
from tests.serving.doors import ask, promised
from tests.serving.served import Served, only_bid


def elapsed(seconds: float, *, asks: int, end: bool = False) -> float:
    """How long a drain of `seconds` lasts that is asked for so many times."""

    async def measure() -> float:
        drain = Drain(seconds)
        for _ in range(asks):
            drain.begin()
        if end:
            drain.end()
        begun = asyncio.get_running_loop().time()
        await drain.finished()
        assert drain.on
        return asyncio.get_running_loop().time() - begun

    return asyncio.run(measure())


def test_it_lasts_as_long_as_it_is_told_and_a_second_time_ends_it() -> None:
    assert elapsed(0.08, asks=1) >= 0.08
    assert elapsed(60.0, asks=2) < 1.0
    assert elapsed(60.0, asks=0, end=True) < 1.0
    assert elapsed(60.0, asks=1, end=True) < 1.0
    assert elapsed(0.0, asks=1) < 1.0


def test_it_does_not_begin_by_itself() -> None:
    async def wait() -> bool:
        drain = Drain(0.0)
        try:
            await asyncio.wait_for(drain.finished(), 0.05)
        except TimeoutError:
            return drain.on
        return True

    assert not asyncio.run(wait())


def test_no_bid_is_made_and_every_notice_is_booked(bundle_folder: Path, tmp_path: Path) -> None:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path)
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        drain = Drain(60.0)
        app, admin = applications(bidder, config, "http://x", drain)
        bids = [only_bid(ask(app).body) for _ in range(3)]
        held, auctions = promised(bidder), bidder.auctions
        drain.begin()
        assert ask(app).status == 204
        assert (promised(bidder), bidder.auctions) == (held, auctions)
        assert app.metrics.refused == {"draining": 1}
        for door in (app, admin):
            status, answer = ask(door, "/ready", method="GET")
            assert (status, answer["ready"]) == (503, False)
            assert ask(door, "/health", method="GET").status == 200

        def tell(kind: str, bid: dict[str, str]) -> int:
            query = bid[kind].replace("${AUCTION_PRICE}", "0.5").partition("?")[2]
            path = {"nurl": "win", "burl": "bill", "lurl": "loss"}[kind]
            return ask(app, f"/notice/{path}", method="GET", query=query).status

        assert [tell("nurl", bids[0]), tell("burl", bids[0]), tell("lurl", bids[1]), tell("burl", bids[2])] == [204] * 4
        state = bidder.days["default"].wallet.state
        assert state is not None
        assert state.settled == 2 * 500
        assert promised(bidder) == 0


def test_bills_of_the_drain_are_on_disk_when_it_is_over(bundle_folder: Path, tmp_path: Path) -> None:
    with Served(bundle_folder, tmp_path, "--drain", "1.5") as server:
        with server.client() as client, server.administrator() as admin:
            answers = (client.bid()[1] for _ in range(400))  # while the lease is filled up there is none
            bids = [only_bid(answer) for answer in islice(filter(None, answers), 40)]
            before = admin.send("GET", "/admin/campaigns")[1]["default"]["money"]["settled"]
            server.process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            while client.send("GET", "/ready")[0] != 503:
                assert time.monotonic() - begun < 1.0
            assert client.bid() == (204, None)
            assert admin.send("GET", "/ready")[0] == 503
            acknowledged = 0.0
            for bid in bids:  # the last of them come as it ends
                try:
                    if client.notice(bid["burl"], bid["price"]) == 204:
                        acknowledged += bid["price"] / 1000
                except OSError:
                    break
                time.sleep(0.02)
        assert server.process.wait(timeout=10) == 0
        assert time.monotonic() - begun >= 1.5
        assert acknowledged > 0
        server.start()
        with server.administrator() as admin:
            money = admin.send("GET", "/admin/campaigns")[1]["default"]["money"]
            assert money["settled"] == pytest.approx(before + acknowledged, abs=1e-6)


@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT,)])
def test_a_second_signal_ends_it_at_once(bundle_folder: Path, tmp_path: Path, signals: tuple[signal.Signals]) -> None:
    with Served(bundle_folder, tmp_path, "--drain", "60") as server:
        with server.client() as client:
            client.bid()
        for number in signals:
            server.process.send_signal(number)
            time.sleep(0.1)  # two of a kind that are pending at a time are one
        assert server.process.wait(timeout=10) == 0

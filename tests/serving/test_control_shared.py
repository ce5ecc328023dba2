"""Orders of two bidders on one Redis, over HTTP: an order answered 200 has reached both, and none is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.serving.ledger.conftest import RedisServer, redis_server  # noqa: F401 - a fixture
from tests.serving.served import Client, Served


class Pair:
    """Two bidders, a connection to each of their addresses, and the Redis between them."""

    def __init__(self, redis: RedisServer, servers: list[Served]) -> None:
        self.redis, self.servers = redis, servers
        self.clients = [server.client() for server in servers]
        self.admins = [server.administrator() for server in servers]

    def order(self, which: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return self.admins[which].send(method, f"/admin/{path}", body)

    def bids(self, which: int) -> bool:
        return self.clients[which].bid()[0] == 200

    def campaign(self, which: int, name: str = "default") -> Any:
        return self.order(which, "GET", "campaigns")[1].get(name)

    def within(self, seconds: float, true: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it did not become true in time"
            time.sleep(0.02)


@pytest.fixture
def pair(bundle_folder: Path, tmp_path: Path, redis_server: RedisServer) -> Iterator[Pair]:  # noqa: F811
    with ExitStack() as stack:
        options = ("--redis", redis_server.url, "--bidders", "2", "--guardrails.slot-share", "1.0")
        servers = [stack.enter_context(Served(bundle_folder, tmp_path / name, *options)) for name in "ab"]
        made = Pair(redis_server, servers)
        made.within(10, lambda: made.bids(0) and made.bids(1))
        yield made
        for client in (*made.clients, *made.admins):
            client.close()
    import redis as library

    library.Redis(port=redis_server.port).flushall()


def test_what_is_answered_200_has_reached_every_bidder(pair: Pair) -> None:
    """At the moment of the answer, without a wait: kill and revive, pause and resume, budget, put and delete."""
    for turn in range(2):
        here, there = turn, 1 - turn
        status, answer = pair.order(here, "POST", "kill")
        assert (status, answer["durable"], answer["missing"], len(answer["reached"])) == (200, True, [], 2)
        assert not pair.bids(there)
        assert not pair.bids(here)
        assert pair.order(there, "POST", "revive")[0] == 200
        assert pair.bids(here)
        assert pair.order(here, "POST", "campaigns/default/pause")[0] == 200
        assert pair.campaign(there)["paused"]
        assert pair.order(there, "POST", "campaigns/default/resume")[0] == 200
        assert not pair.campaign(here)["paused"]
        assert pair.order(here, "POST", "campaigns/default/budget", {"budget": 31 + turn})[0] == 200
        assert pair.campaign(there)["campaign"]["budget"] == 31 + turn
        pair.within(2, lambda turn=turn, there=there: pair.campaign(there)["money"]["budget"] == 31 + turn)  # type: ignore[misc]
        assert pair.order(here, "PUT", "campaigns/second", {"campaign": {"budget": 5}})[0] == 200
        assert pair.campaign(there, "second")["campaign"]["budget"] == 5
        assert pair.order(there, "DELETE", "campaigns/second")[0] == 200
        assert pair.campaign(here, "second") is None
    _, told = pair.order(0, "GET", "bidders")
    assert len(told["bidders"]) == 2
    assert {(b["killed"], b["campaigns"]["default"]["budget"]) for b in told["bidders"].values()} == {(False, 32.0)}


def test_a_bidder_that_hangs_or_dies_is_named_and_told_when_it_is_back(pair: Pair) -> None:
    hung = pair.servers[1]
    hung.process.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    status, answer = pair.order(0, "POST", "kill")
    assert time.monotonic() - begin < 2.0
    assert (status, answer["durable"], len(answer["reached"])) == (202, True, 1)
    assert answer["missing"] == [f"{os.uname().nodename}:{hung.log.parent.resolve()}"]
    assert not pair.bids(0)
    hung.process.send_signal(signal.SIGCONT)
    pair.within(3, lambda: not pair.bids(1))
    hung.kill()
    assert pair.order(0, "POST", "revive")[0] == 202  # it may have been cut off, and bidding
    pair.order(0, "POST", "campaigns/default/pause")
    hung.start()
    with hung.client() as client:
        assert client.bid()[0] == 204
    assert pair.order(0, "POST", "campaigns/default/resume")[0] == 200
    assert hung.stop() == 0
    assert pair.order(0, "POST", "kill")[0] == 200  # who has said farewell is not waited for


def test_orders_while_the_store_is_away_hold_here_and_everywhere_when_it_is_back(pair: Pair) -> None:
    """A kill, a budget cut and a deletion are given without a store; each holds at once, and nothing is lost."""
    assert pair.order(0, "PUT", "campaigns/second", {"campaign": {"budget": 5}})[0] == 200
    pair.redis.stop()
    status, answer = pair.order(0, "POST", "kill")
    assert (status, answer) == (202, {"killed": True, "durable": False})
    assert not pair.bids(0)
    status, answer = pair.order(1, "POST", "campaigns/default/budget", {"budget": 30})
    assert (status, answer["durable"], answer["campaign"]["budget"]) == (202, False, 30.0)
    assert pair.order(1, "DELETE", "campaigns/second") == (202, {"name": "second", "deleted": True, "durable": False})
    _, told = pair.order(0, "GET", "bidders")
    assert told["store"] == "does not answer"
    assert pair.admins[0].send("GET", "/ready")[0] == 503
    pair.redis.start()
    pair.within(4, lambda: not pair.bids(1))
    pair.within(4, lambda: pair.campaign(0)["campaign"]["budget"] == 30.0)
    pair.within(4, lambda: pair.campaign(0)["money"].get("budget") == 30.0)
    assert pair.campaign(0, "second") is None
    pair.within(4, lambda: b"bidpilot_orders_pending 0.0" in _metrics(pair.admins[1]))
    assert pair.order(1, "POST", "revive")[0] == 200
    pair.within(4, lambda: pair.bids(0) and pair.bids(1))


def _metrics(admin: Client) -> bytes:
    return str(admin.send("GET", "/metrics")[1]).encode()


def test_a_start_with_another_budget_changes_it_for_all(pair: Pair) -> None:
    """The last start's file holds: the bidder beside it follows within a second, and on the running day."""
    second = pair.servers[1]
    assert second.stop() == 0
    second.command += ["--budget", "5"]
    second.start()
    assert "campaign.budget is 5.0 in the file, and was 40.0" in second.text()
    pair.within(2, lambda: pair.campaign(0)["campaign"]["budget"] == 5.0)
    pair.within(2, lambda: pair.campaign(0)["money"]["budget"] == 5.0)

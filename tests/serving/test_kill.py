"""Killed under load, again and again: every acknowledged bill is settled, once, and never more than the budget.

Three kills each, or as many as BIDPILOT_KILLS says: the continuous integration kills twenty times.
"""

from __future__ import annotations

import http.client
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from bidpilot.serving.ledger.store import MICRO
from tests.serving.ledger.conftest import RedisServer, redis_server  # noqa: F401 - a fixture
from tests.serving.served import Served, imp, only_bid

KILLS = int(os.environ.get("BIDPILOT_KILLS", "3"))
# held long enough that no bid outlives its reservation while a server starts again on a busy machine
OPTIONS = ("--guardrails.slot-share", "1.0", "--bid-expiry", "60", "--grace", "60")
CHEAP = imp(exposure=0.05, interaction=0.02, conversion=0.0002)  # the budget lasts through all kills
RICH = imp(exposure=1.0, interaction=1.0, conversion=0.05)  # and is then used up


class Exchange(threading.Thread):
    """Asks for bids, bills every one, and sends a bill again until it is acknowledged."""

    def __init__(self, servers: list[Served]) -> None:
        super().__init__(daemon=True)
        self.servers, self.stopping = servers, False
        self.imp = CHEAP
        self.acknowledged: dict[str, int] = {}  # by bid, micro-units
        self.bids = self.errors = self.refused = 0
        self.clients: dict[int, tuple[int, Any]] = {}

    def run(self) -> None:
        turn = 0
        while not self.stopping:
            turn += 1
            which = turn % len(self.servers)
            try:
                status, response = self.client(which).bid(self.imp)
                if status == 200 and "seatbid" in response:
                    self.bids += 1
                    # with two bidders, a bill may come to either
                    self.bill(only_bid(response), turn // 2)
                else:
                    self.refused += 1
                    time.sleep(0.002)
            except (OSError, http.client.HTTPException):
                self.errors += 1
                self.drop(which)
                time.sleep(0.02)

    def drop(self, which: int) -> None:
        _, client = self.clients.pop(which, (0, None))
        if client is not None:
            client.close()

    def client(self, which: int) -> Any:
        port = self.servers[which].bids.port
        if which not in self.clients or self.clients[which][0] != port:
            self.drop(which)
            self.clients[which] = (int(port or 0), self.servers[which].client())
        return self.clients[which][1]

    def bill(self, bid: dict[str, Any], turn: int) -> None:
        price = round(bid["price"] * 0.7, 3)
        while True:
            which = turn % len(self.servers)
            turn += 1
            try:
                status = self.client(which).notice(bid["burl"], price)
            except (OSError, http.client.HTTPException):
                self.errors += 1
                self.drop(which)
                if self.stopping:
                    return
                time.sleep(0.02)
                continue
            if status == 204:
                assert bid["id"] not in self.acknowledged
                self.acknowledged[bid["id"]] = round(price * 1000)
                return
            assert status == 503, status
            if self.stopping:
                return
            time.sleep(0.02)

    def finish(self) -> int:
        """Stop, and the sum of what was acknowledged, micro-units."""
        self.stopping = True
        self.join(60)
        assert not self.is_alive()
        for _, client in self.clients.values():
            client.close()
        return sum(self.acknowledged.values())


@pytest.fixture
def server(bundle_folder: Path, tmp_path: Path) -> Iterator[Served]:
    with Served(bundle_folder, tmp_path, *OPTIONS) as made:
        yield made


def start_load(servers: list[Served], threads: int = 3) -> list[Exchange]:
    load = [Exchange(servers) for _ in range(threads)]
    for exchange in load:
        exchange.start()
    return load


def use_up(load: list[Exchange]) -> None:
    """Bid high until no money is left to bid with."""
    for exchange in load:
        exchange.imp, exchange.refused = RICH, 0
    deadline = time.monotonic() + 30
    while min(exchange.refused for exchange in load) < 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(exchange.refused for exchange in load), "the budget was not used up"


def test_sqlite_survives_kills_under_load(server: Served, tmp_path: Path) -> None:
    load = start_load([server])
    for _ in range(KILLS):
        time.sleep(0.4)
        server.kill()
        server.start()
    time.sleep(0.4)
    use_up(load)
    acknowledged = sum(exchange.finish() for exchange in load)
    server.kill()
    db = sqlite3.connect(tmp_path / "ledger.sqlite")
    booked = dict(db.execute("SELECT key, amount FROM notices"))
    ((budget, settled, debt),) = db.execute("SELECT budget, settled, debt FROM accounts")
    ((held,),) = db.execute("SELECT SUM(held) FROM leases")
    db.close()
    told = {key: amount for exchange in load for key, amount in exchange.acknowledged.items()}
    assert told.items() <= booked.items()
    # a bill that was booked but whose sender stopped before it heard so is no acknowledged one
    unheard = sum(amount for key, amount in booked.items() if key not in told)
    assert settled + debt == sum(booked.values()) == acknowledged + unheard
    assert len(booked) - len(told) <= len(load)
    assert debt == 0
    assert settled + held <= budget == 40 * MICRO
    assert len(told) > 30 * KILLS


def read_redis(server: RedisServer) -> tuple[dict[str, int], dict[str, int]]:
    """The one account and its notices; Redis is empty afterwards."""
    client: Any = redis.Redis(port=server.port, decode_responses=True)
    (name,) = client.keys("bidpilot:*:account")
    account = {k: int(v) for k, v in client.hgetall(name).items()}
    booked = {k: int(v) for k, v in client.hgetall(name.replace(":account", ":notices")).items()}
    client.flushall()
    client.close()
    return account, booked


def test_two_bidders_on_one_redis_survive_kills_under_load(
    bundle_folder: Path,
    tmp_path: Path,
    redis_server: RedisServer,  # noqa: F811
) -> None:
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                Served(bundle_folder, tmp_path / str(k), *OPTIONS, "--redis", redis_server.url, "--bidders", "2")
            )
            for k in range(2)
        ]
        load = start_load(servers)
        for turn in range(KILLS):
            time.sleep(0.4)
            servers[turn % 2].kill()
            servers[turn % 2].start()
        time.sleep(0.4)
        use_up(load)
        acknowledged = sum(exchange.finish() for exchange in load)
    account, booked = read_redis(redis_server)
    told = {key: amount for exchange in load for key, amount in exchange.acknowledged.items()}
    assert told.items() <= booked.items()
    unheard = sum(amount for key, amount in booked.items() if key not in told)
    assert account["settled"] + account["debt"] == sum(booked.values()) == acknowledged + unheard
    assert account["debt"] == 0
    assert account["settled"] + account["held"] <= account["budget"] == 40 * MICRO
    assert len(told) > 30 * KILLS


def test_redis_gone_for_a_while_costs_bids_but_no_money(
    bundle_folder: Path,
    tmp_path: Path,
    redis_server: RedisServer,  # noqa: F811
) -> None:
    """Bids go on from the lease until it is used up, bills are refused and come again, and then all goes on."""
    gone = 10.0 if KILLS >= 20 else 2.0
    with Served(bundle_folder, tmp_path, *OPTIONS, "--redis", redis_server.url) as server:
        load = start_load([server], threads=2)
        time.sleep(1.0)
        redis_server.stop()
        before = sum(len(exchange.acknowledged) for exchange in load)
        with server.client() as client:
            assert client.bid(imp(conversion=0.001))[0] in (200, 204)
            time.sleep(gone)
            assert client.send("GET", "/health")[0] == 200
        during = sum(len(exchange.acknowledged) for exchange in load)
        assert during - before <= len(load)  # nothing is acknowledged that is not durable
        redis_server.start()
        deadline = time.monotonic() + 30
        while sum(len(e.acknowledged) for e in load) < during + 20 and time.monotonic() < deadline:
            time.sleep(0.1)
        use_up(load)
        acknowledged = sum(exchange.finish() for exchange in load)
        assert sum(len(e.acknowledged) for e in load) >= during + 20, "it did not recover by itself"
        assert "ledger_unavailable" in server.text()
    account, booked = read_redis(redis_server)
    told = {key: amount for exchange in load for key, amount in exchange.acknowledged.items()}
    assert told.items() <= booked.items()
    assert account["settled"] + account["debt"] == sum(booked.values())
    assert acknowledged <= account["settled"] <= account["budget"]
    assert account["debt"] == 0


def test_orders_that_were_answered_200_survive_kills_under_load(server: Served) -> None:
    """Killed at the moment of the answer, again and again: budget, pause and kill switch are as was answered."""
    load = start_load([server], threads=1)
    for turn in range(KILLS):
        with server.administrator() as admin:
            assert admin.send("POST", "/admin/campaigns/default/budget", {"budget": 50 + turn})[0] == 200
            if turn % 2:
                assert admin.send("POST", "/admin/kill")[0] == 200
            else:
                assert admin.send("POST", "/admin/campaigns/default/pause")[0] == 200
        server.kill()
        server.start()
        with server.administrator() as admin:
            found = admin.send("GET", "/admin/campaigns")[1]["default"]
            assert (found["campaign"]["budget"], found["paused"]) == (50 + turn, not turn % 2)
            (believed,) = admin.send("GET", "/admin/bidders")[1]["bidders"].values()
            assert believed["killed"] is bool(turn % 2)
            assert admin.send("POST", "/admin/revive")[0] == 200
            assert admin.send("POST", "/admin/campaigns/default/resume")[0] == 200
    for exchange in load:
        exchange.finish()

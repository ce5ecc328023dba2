"""Killed under load, again and again: nothing that was acknowledged is lost, and never more is owed than the budget.

The load bids, tells wins, bills some of them at once and some later, tells losses, and lets bids run out; the budget
changes meanwhile. Three kills each, or as many as BIDPILOT_KILLS says: the continuous integration kills twenty times.
"""

from __future__ import annotations

import http.client
import itertools
import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from bidpilot.serving.ledger.store import MICRO
from tests.serving.ledger.conftest import RedisServer, redis_server  # noqa: F401 - a fixture
from tests.serving.served import Served, imp, only_bid

KILLS = int(os.environ.get("BIDPILOT_KILLS", "3"))
# held long enough that no bid outlives its reservation while a server starts again on a busy machine
OPTIONS = ("--guardrails.slot-share", "1.0", "--bid-expiry", "60", "--grace", "60", "--reconciliation.limit", "1")
CHEAP = imp(exposure=0.05, interaction=0.02, conversion=0.0002)  # the budget lasts through all kills
RICH = imp(exposure=1.0, interaction=1.0, conversion=0.05)  # and is then used up
BUDGET = 40 * MICRO


class Exchange(threading.Thread):
    """Asks for bids and tells what becomes of them; a win or a bill is sent again until it is acknowledged."""

    def __init__(self, servers: list[Served], seed: int) -> None:
        super().__init__(daemon=True)
        self.servers, self.stopping, self.draw = servers, False, random.Random(seed)
        self.imp = CHEAP
        self.ways = ["bill", "win and bill", "win", "win", "loss", "nothing"]
        self.bills: dict[str, int] = {}  # acknowledged, by bid, micro-units
        self.wins: dict[str, int] = {}
        self.waiting: list[dict[str, Any]] = []  # won bids that are to be billed
        self.losses = self.errors = self.refused = 0
        self.clients: dict[int, tuple[int, Any]] = {}

    def run(self) -> None:
        for turn in itertools.count():
            if self.stopping:
                return
            which = turn % len(self.servers)
            try:
                status, response = self.client(which).bid(self.imp)
                if status == 200 and "seatbid" in response:
                    self.tell(only_bid(response))
                else:
                    self.refused += 1
                    time.sleep(0.002)
            except (OSError, http.client.HTTPException):
                self.errors += 1
                self.drop(which)
                time.sleep(0.02)

    def tell(self, bid: dict[str, Any]) -> None:
        """What becomes of a bid, and perhaps the bill of one that was won before; any of the bidders is told."""
        way = self.draw.choice(self.ways)
        if way == "loss":
            self.losses += self.client(self.draw.randrange(len(self.servers))).notice(bid["lurl"]) == 204
        if way.startswith("win") and self.send(bid["nurl"], bid["price"]):
            self.wins[bid["id"]] = round(bid["price"] * 1000)
            self.waiting.append(bid)
        if way == "bill":
            self.bill(bid)
        elif way == "win and bill" or (len(self.waiting) > 1 and self.draw.random() < 0.3):
            self.bill(self.waiting.pop(self.draw.randrange(len(self.waiting))) if self.waiting else bid)

    def bill(self, bid: dict[str, Any]) -> None:
        price = round(bid["price"] * 0.7, 3)
        if self.send(bid["burl"], price):
            assert bid["id"] not in self.bills
            self.bills[bid["id"]] = round(price * 1000)

    def send(self, url: str, price: float) -> bool:
        """Send a notice until it is acknowledged; False where the load is stopped before."""
        while True:
            which = self.draw.randrange(len(self.servers))
            try:
                status = self.client(which).notice(url, price)
                if status == 204:
                    return True
                assert status == 503, status
            except (OSError, http.client.HTTPException):
                self.errors += 1
                self.drop(which)
            if self.stopping:
                return False
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

    def finish(self) -> None:
        """Stop."""
        self.stopping = True
        self.join(60)
        assert not self.is_alive()
        for _, client in self.clients.values():
            client.close()


class Operator(threading.Thread):
    """Changes the budget to and fro, and in the end to what it was."""

    def __init__(self, servers: list[Served]) -> None:
        super().__init__(daemon=True)
        self.servers, self.stopping, self.changes = servers, False, 0

    def run(self) -> None:
        for budget in itertools.cycle((35, 40, 30, 38)):
            if self.stopping:
                return
            self.change(budget)
            time.sleep(0.15)

    def change(self, budget: float) -> bool:
        """Order a budget of every bidder; False where one did not answer."""
        done = True
        for server in self.servers:
            try:
                with server.administrator() as client:
                    status, _ = client.send("POST", "/admin/campaigns/default/budget", {"budget": budget})
                self.changes += status in (200, 202)
                done = done and status in (200, 202)
            except (OSError, http.client.HTTPException):
                done = False
        return done

    def finish(self) -> None:
        """Stop, and give back the whole budget."""
        self.stopping = True
        self.join(60)
        deadline = time.monotonic() + 30
        while not self.change(BUDGET / MICRO):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@dataclass
class Kept:
    """What a ledger has kept of the one account, in micro-units."""

    account: dict[str, int]  # budget, settled, held, debt, won
    bills: dict[str, int]  # by bid
    wins: dict[str, int]  # not billed, by bid
    slots: int  # sum over the slots


def check(kept: Kept, load: list[Exchange]) -> None:
    """All that was acknowledged is there, once, to the micro-unit; and no more is owed than the budget."""
    bills = {key: amount for exchange in load for key, amount in exchange.bills.items()}
    wins = {key: amount for exchange in load for key, amount in exchange.wins.items()}
    assert bills.items() <= kept.bills.items()
    assert {key: amount for key, amount in wins.items() if key not in kept.bills}.items() <= kept.wins.items()
    assert not kept.wins.keys() & kept.bills.keys()
    # what was booked but whose sender was stopped before it heard so is no acknowledged one
    assert len(kept.bills.keys() - bills.keys()) <= len(load)
    assert len(kept.wins.keys() - wins.keys()) <= len(load)
    account = kept.account
    assert account["settled"] + account["debt"] == sum(kept.bills.values())
    assert account["won"] == sum(kept.wins.values())
    assert kept.slots == sum(kept.bills.values()) + sum(kept.wins.values())
    assert account["debt"] == 0
    assert account["budget"] == BUDGET
    assert account["settled"] + account["held"] <= BUDGET  # held: by wins too
    assert min(sum(len(e.wins) for e in load), sum(len(e.bills) for e in load), sum(e.losses for e in load)) > 3 * KILLS


@pytest.fixture
def server(bundle_folder: Path, tmp_path: Path) -> Iterator[Served]:
    with Served(bundle_folder, tmp_path, *OPTIONS) as made:
        yield made


def start_load(servers: list[Served], threads: int = 3) -> list[Exchange]:
    load = [Exchange(servers, seed) for seed in range(threads)]
    for exchange in load:
        exchange.start()
    return load


def use_up(load: list[Exchange]) -> None:
    """Bid high until no money is left to bid with."""
    for exchange in load:
        exchange.imp, exchange.ways = RICH, ["bill", "win and bill", "win"]
    time.sleep(0.1)
    for exchange in load:
        exchange.refused = 0
    deadline = time.monotonic() + 30
    while min(exchange.refused for exchange in load) < 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(exchange.refused for exchange in load), "the budget was not used up"


def test_sqlite_survives_kills_under_load(server: Served, tmp_path: Path) -> None:
    load, operator = start_load([server]), Operator([server])
    operator.start()
    for _ in range(KILLS):
        time.sleep(0.4)
        server.kill()
        server.start()
    time.sleep(0.4)
    operator.finish()
    use_up(load)
    for exchange in load:
        exchange.finish()
    server.kill()
    check(read_sqlite(tmp_path / "ledger.sqlite"), load)
    assert operator.changes > KILLS


def read_sqlite(path: Path) -> Kept:
    db = sqlite3.connect(path)
    names = ("budget", "settled", "debt", "won")
    (row,) = db.execute(f"SELECT {', '.join(names)} FROM accounts")
    account = dict(zip(names, row, strict=True))
    ((leased,),) = db.execute("SELECT SUM(held) FROM leases")
    bills = dict(db.execute("SELECT key, amount FROM notices"))
    wins = dict(db.execute("SELECT key, amount FROM wins"))
    ((slots,),) = db.execute("SELECT SUM(spent) FROM slots")
    db.close()
    return Kept(account | {"held": leased + account["won"]}, bills, wins, slots)


def read_redis(server: RedisServer) -> Kept:
    """Redis is empty afterwards."""
    client: Any = redis.Redis(port=server.port, decode_responses=True)
    (name,) = client.keys("bidpilot:*:account")

    def amounts(part: str) -> dict[str, int]:
        found: dict[str, str] = client.hgetall(name.replace(":account", f":{part}"))
        return {k: int(v) for k, v in found.items()}

    account, bills, wins, leases = amounts("account"), amounts("notices"), amounts("wins"), amounts("leases")
    client.flushall()
    client.close()
    assert account["held"] == account["won"] + sum(leases.values())
    slots = sum(amount for field, amount in account.items() if field.startswith("slot:"))
    return Kept({"debt": 0} | account, bills, wins, slots)


def test_two_bidders_on_one_redis_survive_kills_under_load(
    bundle_folder: Path,
    tmp_path: Path,
    redis_server: RedisServer,  # noqa: F811
) -> None:
    """A bid's notices come to either bidder."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                Served(bundle_folder, tmp_path / str(k), *OPTIONS, "--redis", redis_server.url, "--bidders", "2")
            )
            for k in range(2)
        ]
        load, operator = start_load(servers), Operator(servers)
        operator.start()
        for turn in range(KILLS):
            time.sleep(0.4)
            servers[turn % 2].kill()
            servers[turn % 2].start()
        time.sleep(0.4)
        operator.finish()
        use_up(load)
        for exchange in load:
            exchange.finish()
    check(read_redis(redis_server), load)


@pytest.mark.parametrize("how", ["stopped", "killed", "paused"])
def test_redis_gone_for_a_while_costs_bids_but_no_money(
    how: str,
    bundle_folder: Path,
    tmp_path: Path,
    redis_server: RedisServer,  # noqa: F811
) -> None:
    """Bids go on from the lease until it is used up, wins and bills are refused and come again, and then all goes on.

    A paused Redis does what it was asked when it goes on, though nobody waits for its answers any more.
    """
    away = {"stopped": redis_server.stop, "killed": redis_server.kill, "paused": redis_server.pause}[how]
    back = redis_server.resume if how == "paused" else redis_server.start
    times = 1 if how == "stopped" else KILLS
    gone = 1.0 if how != "stopped" else 10.0 if KILLS >= 20 else 2.0
    with Served(bundle_folder, tmp_path, *OPTIONS, "--redis", redis_server.url) as server:
        load = start_load([server], threads=2)
        for _ in range(times):
            time.sleep(1.0)
            away()
            try:
                before = told(load)
                with server.client() as client:
                    assert client.bid(imp(conversion=0.001))[0] in (200, 204)
                    time.sleep(gone)
                    assert client.send("GET", "/health")[0] == 200
                during = told(load)
            finally:
                back()
            assert during - before <= len(load)  # nothing is acknowledged that is not durable
            deadline = time.monotonic() + 30
            while told(load) < during + 20 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert told(load) >= during + 20, "it did not recover by itself"
        use_up(load)
        for exchange in load:
            exchange.finish()
        assert "ledger_unavailable" in server.text()
    check(read_redis(redis_server), load)


def told(load: list[Exchange]) -> int:
    """Wins and bills that were acknowledged."""
    return sum(len(exchange.wins) + len(exchange.bills) for exchange in load)


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

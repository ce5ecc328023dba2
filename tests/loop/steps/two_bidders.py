"""Two bidders share a day's budget through Redis, and not all goes well.

One is killed at noon with bids under way, one exchange tells wins and never bills, and the budget is cut while the
store is away. No micro-unit is lost, and orders are obeyed: what the ledger has settled is what the exchanges count, to
the millionth, within the budget of before the cut and of after it.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from bidpilot.serving.ledger.redis import RedisStore
from tests.loop.exchange import DAY_SECONDS, Exchange, midnight, money
from tests.loop.room import JointBroken, Room
from tests.loop.source import MICRO, SLOTS
from tests.serving.ledger.conftest import RedisServer
from tests.serving.served import Client, Served

CAMPAIGN = "default"
TOKENS = {"billing": "billing-billing-billing", "silent": "silent-silent-silent"}
_NOON, _AWAY = SLOTS // 2, 3 * SLOTS // 4  # slots
_HELD = 6  # auctions whose bids are under way when a bidder is killed, or the store goes
_SPENT = 0.9  # of the budget: more than was spent when it was cut
_SETTLING = (0.5, 3.0)  # seconds into a slot: both have told of the last one; a bidder that is gone was waited for
_OPTIONS = ("--clock", "manual", "--bidders", "2", "--guardrails.slot-share", "1", "--guardrails.patience", "60")


def run(room: Room) -> None:
    """Walk a day with two bidders over Redis; where there is no Redis, say so."""
    if shutil.which("redis-server") is None:
        room.tell("not walked: redis-server is not installed (apt-get install redis-server)")
        return
    folder = room.path("two")
    (folder / "redis").mkdir(parents=True)
    exchanges = {
        name: {"token": token, "settle_on": "win" if name == "silent" else "bill"} for name, token in TOKENS.items()
    }
    (folder / "exchanges.json").write_text(json.dumps(exchanges))
    store = RedisServer(folder / "redis")
    options = (*_OPTIONS, "--redis", store.url, "--exchanges", str(folder / "exchanges.json"))
    try:
        with ExitStack() as stack:
            first, second = (
                stack.enter_context(Served(room.path("bundles/first"), folder / name, *options)) for name in ("a", "b")
            )
            _Day(room, store, first, second).walk()
    finally:
        store.resume()
        store.stop()


class _Day:
    """The last of the days that are served, and who takes part in it."""

    def __init__(self, room: Room, store: RedisServer, first: Served, second: Served) -> None:
        self.room, self.store, self.first, self.second = room, store, first, second
        source = room.sources["served"]
        self.day, self.budget = source.days[-1], source.budget
        of_day = source.auctions.filter(source.auctions["day"] == self.day)
        self.slots = [of_day.filter(of_day["slot"] == slot).to_dicts() for slot in range(SLOTS)]
        self.admins = [server.administrator() for server in (first, second)]
        self.exchanges = [
            Exchange(_client(server, name), admin, room.rng, by_win=name == "silent")
            for server, admin, name in zip((first, second), self.admins, TOKENS, strict=True)
        ]

    def walk(self) -> None:
        for slot, auctions in enumerate(self.slots):
            self.begin(slot)
            if slot == _NOON:
                self.kill_second(auctions[:_HELD])
            if slot == _AWAY:
                self.cut_while_away(auctions[:_HELD])
            held = _HELD if slot in (_NOON, _AWAY) else 0
            for k, exchange in enumerate(
                self.exchanges
            ):  # every other auction comes from the one that tells wins alone
                exchange.play_slot(auctions[held + k :: 2], rough=False)
            self.check_money(f"{self.day} slot {slot}")
        self.check_bids()
        self.kill_all()

    def check_bids(self) -> None:
        """Both exchanges have sold before noon and after it, and what the cut left was spent."""
        for name, exchange in zip(TOKENS, self.exchanges, strict=True):
            won = [entry["slot"] for entry in exchange.entries if entry["cost"]]
            both = any(slot < _NOON for slot in won) and any(slot > _NOON for slot in won)
            self.room.holds(f"two bidders -> {name} exchange: wins before and after noon", both, f"won in slots {won}")
        share = self.settled() / MICRO / self.budget
        self.room.holds("two bidders: the budget that the cut left is spent", share > _SPENT, f"{share:.1%} of it")
        self.room.tell(f"{share:.2%} of what the cut left is spent")

    def begin(self, slot: int) -> None:
        """Begin a slot at all bidders, and let them hear of each other."""
        for seconds in (0.0, *_SETTLING):
            for admin in self.admins:
                now = midnight(self.day) + slot * DAY_SECONDS / SLOTS + seconds
                status, answer = admin.send("POST", "/admin/clock", {"now": now})
                self.room.holds("exchange -> two bidders: the clock", status == 200, f"{status} {answer}")

    def kill_second(self, auctions: list[dict[str, Any]]) -> None:
        """Kill a bidder that has bids under way; what came of them is told to the other one."""
        silent = self.exchanges[1]
        silent.hold(auctions)
        self.second.kill()
        self.admins = self.admins[:1]
        silent.bidder, silent.admin = _client(self.first, "silent"), self.admins[0]
        won = silent.settle_held()
        self.room.tell(
            f"{won} of {len(auctions)} bids of the bidder that was killed had won, and were told to the other"
        )

    def cut_while_away(self, auctions: list[dict[str, Any]]) -> None:
        """Cut the budget to half of what is left while the store does not answer; bids are under way meanwhile."""
        admin, billing = self.admins[0], self.exchanges[0]
        left = self.budget - self.settled() / MICRO
        self.budget = round(self.budget - left / 2, 2)
        self.store.pause()
        try:
            status, answer = admin.send("POST", f"/admin/campaigns/{CAMPAIGN}/budget", {"budget": self.budget})
            self.room.same("order -> bidder: while the store is away", (status, answer["durable"]), (202, False))
            self.room.same("order -> bidder: obeyed at once", answer["campaign"]["budget"], self.budget)
            billing.hold(auctions)
        finally:
            self.store.resume()
        self.until(
            "order -> store: durable when it is back", lambda: self.account().budget == round(self.budget * MICRO)
        )
        billing.settle_held()

    def kill_all(self) -> None:
        """Stop all bidding: whoever is alive obeys."""
        admin = self.admins[0]
        status, answer = admin.send("POST", "/admin/kill")
        self.room.same("kill -> bidders: answered", (status, answer["killed"]), (202, True))  # the dead one does not
        asked = self.exchanges[0].bidder.bid()
        self.room.same("kill -> bidders: no bid", asked[0], 204)

    def settled(self) -> int:
        """What the exchanges are owed, micro-units."""
        return sum(entry["cost"] for exchange in self.exchanges for entry in exchange.entries)

    def account(self) -> Any:
        """The day's account as the store has it."""
        ledger = RedisStore(self.store.url)
        try:
            return ledger.state(f"{CAMPAIGN}@{self.day}")
        finally:
            ledger.close()

    def check_money(self, when: str) -> None:
        """What is settled in the store is what the exchanges count, nothing is owed beyond, and the budget holds."""
        found, owed, budget = self.account(), self.settled(), round(self.budget * MICRO)
        self.room.same(
            "bills and wins -> ledger: settled, debt, won",
            (when, found.settled, found.debt, found.won),
            (when, owed, 0, 0),
        )
        self.room.holds(
            "bills and wins -> ledger: within the budget",
            owed <= budget == found.budget,
            f"{when}: {owed} of {budget}, {found}",
        )
        told = money(self.admins[0].send("GET", "/admin/campaigns")[1][CAMPAIGN])
        self.room.same("ledger -> administration: debt", (when, told["debt"]), (when, 0))

    def until(self, joint: str, fact: Callable[[], bool]) -> None:
        for _ in range(400):
            if fact():
                self.room.holds(joint, True, "")
                return
            time.sleep(0.025)
        raise JointBroken(f"{joint}: not within ten seconds")


def _client(server: Served, exchange: str) -> Client:
    """A connection of an exchange to a bidder."""
    return Client(str(server.bids.hostname), int(server.bids.port or 0), TOKENS[exchange])

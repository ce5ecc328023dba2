"""Orders: in force at once, written until they are durable, in order, and the same on all bidders in the end."""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.guardrails import Cause, EventLog
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import Order
from bidpilot.serving.orders import EVERY, Orders
from bidpilot.serving.reach import ALIVE, Reach


class Away(SqliteStore):
    """A store that fails so many calls, before or after they were carried out; `shared` as it is told."""

    failing, after = 0, False
    error: Exception = LedgerUnavailable("away")

    def order(self, name: str, text: str) -> int:
        return int(self._maybe(lambda: super(Away, self).order(name, text)))

    def orders(self, since: int) -> list[Order]:
        return list(self._maybe(lambda: super(Away, self).orders(since)))

    def acknowledge(self, bidder: str, version: int, what: str) -> None:
        self._maybe(lambda: super(Away, self).acknowledge(bidder, version, what))

    def _maybe(self, call: Callable[[], Any]) -> Any:
        if not self.failing:
            return call()
        self.failing -= 1
        if self.after:
            call()
        raise self.error


class One:
    """One bidder's orders, and what it takes to hold."""

    def __init__(self, store: Away, name: str, clock: Callable[[], float]) -> None:
        self.holds: dict[str, str] = {}
        self.told: list[set[str]] = []
        self.clock, self.now = clock, 0.0
        self.events = EventLog(clock)
        self.orders = Orders(
            Keeper(store),
            name,
            self.obey,
            lambda: json.dumps(self.holds),
            self.events,
            lambda text: float(json.loads(text)[0]),
            lambda: self.now,
        )
        self.orders.load()

    def obey(self, names: set[str]) -> None:
        self.told.append(names)
        for name in names:
            order = self.orders.get(name)
            assert order is not None
            self.holds[name] = order.text

    def give(self, name: str, word: str) -> Any:
        text = json.dumps([self.clock(), word])
        self.holds[name] = text
        return self.orders.give({name: text})[0]

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.orders.tend()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Away]:
    made = Away(tmp_path / "ledger.sqlite", lambda: 0.0)
    yield made
    made.close()


@pytest.fixture
def shared(store: Away) -> Away:
    store.shared = True
    return store


ERRORS = [
    LedgerUnavailable("the database is locked"),
    OSError(28, "No space left on device"),
    MemoryError(),
    OverflowError("Python int too large to convert to SQLite INTEGER"),
]


@pytest.mark.parametrize("after", [False, True], ids=["refused", "answer lost"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_an_order_is_written_again_until_it_is_durable(store: Away, error: Exception, after: bool) -> None:
    one = One(store, "a", ManualClock(5.0))
    store.failing, store.error, store.after = 9, error, after
    heard: list[str] = []
    given = one.give("kill", "on")
    given.when_durable(lambda: heard.append("durable"))
    assert given.version is None
    assert one.orders.pending == [given]
    waited = 0.0
    while given.version is None and waited < 60:
        one.wait(0.05)
        waited += 0.05
    assert store.orders(0) == [Order(given.version or 0, "kill", given.text)]
    assert heard == ["durable"]
    assert one.orders.pending == []
    # 0.05, 0.1, 0.2, ... and then once a second
    assert waited < 9 * 1.0 + 0.5
    assert one.events.counts[Cause.order_late] == 1  # said once, not at every attempt


def test_a_store_that_is_back_is_asked_within_a_second(store: Away) -> None:
    one = One(store, "a", ManualClock())
    store.failing = 10**6
    one.give("kill", "on")
    for _ in range(2000):
        one.wait(0.05)
    store.failing = 0
    for _ in range(20):
        one.wait(0.05)
    assert [order.name for order in store.orders(0)] == ["kill"]


def test_of_orders_of_one_name_that_wait_the_last_is_written_and_all_hear_so(store: Away) -> None:
    one = One(store, "a", ManualClock())
    store.failing = 1
    heard: list[str] = []
    for word in ("on", "off", "on again"):
        one.give("kill", word).when_durable(lambda word=word: heard.append(word))
    other = one.give("campaign/x", "5")
    assert [pending.name for pending in one.orders.pending] == ["kill", "campaign/x"]
    one.wait(1.0)
    assert heard == ["on", "off", "on again"]
    assert [(order.name, json.loads(order.text)[1]) for order in store.orders(0)] == [
        ("kill", "on again"),
        ("campaign/x", "5"),
    ]
    assert other.version == 2  # two writes, not four


def test_an_order_reaches_every_bidder_at_its_next_look(shared: Away) -> None:
    clock = ManualClock(5.0)
    bidders = [One(shared, name, clock) for name in "abc"]
    given = bidders[0].give("kill", "on")
    assert given.version == 1
    for one in bidders[1:]:
        one.wait(EVERY)
        assert one.holds == bidders[0].holds
    assert {name: seen.version for name, seen in shared.bidders().items()} == {"a": 1, "b": 1, "c": 1}
    bidders[2].orders.farewell()
    assert list(shared.bidders()) == ["a", "b"]


def test_a_bidder_acknowledges_only_what_it_obeys(shared: Away) -> None:
    first, second = One(shared, "a", ManualClock()), One(shared, "b", ManualClock())
    first.give("kill", "on")
    assert shared.bidders()["b"].version == 0
    seen: list[int] = []
    obey = second.obey

    def watched(names: set[str]) -> None:
        seen.append(shared.bidders()["b"].version)
        obey(names)

    second.orders._obey = watched
    second.wait(EVERY)
    assert seen == [0]
    assert shared.bidders()["b"].version == 1


def test_an_order_that_comes_late_does_not_undo_a_later_one(shared: Away, tmp_path: Path) -> None:
    """One bidder is cut off with an order of 12:00; at 12:01 the opposite is ordered of another."""
    clock = ManualClock(43_200.0)
    cut, other = One(shared, "cut", clock), One(shared, "other", clock)
    shared.failing = 10**6
    late = cut.give("kill", "off")
    shared.failing = 0
    clock.move(43_260.0)
    other.give("kill", "on")
    for _ in range(30):
        cut.wait(0.05)
        other.wait(0.05)
    assert json.loads(cut.holds["kill"])[1] == json.loads(other.holds["kill"])[1] == "on"
    assert late.version is not None
    assert cut.orders.pending == []
    assert cut.events.counts[Cause.order_late] == 2  # not durable, and then given up


def test_an_order_that_waits_does_not_undo_a_later_one_that_was_heard_of_meanwhile(shared: Away) -> None:
    clock = ManualClock(43_200.0)
    cut, other = One(shared, "cut", clock), One(shared, "other", clock)
    shared.failing = 10**6
    cut.give("kill", "off")
    shared.failing = 0
    clock.move(43_260.0)
    other.give("kill", "on")
    cut.orders._again = math.inf  # it looks, and does not write yet
    cut.wait(EVERY)
    assert json.loads(cut.holds["kill"])[1] == "off"
    cut.orders._again = -math.inf
    for _ in range(30):
        cut.wait(0.05)
        other.wait(0.05)
    assert json.loads(cut.holds["kill"])[1] == json.loads(other.holds["kill"])[1] == "on"
    assert cut.orders.pending == []


class Fleet(RuleBasedStateMachine):
    """Three bidders, a store that comes and goes, answers that are lost: in the end all hold what was ordered last."""

    @initialize()
    def begin(self) -> None:
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.store = Away(Path(self.folder.name) / "ledger.sqlite", lambda: 0.0)
        self.store.shared = True
        self.clock = ManualClock(1.0)
        self.bidders = {name: One(self.store, name, self.clock) for name in "abc"}
        self.last: dict[str, str] = {}
        self.given: list[Any] = []

    @rule(bidder=st.sampled_from("abc"), name=st.sampled_from(["kill", "x", "y"]), word=st.text("ab", max_size=3))
    def order(self, bidder: str, name: str, word: str) -> None:
        self.clock.move(self.clock() + 1.0)
        one = self.bidders[bidder]
        self.given.append(one.give(name, word))
        self.last[name] = self.given[-1].text
        assert one.holds[name] == self.given[-1].text  # at once, whatever the store does

    @rule(calls=st.integers(0, 4), after=st.booleans())
    def lose(self, calls: int, after: bool) -> None:
        self.store.failing, self.store.after = calls, after

    @rule(bidder=st.sampled_from("abc"), seconds=st.floats(0, 2))
    def wait(self, bidder: str, seconds: float) -> None:
        self.bidders[bidder].wait(seconds)

    @rule(bidder=st.sampled_from("abc"))
    def restart(self, bidder: str) -> None:
        """A restart finds all that was durable, of whomever."""
        self.store.failing = 0
        if not self.bidders[bidder].orders.pending:
            self.bidders[bidder] = One(self.store, bidder, self.clock)
            one = self.bidders[bidder]
            one.holds = {order.name: order.text for order in self.store.orders(0)}

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        self.store.failing = 0
        for _ in range(4):
            for one in self.bidders.values():
                one.wait(1.0)
        for one in self.bidders.values():
            assert one.holds == self.last
            assert not one.orders.pending
        assert {order.name: order.text for order in self.store.orders(0)} == self.last
        assert all(given.version is not None for given in self.given)
        versions = [seen.version for seen in self.store.bidders().values()]
        assert versions == [max((order.version for order in self.store.orders(0)), default=0)] * 3
        self.store.close()
        self.folder.cleanup()


Fleet.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestFleet = Fleet.TestCase


# --- what is answered ----------------------------------------------------------------------------


def follow(one: One, given: list[Any], *others: One, reached: float = 0.3) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async def tick() -> None:
            while True:
                for each in (one, *others):
                    each.wait(0.05)
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        try:
            return await Reach(one.orders, durable=0.1, reached=reached).follow(given)
        finally:
            ticking.cancel()

    return asyncio.run(run())


def test_an_answer_says_whether_an_order_is_durable(store: Away) -> None:
    one = One(store, "a", ManualClock())
    assert follow(one, [one.give("kill", "on")]) == {"durable": True}
    store.failing = 10**6
    given = [one.give("kill", "off")]
    assert follow(one, given) == {"durable": False}
    store.failing = 0
    assert follow(one, given) == {"durable": True}  # asked again some time later
    assert follow(one, []) == {"durable": True}


def test_an_answer_says_who_obeys_and_who_does_not(shared: Away) -> None:
    one, other = One(shared, "a", ManualClock()), One(shared, "b", ManualClock())
    assert follow(one, [one.give("kill", "on")], other) == {"durable": True, "reached": ["a", "b"], "missing": []}
    assert follow(one, [one.give("kill", "off")]) == {"durable": True, "reached": ["a"], "missing": ["b"]}
    other.orders.farewell()
    assert follow(one, [one.give("kill", "on")]) == {"durable": True, "reached": ["a"], "missing": []}


def test_a_bidder_that_is_silent_counts_as_missing_until_its_lease_has_run_out(shared: Away) -> None:
    """It may be cut off and bid from its lease: only then can it not, and only then is the answer that all obey."""
    now = [0.0]
    shared._roll._monotonic = lambda: now[0]
    one, _ = One(shared, "a", ManualClock()), One(shared, "silent", ManualClock())
    for age, missing in ((6.0, ["silent"]), (ALIVE - 0.1, ["silent"]), (ALIVE, [])):
        now[0] = age
        assert follow(one, [one.give("kill", f"{age}")])["missing"] == missing


def test_who_obeys_is_not_known_where_the_store_does_not_say(shared: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    one = One(shared, "a", ManualClock())
    given = [one.give("kill", "on")]

    def away() -> None:
        raise LedgerUnavailable("away")

    monkeypatch.setattr(shared, "bidders", away)
    assert follow(one, given) == {"durable": True, "reached": ["a"], "missing": None}

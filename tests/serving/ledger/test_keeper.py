"""The keeper: settlements that wait together share one call, in order; a store that is away answers None."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import redis

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.ledger.keeper import STUCK, Keeper, Work
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import AccountState, Booked, Settlement


class Recording(SqliteStore):
    """Tells the sizes of batches; waits for `gate`; fails while `down`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, lambda: 0.0)
        self.batches: list[int] = []
        self.entered, self.gate, self.down = threading.Event(), threading.Event(), False
        self.gate.set()

    def settle(self, batch: Sequence[Settlement]) -> list[Booked]:
        self.entered.set()
        assert self.gate.wait(10)
        if self.down:
            raise LedgerUnavailable("down")
        self.batches.append(len(batch))
        return super().settle(batch)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Recording]:
    made = Recording(tmp_path / "ledger.sqlite")
    made.open("c", 100)
    made.lease("c", "a", 100, 1000.0)
    yield made
    made.close()


def bill(key: str, amount: int) -> Settlement:
    return Settlement(key, "c", "a", amount, float("inf"))


def test_without_a_thread_a_call_is_made_before_it_returns(store: Recording) -> None:
    keeper = Keeper(store)
    told: list[object] = []
    keeper.settle(bill("k", 30), told.append)
    keeper.settle(bill("k", 30), told.append)
    keeper.run(lambda s: s.state("c"), told.append)
    assert told == [Booked.settled, Booked.duplicate, AccountState(100, 30, 70, 0)]
    assert store.batches == [1, 1]


def test_a_store_that_is_away_answers_none_and_the_rest_goes_on(store: Recording) -> None:
    keeper = Keeper(store)
    told: list[object] = []
    store.down = True
    keeper.settle(bill("k", 30), told.append)
    store.down = False
    keeper.settle(bill("k", 30), told.append)
    assert told == [None, Booked.settled]


UNFORESEEN = [
    OverflowError("Python int too large to convert to SQLite INTEGER"),
    sqlite3.DataError("string or blob too big"),
    redis.ResponseError("OOM command not allowed"),
    MemoryError(),
    ZeroDivisionError("by zero"),
    KeyError("account"),
]


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda e: type(e).__name__)
def test_whatever_a_call_raises_is_an_answer_and_an_event_and_the_next_call_is_made(
    store: Recording, error: Exception, threaded: bool
) -> None:
    def broken(_: object) -> object:
        raise error

    keeper = Keeper(store)
    told: list[object] = []
    failed: list[str] = []
    keeper.on_failed = failed.append
    if threaded:
        keeper.start()
    keeper.run(broken, told.append)
    keeper.stop()
    assert told == [None]
    assert failed == [f"{type(error).__name__}: {error}"]
    assert not keeper.well
    if threaded:
        keeper = Keeper(store)
        keeper.start()
    keeper.run(lambda s: s.state("c"), told.append)
    keeper.stop()
    assert told[1] == AccountState(100, 0, 100, 0)
    assert keeper.well


def test_a_settlement_that_cannot_be_booked_keeps_no_other_from_it(store: Recording) -> None:
    """Three come together and SQLite cannot hold the second's amount."""
    told: list[object] = []
    failed: list[str] = []
    keeper = Keeper(store)
    keeper.on_failed = failed.append
    store.gate.clear()
    keeper.start()
    keeper.settle(bill("first", 1), told.append)
    assert store.entered.wait(10)
    for key, amount in (("k1", 1), ("k2", 10**30), ("k3", 3)):
        keeper.settle(bill(key, amount), told.append)
    store.gate.set()
    keeper.stop()
    assert told == [Booked.settled, Booked.settled, None, Booked.settled]
    assert len(failed) == 1
    assert store.state("c") == AccountState(100, 5, 95, 0)


def test_results_that_cannot_be_delivered_do_not_end_the_thread(store: Recording) -> None:
    """The loop that results go to may be gone for a moment, or for good."""
    told: list[object] = []
    broken = [True]

    def deliver(results: Sequence[Work]) -> None:
        if broken.pop() if broken else False:
            raise RuntimeError("Event loop is closed")
        for result in results:
            result()

    keeper = Keeper(store, deliver)
    keeper.start()
    keeper.run(lambda s: s.state("c"), told.append)
    while broken:
        time.sleep(0.001)
    keeper.run(lambda s: s.state("nobody"), told.append)
    keeper.stop()
    assert told == [None]  # the second's answer: there is no such account


def test_the_age_is_that_of_the_oldest_entry_without_an_answer(store: Recording) -> None:
    now = [100.0]
    keeper = Keeper(store, monotonic=lambda: now[0])
    assert keeper.age == 0.0
    store.gate.clear()
    keeper.start()
    keeper.settle(bill("k1", 1), lambda _: None)
    assert store.entered.wait(10)
    now[0] += 3.0
    keeper.settle(bill("k2", 1), lambda _: None)
    now[0] += STUCK - 3.0
    assert keeper.age == STUCK
    assert not keeper.well  # nothing has failed, but nothing is answered
    store.gate.set()
    keeper.stop()
    assert keeper.age == 0.0
    assert keeper.well


def test_settlements_that_wait_share_a_commit_and_results_keep_their_order(store: Recording) -> None:
    """The first is under way while two more, a call and a fourth come in: batches of 1, 2 and 1."""
    told: list[object] = []
    delivered: list[int] = []

    def deliver(results: Sequence[Work]) -> None:
        delivered.append(len(results))
        for result in results:
            result()

    keeper = Keeper(store, deliver)
    store.gate.clear()
    keeper.start()
    keeper.settle(bill("k1", 1), told.append)
    assert store.entered.wait(10)
    keeper.settle(bill("k2", 2), told.append)
    keeper.settle(bill("k2", 2), told.append)
    keeper.run(lambda s: s.state("c"), told.append)
    keeper.settle(bill("k3", 95), told.append)
    store.gate.set()
    keeper.stop()
    assert store.batches == [1, 2, 1]
    assert told == [Booked.settled, Booked.settled, Booked.duplicate, AccountState(100, 3, 97, 0), Booked.settled]
    assert sum(delivered) == 5


def test_in_a_pause_settlements_come_together(store: Recording) -> None:
    keeper, first = Keeper(store, pause=0.2), threading.Event()
    told: list[object] = []
    keeper.start()
    keeper.settle(bill("k0", 1), lambda _: first.set())
    assert first.wait(10)
    for k in range(1, 4):
        keeper.settle(bill(f"k{k}", 1), told.append)
        time.sleep(0.01)
    keeper.stop()
    assert store.batches == [1, 3]
    assert told == [Booked.settled] * 3


def test_what_is_available_is_what_is_neither_settled_nor_held() -> None:
    assert AccountState(budget=100, settled=30, held=50, debt=7).available == 20
    assert AccountState(budget=50, settled=30, held=50, debt=0).available == 0

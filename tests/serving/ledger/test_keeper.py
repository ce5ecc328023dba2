"""The keeper: settlements that wait together share one call, in order; a store that is away answers None."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.ledger.keeper import Keeper, Work
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


def test_an_error_that_is_not_the_stores_absence_is_not_swallowed(store: Recording) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Keeper(store).run(broken, print)


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
    assert sum(delivered) == 6  # and the one that stops the thread


def test_what_is_available_is_what_is_neither_settled_nor_held() -> None:
    assert AccountState(budget=100, settled=30, held=50, debt=7).available == 20
    assert AccountState(budget=50, settled=30, held=50, debt=0).available == 0

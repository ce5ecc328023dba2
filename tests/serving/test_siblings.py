"""What one worker hears of another's bid reaches that one: money, statistics and log are as if it had heard itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.ledger.machine import SOCKET, MachineLedger
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.notices import Ticket
from bidpilot.serving.place import Place
from bidpilot.serving.siblings import Siblings, read
from bidpilot.serving.told import Told

NOON = 1_790_000_000.0 // 86_400 * 86_400 + 43_200
OPPORTUNITY = Opportunity((0.6, 0.2, 0.004), 0)


@dataclass
class Pair:
    """Two workers on one ledger, with the link between them in this thread."""

    clock: ManualClock
    workers: list[Bidder]
    store: SqliteStore

    def bid(self, which: int) -> Ticket:
        made = self.workers[which].bid(OPPORTUNITY)
        assert isinstance(made, Bid)
        return made.ticket

    def pass_on(self) -> None:
        for worker in self.workers:
            siblings = worker.booking.siblings
            assert siblings is not None
            siblings.flush()

    def wait(self, seconds: float) -> None:
        self.clock.move(self.clock() + seconds)
        for worker in self.workers:
            worker.tick()

    def held(self) -> int:
        """What the workers believe their leases hold, micro-units."""
        return sum(d.wallet.free + d.wallet.promised - d.wallet.won for w in self.workers for d in w.days.values())

    def leased(self) -> int:
        """What they do hold."""
        (amount,) = self.store._db.execute("SELECT SUM(held) FROM leases").fetchone()
        return int(amount)


def open_pair(bundle: Path, folder: Path) -> Iterator[Pair]:
    clock = ManualClock(NOON)
    store = SqliteStore(folder / "ledger.sqlite", clock)
    ledger = MachineLedger(store, folder / SOCKET)
    ledger.start()
    places = [Place(index, 2, folder / SOCKET) for index in range(2)]
    config = ServeConfig(bundle=bundle, state=folder, decisions=folder / "log", traffic_filter=False)
    workers = [open_bidder(config, clock, place=place) for place in places]
    by_prefix = {worker.prefix: worker for worker in workers}

    def send(prefix: str, body: bytes) -> None:
        for passed in read(body):
            by_prefix[prefix].booking.hear(passed)

    for worker in workers:
        worker.booking.siblings = siblings = Siblings(send, lambda *_: None)
        siblings.know(prefix for prefix in by_prefix if prefix != worker.prefix)
    yield Pair(clock, workers, store)
    for worker in workers:
        worker.close()
    ledger.stop()


@pytest.fixture
def pair(bundle_folder: Path, tmp_path: Path) -> Iterator[Pair]:
    yield from open_pair(bundle_folder, tmp_path)


def logged(folder: Path) -> dict[str, tuple[str, float]]:
    """Result and cost of each bid that was logged."""
    frames = [pl.read_parquet(path) for path in (folder / "log").glob("decisions-*.parquet")]
    rows = [row for frame in frames for row in frame.filter(pl.col("key") != "").iter_rows(named=True)]
    assert len({row["key"] for row in rows}) == len(rows)
    return {row["key"]: (row["result"], row["cost"]) for row in rows}


def test_a_loss_told_to_another_worker_frees_the_money_at_once(pair: Pair) -> None:
    maker, hearer = pair.workers
    ticket = pair.bid(0)
    before = maker.days["default"].wallet.free
    hearer.loss(ticket, 0.01)
    pair.pass_on()
    wallet = maker.days["default"].wallet
    assert (wallet.promised, wallet.free) == (0, before + ticket.amount)
    assert (maker.notices["loss"], hearer.notices["loss"]) == (1, 0)
    assert pair.held() == pair.leased()


def test_a_bill_told_to_another_worker_is_the_makers_win(pair: Pair, tmp_path: Path) -> None:
    """Its rest is free at once, the maker's slot counts it and the other's does not, and the log has its price."""
    maker, hearer = pair.workers
    ticket = pair.bid(0)
    free = maker.days["default"].wallet.free
    hearer.bill(ticket, ticket.amount / MICRO / 2)
    pair.pass_on()
    wallet = maker.days["default"].wallet
    assert (wallet.promised, wallet.free) == (0, free + ticket.amount - round(ticket.amount / 2))
    assert pair.held() == pair.leased()
    won = [float(w.days["default"].collector.totals().wins.sum()) for w in pair.workers]
    assert won[0] > won[1] == 0.0
    for worker in pair.workers:
        if worker.decisions is not None:
            worker.decisions.close()
    assert logged(tmp_path)[ticket.key] == ("won", round(ticket.amount / 2) / MICRO)


def test_a_win_told_to_another_worker_holds_the_makers_money_beyond_the_bids_expiry(pair: Pair) -> None:
    maker, hearer = pair.workers
    ticket = pair.bid(0)
    hearer.win(ticket)
    pair.pass_on()
    wallet = maker.days["default"].wallet
    assert wallet.won == wallet.promised == ticket.amount
    pair.wait(1800.0)
    assert wallet.promised == ticket.amount
    maker.bill(ticket, ticket.amount / MICRO)
    assert wallet.promised == 0
    state = pair.store.state(ticket.account)
    assert state is not None
    assert (state.settled, state.won, state.debt) == (ticket.amount, 0, 0)


def test_an_event_counts_once_whichever_workers_it_is_told_to(pair: Pair) -> None:
    maker, hearer = pair.workers
    ticket = pair.bid(0)
    for worker in (hearer, maker, hearer):
        worker.outcome(ticket, Told("convert"))
        pair.pass_on()
    assert maker.notices["event_repeated"] == 2
    assert not any(name.startswith("event") for name in hearer.notices)


def test_of_a_worker_that_has_ended_the_others_book_what_they_hear_themselves(pair: Pair) -> None:
    maker, hearer = pair.workers
    ticket = pair.bid(0)
    assert hearer.booking.siblings is not None
    hearer.booking.siblings.know([])
    hearer.bill(ticket, ticket.amount / MICRO)
    hearer.outcome(ticket, Told("convert"))
    assert float(hearer.days["default"].collector.totals().wins.sum()) > 0
    assert hearer.notices["event"] == 1
    assert maker.days["default"].wallet.promised == ticket.amount  # until it runs out, and the ledger tells


def test_what_was_not_passed_on_is_found_in_the_ledger_when_it_runs_out(pair: Pair, tmp_path: Path) -> None:
    """The other worker was killed in between: the price is known all the same, and the log calls it a win."""
    maker, hearer = pair.workers
    ticket, lost = pair.bid(0), pair.bid(0)
    hearer.bill(ticket, ticket.amount / MICRO / 2)
    pair.wait(61.0)
    assert maker.days["default"].wallet.promised == 0
    assert pair.held() == pair.leased()
    for worker in pair.workers:
        if worker.decisions is not None:
            worker.decisions.close()
    found = logged(tmp_path)
    assert found[ticket.key] == ("won", round(ticket.amount / 2) / MICRO)
    assert found[lost.key] == ("expired", 0.0)


KINDS = ["bid", "bill", "loss", "win", "pass", "wait"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 1),
        st.integers(0, 30),
        st.floats(0, 1),
    ),
    max_size=40,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whoever_hears_what_the_workers_know_what_they_hold(
    bundle_folder: Path, steps: list[tuple[str, int, int, float]]
) -> None:
    """Beliefs and leases agree once leases are renewed, each bill is booked once, and the budget is never passed.

    Also where an exchange tells a loss here and a bill there, or two prices of one bid.
    """
    shared = Path("/dev/shm")  # commits that need not outlive the test
    folder = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
    for pair in open_pair(bundle_folder, folder):
        tickets: list[Ticket] = []
        paid: dict[str, int] = {}
        for step, which, k, share in steps:
            worker, ticket = pair.workers[which], tickets[k % len(tickets)] if tickets else None
            if step == "bid":
                made = worker.bid(OPPORTUNITY)
                if isinstance(made, Bid):
                    tickets.append(made.ticket)
            elif step == "wait":
                pair.wait(20 * share)
            elif step == "pass":
                pair.pass_on()
            elif ticket is not None and step == "bill":
                price = int(share * ticket.amount) / MICRO
                paid.setdefault(ticket.key, round(price * MICRO))
                worker.bill(ticket, price)
            elif ticket is not None and step == "loss" and ticket.key not in paid:
                worker.loss(ticket)
            elif ticket is not None and step == "win":
                worker.win(ticket)
        pair.pass_on()
        pair.wait(61.0)  # leases are renewed: whatever contradicted itself is put right
        assert pair.held() == pair.leased()
        state = pair.store.state(f"default@{pair.workers[0].moment.date}")
        assert state is not None
        assert state.settled + state.debt == sum(paid.values())
        assert state.settled + state.held <= state.budget + sum(t.amount for t in tickets)
    shutil.rmtree(folder)

"""Whatever happens and in whatever order: settled and held stay within the budget, and nothing is booked twice."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.guardrails import Cause, EventLog
from bidpilot.serving.ledger.chunk import Chunk
from bidpilot.serving.ledger.keeper import Keeper, Work
from bidpilot.serving.ledger.reservations import WalletConfig
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import Booked, Grant, Held, Settlement, Win
from bidpilot.serving.ledger.wallet import Wallet

CONFIG = WalletConfig(chunk=40, hold=10.0, slack=6.0)


OPENED: list[SqliteStore] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def make_wallet(folder: Path, clock: ManualClock, budget: int = 100, config: WalletConfig = CONFIG) -> Wallet:
    OPENED.append(SqliteStore(folder / "ledger.sqlite", clock))
    wallet = Wallet("c", budget, Keeper(OPENED[-1]), clock, config, EventLog(clock))
    wallet.tend(clock())
    return wallet


class Money(RuleBasedStateMachine):
    """Bids, notices in time and late, repeated and contradictory ones, time passing, kills, changed budgets.

    A win that was told in time is money that is known to be owed: it is never free, and its bill is never debt.
    """

    @initialize(budget=st.integers(0, 300))
    def begin(self, budget: int) -> None:
        memory = Path("/dev/shm")  # thousands of commits, none of which must outlive the test
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.clock = ManualClock(1000.0)
        self.budget = budget
        self.wallet = make_wallet(Path(self.folder.name), self.clock, budget)
        self.bids: list[tuple[str, str, int, float]] = []  # key, lease, amount, expires
        self.paid: dict[str, int] = {}
        self.won: dict[str, int] = {}  # bids that are known to have won, and are not billed
        self.late = 0  # of wins that were told after their money had run out

    @rule(amount=st.integers(1, 30))
    def bid(self, amount: int) -> None:
        key = f"k{len(self.bids)}"
        held = self.wallet.reserve(key, amount, self.clock(), None)
        if held is not None:
            self.bids.append((key, held.lease, amount, held.expires))

    @precondition(lambda self: self.bids)
    @rule(data=st.data(), share=st.floats(0, 1))
    def billed(self, data: st.DataObject, share: float) -> None:
        key, lease, amount, expires = data.draw(st.sampled_from(self.bids))
        price = int(amount * share)
        outcome: list[Booked | None] = []
        lost = self.wallet.find(key) is None and key not in self.won
        self.won.pop(key, None)
        self.wallet.settle(key, lease, price, expires, outcome.append)
        if key in self.paid:
            assert outcome == [Booked.duplicate]
            return
        self.paid[key] = price
        if not lost:
            assert outcome == [Booked.settled]

    @precondition(lambda self: self.bids)
    @rule(data=st.data())
    def won_(self, data: st.DataObject) -> None:
        key, lease, amount, expires = data.draw(st.sampled_from(self.bids))
        known = self.wallet.find(key) is not None
        outcome: list[Held | None] = []
        self.wallet.win(key, lease, amount, expires, self.clock() + 1e6, outcome.append)
        if key in self.paid:
            assert outcome == [Held.billed]
        elif key in self.won:
            assert outcome == [Held.repeated]
        else:
            assert outcome == [Held.held] or (not known and outcome == [Held.late])
            self.won[key] = amount
            self.late += amount * (outcome == [Held.late])

    @precondition(lambda self: self.bids)
    @rule(data=st.data())
    def lost(self, data: st.DataObject) -> None:
        self.wallet.release(data.draw(st.sampled_from(self.bids))[0])

    @rule(seconds=st.floats(0, 25))
    def wait(self, seconds: float) -> None:
        self.clock.move(self.clock() + seconds)
        self.wallet.tend(self.clock())

    @rule(budget=st.integers(0, 300))
    def change_budget(self, budget: int) -> None:
        state = self.wallet.keeper.store.state("c")
        assert state is not None
        self.budget = max(budget, state.settled + state.held)
        self.wallet.set_budget(self.budget)

    @rule()
    def kill(self) -> None:
        self.wallet.keeper.store.close()
        self.wallet = make_wallet(Path(self.folder.name), self.clock, self.budget)

    @invariant()
    def money_adds_up(self) -> None:
        if not hasattr(self, "wallet"):
            return
        state = self.wallet.keeper.store.state("c")
        assert state is not None
        assert state.settled + state.held <= state.budget + self.late
        assert state.won == sum(self.won.values())
        assert state.settled + state.debt == sum(self.paid.values())
        assert self.wallet.debt == state.debt
        leased = self.wallet.free + self.wallet.promised - self.wallet.won
        assert 0 <= leased <= state.held - state.won or self.clock() > self.wallet._until
        assert all(not self.wallet.release(key) for key in self.won)
        assert self.wallet.debt == 0 or not self.wallet.ready(self.clock())

    def teardown(self) -> None:
        if hasattr(self, "wallet"):
            self.wallet.keeper.store.close()
            self.folder.cleanup()


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_before_the_first_lease_nothing_can_be_bid(tmp_path: Path) -> None:
    clock = ManualClock()
    OPENED.append(SqliteStore(tmp_path / "ledger.sqlite", clock))
    wallet = Wallet("c", 100, Keeper(OPENED[-1]), clock, CONFIG, EventLog(clock))
    assert not wallet.ready(clock())
    wallet.tend(clock())
    assert wallet.ready(clock())


def test_money_is_asked_for_once_while_the_answer_is_under_way(tmp_path: Path) -> None:
    """The chunk is 40 of 100: asked twice before the first answer comes, the lease would hold 80."""
    clock, answers = ManualClock(), list[Work]()
    OPENED.append(SqliteStore(tmp_path / "ledger.sqlite", clock))
    wallet = Wallet("c", 100, Keeper(OPENED[-1], answers.extend), clock, CONFIG, EventLog(clock))
    wallet.tend(clock())
    wallet.tend(clock())
    state = OPENED[-1].state("c")
    assert state is not None
    assert (state.held, wallet.free) == (40, 0)
    while answers:
        answers.pop(0)()
    assert wallet.free == 40
    wallet.reserve("a", 25, clock(), None)
    assert wallet.free == 15  # below half of the chunk more is asked for, and what is here can be bid meanwhile
    while answers:
        answers.pop(0)()
    assert wallet.free == 40


def test_the_whole_budget_can_be_spent_and_not_a_unit_more(tmp_path: Path) -> None:
    clock = ManualClock()
    wallet = make_wallet(tmp_path, clock, budget=1003)
    spent, key = 0, 0
    while wallet.free:
        key += 1
        assert wallet.reserve(str(key), 7 if wallet.free >= 7 else wallet.free, clock(), None)
        amount = wallet.find(str(key)).amount  # type: ignore[union-attr]
        wallet.settle(str(key), wallet.lease, amount, clock() + 10, lambda _: None)
        spent += amount
    assert spent == 1003
    assert wallet.exhausted
    assert wallet.reserve("more", 1, clock(), None) is None


def test_a_loss_frees_the_money_at_once_and_a_win_frees_what_was_not_charged(tmp_path: Path) -> None:
    clock = ManualClock()
    wallet = make_wallet(tmp_path, clock)
    free = wallet.free
    wallet.reserve("a", 10, clock(), None)
    assert wallet.free == free - 10
    wallet.release("a")
    assert (wallet.free, wallet.promised) == (free, 0)
    wallet.reserve("b", 10, clock(), None)
    wallet.settle("b", wallet.lease, 4, clock() + 10, lambda _: None)
    assert (wallet.free, wallet.promised) == (free - 4, 0)


def test_a_notice_after_the_grace_period_is_debt_that_blocks_bidding_until_covered(tmp_path: Path) -> None:
    clock = ManualClock()
    wallet = make_wallet(tmp_path, clock, budget=100, config=WalletConfig(chunk=100, hold=10.0))
    for key, amount in (("a", 60), ("b", 40)):
        wallet.reserve(key, amount, clock(), None)
    wallet.settle("b", wallet.lease, 40, clock() + 10, lambda _: None)
    clock.move(11.0)
    wallet.tend(clock())
    assert wallet.free == 60
    wallet.reserve("c", 60, clock(), None)
    outcome: list[Booked | None] = []
    wallet.settle("a", wallet.lease, 50, 10.0, outcome.append)
    assert outcome == [Booked.debt]
    assert wallet.debt == 50
    assert not wallet.ready(clock())
    wallet.tend(clock())
    assert wallet.debt == 50  # all is promised to c: nothing can cover it
    wallet.set_budget(150)
    wallet.tend(clock())
    assert wallet.debt == 0
    assert wallet._events.counts == {Cause.debt: 1, Cause.debt_covered: 1}
    state = wallet.keeper.store.state("c")
    assert state is not None
    assert (state.settled, state.held, state.debt) == (90, 60, 0)


def test_after_a_kill_what_outstanding_bids_may_cost_stays_held(tmp_path: Path) -> None:
    clock = ManualClock()
    wallet = make_wallet(tmp_path, clock, budget=40, config=WalletConfig(chunk=40, hold=10.0, slack=6.0))
    wallet.reserve("a", 30, clock(), None)
    lease = wallet.lease
    wallet.keeper.store.close()
    again = make_wallet(tmp_path, clock, budget=40, config=WalletConfig(chunk=40, hold=10.0, slack=6.0))
    assert again.free == 0
    outcome: list[Booked | None] = []
    again.settle("a", lease, 25, 10.0, outcome.append)
    assert outcome == [Booked.settled]
    clock.move(17.0)
    again.tend(clock())
    assert again.free == 15


class Flaky(SqliteStore):
    """A store that does not answer while `down`."""

    down = False

    def lease(self, account: str, lease: str, want: int, until: float, begun: bool = False) -> Grant:
        if self.down:
            raise LedgerUnavailable("down")
        return super().lease(account, lease, want, until, begun)

    def settle(self, batch: Sequence[Settlement]) -> list[Booked]:
        if self.down:
            raise LedgerUnavailable("down")
        return super().settle(batch)

    def win(self, batch: Sequence[Win]) -> list[Held]:
        if self.down:
            raise LedgerUnavailable("down")
        return super().win(batch)


def test_a_win_told_while_the_store_is_away_is_held_here_and_taken_when_it_is_told_again(tmp_path: Path) -> None:
    clock = ManualClock()
    store = Flaky(tmp_path / "ledger.sqlite", clock)
    wallet = Wallet("c", 100, Keeper(store), clock, CONFIG, EventLog(clock))
    wallet.tend(0.0)
    wallet.reserve("a", 5, clock(), None)
    store.down = True
    outcome: list[Held | None] = []
    wallet.win("a", wallet.lease, 5, 10.0, 1000.0, outcome.append)
    assert outcome == [None]
    store.down = False
    clock.move(12.0)
    wallet.tend(clock())
    assert (wallet.promised, wallet.won) == (5, 0)  # not run out, though it would have
    wallet.win("a", wallet.lease, 5, 10.0, 1000.0, outcome.append)
    assert outcome == [None, Held.held]
    assert (wallet.promised, wallet.won) == (5, 5)
    store.close()


class Unheard(SqliteStore):
    """A store that does what it is asked and whose answers are lost while `mute`."""

    mute = False

    def win(self, batch: Sequence[Win]) -> list[Held]:
        done = super().win(batch)
        if self.mute:
            raise LedgerUnavailable("the answer was lost")
        return done

    def lease(self, account: str, lease: str, want: int, until: float, begun: bool = False) -> Grant:
        done = super().lease(account, lease, want, until, begun)
        if self.mute:
            raise LedgerUnavailable("the answer was lost")
        return done


@pytest.mark.parametrize("billed", [True, False])
def test_a_win_whose_answer_was_lost_makes_no_money(tmp_path: Path, billed: bool) -> None:
    clock = ManualClock()
    store = Unheard(tmp_path / "ledger.sqlite", clock)
    wallet = Wallet("c", 100, Keeper(store), clock, CONFIG, EventLog(clock))
    wallet.tend(0.0)
    wallet.reserve("a", 10, clock(), None)
    store.mute = True
    wallet.win("a", wallet.lease, 10, 10.0, 30.0, lambda _: None)
    store.mute = False
    if billed:
        wallet.settle("a", wallet.lease, 4, 10.0, lambda _: None)
    else:
        for now in (8.0, 16.0, 24.0, 31.0):
            clock.move(now)
            wallet.tend(now)
    wallet.tend(clock())
    state = store.state("c")
    assert state is not None
    assert wallet.promised == 0
    assert wallet.free == state.held - state.won
    store.close()


def test_a_grant_whose_answer_was_lost_is_found_with_the_next(tmp_path: Path) -> None:
    """What is given back at the same time is not counted twice."""
    clock = ManualClock()
    store = Unheard(tmp_path / "ledger.sqlite", clock)
    wallet = Wallet("c", 100, Keeper(store), clock, CONFIG, EventLog(clock))
    wallet.tend(0.0)
    wallet.reserve("a", 25, clock(), None)
    assert wallet.free == 40
    wallet.reserve("b", 15, clock(), None)
    store.mute = True
    wallet.reserve("c", 10, clock(), None)
    store.mute = False
    wallet.tend(clock())
    state = store.state("c")
    assert state is not None
    assert wallet.free + wallet.promised == state.held == 100
    store.close()


def test_a_store_that_is_down_stops_bids_when_the_lease_would_not_outlast_them(tmp_path: Path) -> None:
    clock = ManualClock()
    store = Flaky(tmp_path / "ledger.sqlite", clock)
    wallet = Wallet("c", 100, Keeper(store), clock, CONFIG, EventLog(clock))
    wallet.tend(0.0)
    store.down = True
    clock.move(5.0)
    assert wallet.reserve("a", 5, clock(), None)  # the lease lasts until 16
    outcome: list[Booked | None] = []
    wallet.settle("a", wallet.lease, 5, 15.0, outcome.append)
    assert outcome == [None]  # to be sent again
    assert wallet.find("a")
    clock.move(7.0)
    wallet.tend(clock())
    assert wallet.reserve("b", 5, clock(), None) is None
    assert wallet._events.counts == {Cause.ledger_unavailable: 2}  # a bill, and the renewal
    store.down = False
    wallet.tend(clock())
    assert wallet.reserve("b", 5, clock(), None)
    wallet.settle("a", wallet.lease, 5, 15.0, outcome.append)
    assert outcome == [None, Booked.settled]
    store.close()


@pytest.mark.parametrize("seconds", [1000.0, 16.5])
def test_a_lease_that_ran_out_is_not_spent_from(tmp_path: Path, seconds: float) -> None:
    clock = ManualClock()
    wallet = make_wallet(tmp_path, clock)
    wallet.reserve("a", 5, clock(), None)
    before = wallet.lease
    clock.move(seconds)
    assert wallet.reserve("b", 5, clock(), None) is None
    wallet.tend(clock())
    wallet.tend(clock())
    assert wallet.lease != before
    assert wallet.reserve("c", 5, clock(), None)
    state = wallet.keeper.store.state("c")
    assert state is not None
    assert wallet.free + wallet.promised <= state.held


def test_a_bill_moves_its_price_from_what_is_held_to_what_is_settled(tmp_path: Path) -> None:
    """The lease holds 40 of 100; a bid of 10 is billed at 7."""
    clock = ManualClock(0.0)
    wallet = make_wallet(tmp_path, clock)
    before = wallet.state
    assert before is not None
    assert (before.settled, before.held) == (0, 40)
    held = wallet.reserve("k", 10, clock(), None)
    assert held is not None
    wallet.settle("k", held.lease, 7, held.expires, lambda _: None)
    assert wallet.state == replace(before, settled=7, held=33)
    assert (wallet.free, wallet.promised) == (33, 0)


def test_a_closed_wallet_takes_no_money_again(tmp_path: Path) -> None:
    clock = ManualClock(0.0)
    wallet = make_wallet(tmp_path, clock)
    wallet.close()
    wallet.tend(clock())
    state = wallet.keeper.store.state("c")
    assert state is not None
    assert (state.held, wallet.free) == (0, 0)


def test_a_lease_that_has_enough_is_renewed_without_more(tmp_path: Path) -> None:
    """Half a slack before its bids would outlast it, nothing having been bid: still the 40 of one chunk."""
    clock = ManualClock(0.0)
    wallet = make_wallet(tmp_path, clock)
    clock.move(3.5)
    wallet.tend(clock())
    state = wallet.keeper.store.state("c")
    assert state is not None
    assert (state.held, wallet.free) == (40, 40)
    clock.move(9.0)
    assert wallet.ready(clock())  # until 3.5 + 16


def test_a_reservation_holds_to_the_last_moment_of_its_bid(tmp_path: Path) -> None:
    clock = ManualClock(0.0)
    wallet = make_wallet(tmp_path, clock)
    assert wallet.reserve("k", 10, clock(), None) is not None
    clock.move(10.0)
    wallet.tend(clock())
    assert wallet.find("k") is not None
    clock.move(10.001)
    wallet.tend(clock())
    assert wallet.find("k") is None


def in_turn(answers: list[Work]) -> None:
    while answers:
        answers.pop(0)()


def test_money_given_back_behind_a_grant_is_not_counted_with_it(tmp_path: Path) -> None:
    """25 of 40 are bid and 25 asked for; before the answer comes the other 15 are given back: 25 are free, not 40."""
    clock, answers = ManualClock(), list[Work]()
    OPENED.append(SqliteStore(tmp_path / "ledger.sqlite", clock))
    wallet = Wallet("c", 100, Keeper(OPENED[-1], answers.extend), clock, CONFIG, EventLog(clock))
    wallet.tend(clock())
    in_turn(answers)
    wallet.reserve("a", 25, clock(), None)
    wallet.set_budget(100, chunk=0)
    answers.pop(0)()
    assert wallet.free == 25
    in_turn(answers)
    state = OPENED[-1].state("c")
    assert state is not None
    assert wallet.free + wallet.promised == state.held


def test_a_bill_that_is_debt_frees_what_was_held_for_it(tmp_path: Path) -> None:
    """The store has let the lease go before this process noticed."""
    clock = ManualClock()
    wallet = make_wallet(tmp_path, clock)
    held = wallet.reserve("a", 10, clock(), None)
    assert held is not None
    wallet.keeper.store._db.execute("DELETE FROM leases")  # type: ignore[attr-defined]
    outcome: list[Booked | None] = []
    wallet.settle("a", held.lease, 6, held.expires, outcome.append)
    assert (outcome, wallet.debt, wallet.promised, wallet.outstanding) == ([Booked.debt], 6, 0, 0)
    assert wallet.free == 40  # nothing of it was paid from here


@pytest.mark.parametrize(("budget", "exhausted"), [(39, True), (40, False), (41, False)])
def test_an_account_is_exhausted_where_it_gave_less_than_was_wanted(
    tmp_path: Path, budget: int, exhausted: bool
) -> None:
    assert make_wallet(tmp_path, ManualClock(), budget).exhausted == exhausted


@pytest.mark.parametrize(("late", "becomes"), [(0.0, Booked.settled), (1e-3, Booked.debt)])
def test_a_bill_is_paid_to_the_last_moment_of_its_deadline(tmp_path: Path, late: float, becomes: Booked) -> None:
    clock = ManualClock(1000.0)
    store = SqliteStore(tmp_path / "ledger.sqlite", clock)
    OPENED.append(store)
    store.open("c", 100)
    store.lease("c", "a", 100, 2000.0)
    clock.move(1010.0 + late)
    assert store.settle([Settlement("k", "c", "a", 10, 1010.0)]) == [becomes]
    won = store.win([Win("w", "c", "a", 10, 1010.0, 3000.0)])
    assert won == [Held.held if late == 0 else Held.late]


def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    """FULL: the log is synced at every commit, so that no power cut takes back what was acknowledged."""
    OPENED.append(SqliteStore(tmp_path / "ledger.sqlite", ManualClock()))
    assert OPENED[-1]._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert OPENED[-1]._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_grant_that_was_on_its_way_does_not_undo_a_cut(tmp_path: Path) -> None:
    """25 of 40 are bid and 25 more asked for; the budget is cut to 30 before the answer: 5 may still be bid."""
    clock, answers = ManualClock(), list[Work]()
    OPENED.append(SqliteStore(tmp_path / "ledger.sqlite", clock))
    wallet = Wallet("c", 100, Keeper(OPENED[-1], answers.extend), clock, CONFIG, EventLog(clock))
    wallet.tend(clock())
    in_turn(answers)
    wallet.reserve("a", 25, clock(), None)
    wallet.set_budget(30)
    while answers:
        assert wallet.free == 5
        answers.pop(0)()
    assert wallet.free == 5
    state = OPENED[-1].state("c")
    assert state is not None
    assert (state.budget, state.held) == (30, 30)


@pytest.mark.parametrize("budget", [0, 24, 25, 30, 39, 40, 60, 300])
def test_a_cut_holds_here_before_the_store_hears_of_it_and_nothing_is_lost(tmp_path: Path, budget: int) -> None:
    """25 are promised and 15 free of 40 when the store goes away: what the budget leaves of the 15 may be bid."""
    clock = ManualClock()
    wallet = make_wallet(tmp_path, clock)
    wallet.reserve("a", 25, clock(), None)
    store = wallet.keeper.store
    wallet.keeper.store = cast(Any, Away())
    before = wallet.free
    wallet.set_budget(budget)
    assert wallet.free == max(min(before, 40, budget - 25), 0)
    for _ in range(3):
        clock.move(clock() + 0.1)
        wallet.tend(clock())
    assert wallet.free <= max(budget - 25, 0)
    wallet.keeper.store = store
    for _ in range(3):
        wallet.tend(clock())
    state = store.state("c")
    assert state is not None
    assert state.budget == budget
    assert wallet.free + wallet.promised == state.held
    assert state.held <= max(budget, 25)


class Away:
    """In a store's place: it does not answer."""

    shared = False

    def __getattr__(self, name: str) -> object:
        def away(*_: object) -> None:
            raise LedgerUnavailable("away")

        return away


@pytest.mark.parametrize("hold", [10.0, 100.0, 3600.0])
def test_a_bidder_that_is_cut_off_bids_no_longer_than_the_slack_however_long_holds_are(
    tmp_path: Path, hold: float
) -> None:
    """Whoever stops all bidding can then be sure that this one has stopped too."""
    clock = ManualClock()
    wallet = make_wallet(tmp_path, clock)
    wallet.tend(clock(), hold)
    assert wallet.ready(clock(), hold)
    wallet.keeper.store.close()
    wallet.keeper.store = cast(Any, Away())
    clock.move(CONFIG.slack - 0.1)
    wallet.tend(clock(), hold)
    assert wallet.ready(clock())
    clock.move(CONFIG.slack + 0.1)
    wallet.tend(clock(), hold)
    assert not wallet.ready(clock())


def test_a_bid_said_lost_here_and_won_elsewhere_leaves_no_more_than_its_lease_holds(tmp_path: Path) -> None:
    """Whoever is told both has bid 30 of the 40 that the lease had: 10 are free after the next grant."""
    clock = ManualClock(100.0)
    store = SqliteStore(tmp_path / "ledger.sqlite", clock, shared=True)  # as other processes use as well
    OPENED.append(store)
    wallet = Wallet("c", 40, Keeper(store), clock, CONFIG, EventLog(clock))
    wallet.chunk = Chunk(40, shared=False)  # it holds all of it
    wallet.tend(clock())
    held = wallet.reserve("a", 30, clock(), None)
    assert held is not None
    wallet.release("a")
    assert wallet.free == 40
    store.win([Win("a", "c", held.lease, 30, held.expires, 1000.0)])
    clock.move(105.0)
    wallet.tend(clock())
    assert wallet.free == 10


def test_a_bid_said_lost_and_then_won_is_held_past_the_time_of_its_bid(tmp_path: Path) -> None:
    """Its first reservation is over: the time of that ends nothing any more, of this bid or of others."""
    clock = ManualClock()
    wallet = make_wallet(tmp_path, clock)
    held = wallet.reserve("a", 10, clock(), None)
    assert held is not None
    wallet.release("a")
    wallet.win("a", held.lease, 10, held.expires, 1000.0, lambda _: None)
    clock.move(9.0)
    wallet.tend(clock())
    wallet.reserve("b", 5, clock(), None)
    ran_out: list[str] = []
    wallet.on_expired = lambda held, _: ran_out.append(held.key)
    clock.move(11.0)
    wallet.tend(clock())
    assert (wallet.promised, wallet.won, wallet.outstanding, ran_out) == (15, 10, 2, [])

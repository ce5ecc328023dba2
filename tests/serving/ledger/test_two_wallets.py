"""Two bidders on one account, notices to either, answers that are lost: no wallet has more than its lease holds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.calendar import Clock, ManualClock
from bidpilot.serving.guardrails import EventLog
from bidpilot.serving.ledger.keeper import Deliver, Keeper, Work, at_once
from bidpilot.serving.ledger.reservations import WalletConfig
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import AccountState, Booked, Grant, Held, Resolved, Settlement, Win
from bidpilot.serving.ledger.wallet import Wallet

CONFIG = WalletConfig(chunk=40, hold=10.0, slack=6.0)
WIN_HOLD = 60.0


class Store(SqliteStore):
    """A store that may be shared, and that is away, or does what it is asked and whose answer is lost."""

    def __init__(self, path: Path, clock: Clock, shared: bool) -> None:
        super().__init__(path, clock, shared)
        self.fails: str | None = None

    def _before(self) -> None:
        if self.fails == "away":
            raise LedgerUnavailable("away")

    def _after(self) -> None:
        if self.fails == "lost":
            raise LedgerUnavailable("the answer was lost")

    def lease(self, account: str, lease: str, want: int, until: float, begun: bool = False) -> Grant:
        self._before()
        found = super().lease(account, lease, want, until, begun)
        self._after()
        return found

    def give_back(self, account: str, lease: str, amount: int) -> None:
        self._before()
        super().give_back(account, lease, amount)
        self._after()

    def win(self, batch: Sequence[Win]) -> list[Held]:
        self._before()
        found = super().win(batch)
        self._after()
        return found

    def settle(self, batch: Sequence[Settlement]) -> list[Booked]:
        self._before()
        found = super().settle(batch)
        self._after()
        return found

    def resolve(self, batch: Sequence[Settlement]) -> list[Resolved]:
        self._before()
        self._after()
        return super().resolve(batch)

    def notices(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT key, amount FROM notices"))

    def won(self) -> set[str]:
        return {key for (key,) in self._db.execute("SELECT key FROM wins")}

    def held_by(self, lease: str) -> int:
        found = self._db.execute("SELECT held FROM leases WHERE lease = ?", (lease,)).fetchone()
        return int(found[0]) if found else 0


class Money(RuleBasedStateMachine):
    """Bids, wins, bills at any price and losses, each told to any bidder, again or out of order."""

    shared = True
    count = 2

    @initialize(budget=st.integers(60, 300))
    def begin(self, budget: int) -> None:
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.clock = ManualClock(1000.0)
        self.store = Store(Path(self.folder.name) / "ledger.sqlite", self.clock, self.shared)
        events = EventLog(self.clock)
        self.wallets = [Wallet("c", budget, Keeper(self.store), self.clock, CONFIG, events) for _ in range(self.count)]
        self.bids: list[tuple[int, str, str, int, float]] = []  # bidder, key, lease, amount, expires
        self.lost: set[str] = set()
        self.late = 0
        for wallet in self.wallets:
            wallet.tend(self.clock())

    def drawn(self, data: st.DataObject) -> tuple[Wallet, str, str, int, float]:
        _, key, lease, amount, expires = data.draw(st.sampled_from(self.bids[-8:]))
        return self.wallets[data.draw(st.integers(0, self.count - 1))], key, lease, amount, expires

    @rule(which=st.integers(0, 1), amount=st.integers(1, 30))
    def bid(self, which: int, amount: int) -> None:
        which %= self.count
        key = f"k{len(self.bids)}"
        held = self.wallets[which].reserve(key, amount, self.clock(), None)
        if held is not None:
            self.bids.append((which, key, held.lease, amount, held.expires))

    @precondition(lambda self: self.bids)
    @rule(data=st.data(), share=st.floats(0, 1))
    def billed(self, data: st.DataObject, share: float) -> None:
        wallet, key, lease, amount, expires = self.drawn(data)
        if key not in self.lost or wallet.find(key) is not None:
            wallet.settle(key, lease, int(amount * share), expires, lambda _: None)

    @precondition(lambda self: self.bids)
    @rule(data=st.data())
    def won(self, data: st.DataObject) -> None:
        wallet, key, lease, amount, expires = self.drawn(data)

        def told(result: Held | None) -> None:
            self.late += amount * (result is Held.late or result is None)

        if key not in self.lost:
            wallet.win(key, lease, amount, expires, self.clock() + WIN_HOLD, told)

    @precondition(lambda self: self.bids)
    @rule(data=st.data())
    def told_lost(self, data: st.DataObject) -> None:
        """That a bid is lost is told to who made it; what another one is told of it later would be a lie."""
        which, key, *_ = data.draw(st.sampled_from(self.bids[-8:]))
        if self.wallets[which].release(key) is not None:
            self.lost.add(key)

    @rule(seconds=st.floats(0, 25))
    def wait(self, seconds: float) -> None:
        self.clock.move(self.clock() + seconds)
        for wallet in self.wallets:
            wallet.tend(self.clock())

    @rule()
    def all_is_over(self) -> None:
        """The store answers, and no bid can be billed any more: nothing is promised, whatever was told and lost."""
        self.store.fails = None
        for _ in range(4):
            self.clock.move(self.clock() + WIN_HOLD)
            for wallet in self.wallets:
                wallet.tend(self.clock())
        assert [(w.outstanding, w.promised, w.won) for w in self.wallets] == [(0, 0, 0)] * self.count
        slots = [slot for w in self.wallets for slot in (w.promised_by_slot, w.won_by_slot)]
        assert not any(amount for slot in slots for amount in slot.values())

    @rule(fails=st.sampled_from([None, None, "away", "lost"]))
    def fail(self, fails: str | None) -> None:
        self.store.fails = fails

    @invariant()
    def no_money_is_made(self) -> None:
        if not hasattr(self, "wallets"):
            return
        state = self.store.state("c")
        paid, won = self.store.notices(), self.store.won()
        if state is not None:
            assert state.settled + state.debt == sum(paid.values())
            assert state.settled + state.held <= state.budget + self.late
        for wallet in self.wallets:
            assert wallet.free >= 0
            if self.clock() > wallet._until:
                continue
            still = sum(
                r.amount
                for r in wallet._held._open.values()
                if r.lease == wallet.lease and r.key not in paid and r.key not in won
            )
            assert wallet.free + still <= self.store.held_by(wallet.lease)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


class MoneyOfOne(Money):
    """The same of one bidder whose store no other process uses."""

    shared = False
    count = 1


TestMoneyOfTwo = Money.TestCase
TestMoneyOfOne = MoneyOfOne.TestCase
TestMoneyOfTwo.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestMoneyOfOne.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000.0)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    made = Store(tmp_path / "ledger.sqlite", clock, shared=True)
    yield made
    made.close()


def wallet_of(store: Store, clock: ManualClock, deliver: Deliver = at_once) -> Wallet:
    """Its lease holds some of 100, and more than a bid."""
    made = Wallet("c", 100, Keeper(store, deliver), clock, CONFIG, EventLog(clock))
    made.tend(clock())
    return made


def bid(wallet: Wallet, clock: ManualClock) -> tuple[str, str, int, float]:
    """A bid of 10: what its notices bring."""
    held = wallet.reserve("k", 10, clock(), None)
    assert held is not None
    return "k", held.lease, 10, held.expires


def wait(clock: ManualClock, seconds: float, *wallets: Wallet) -> None:
    """Leases are kept alive meanwhile, and at no moment is more free than they hold."""
    end = clock() + seconds
    while clock() < end:
        clock.move(min(clock() + 2.0, end))
        for wallet in wallets:
            wallet.tend(clock())
            assert wallet.free <= cast(Store, wallet.keeper.store).held_by(wallet.lease)


def agree(wallet: Wallet, store: Store) -> bool:
    """Whether all that the lease holds is free here: nothing is outstanding."""
    return wallet.outstanding == 0 and wallet.free == store.held_by(wallet.lease)


@pytest.mark.parametrize("known", [True, False])
def test_a_bid_that_is_won_here_or_there_and_billed_there_leaves_its_rest_once(
    store: Store, clock: ManualClock, known: bool
) -> None:
    """Of 10 that were held 4 are charged: the other 6 come back with a grant, or when the bid has run out."""
    here, there = wallet_of(store, clock), wallet_of(store, clock)
    key, lease, amount, expires = bid(here, clock)
    (here if known else there).win(key, lease, amount, expires, clock() + WIN_HOLD, lambda _: None)
    there.settle(key, lease, 4, expires, lambda _: None)
    wait(clock, WIN_HOLD + 5.0, here, there)
    assert agree(here, store)
    assert store.state("c") == AccountState(100, 4, here.free + there.free, 0)


@pytest.mark.parametrize("behind", [0.0, 3.0])
@pytest.mark.parametrize("known", [True, False])
def test_a_win_that_is_never_billed_is_let_go_after_its_time_by_the_stores_clock(
    tmp_path: Path, clock: ManualClock, behind: float, known: bool
) -> None:
    store = Store(tmp_path / "behind.sqlite", lambda: clock() - behind, shared=True)
    here, there = wallet_of(store, clock), wallet_of(store, clock)
    key, lease, amount, expires = bid(here, clock)
    (here if known else there).win(key, lease, amount, expires, clock() + WIN_HOLD, lambda _: None)
    wait(clock, WIN_HOLD - 5.0, here, there)
    assert (here.promised, here.won) == (10, 10)
    wait(clock, 15.0, here, there)
    assert agree(here, store)
    store.close()


def test_a_bid_that_was_won_there_is_not_free_here_when_a_loss_is_told(store: Store, clock: ManualClock) -> None:
    here, there = wallet_of(store, clock), wallet_of(store, clock)
    key, lease, amount, expires = bid(here, clock)
    there.win(key, lease, amount, expires, clock() + WIN_HOLD, lambda _: None)
    free = here.free
    here.release(key)
    assert (here.free, here.promised, here.won) == (free, 10, 10)


def test_a_bid_said_lost_is_not_billed_from_money_that_is_free_by_then(store: Store, clock: ManualClock) -> None:
    """The bill comes while others are asked: it is debt, as it would be a moment later."""
    answers: list[Work] = []

    def in_turn() -> None:
        while answers:
            answers.pop(0)()

    here = wallet_of(store, clock, answers.extend)
    in_turn()
    key, lease, _, expires = bid(here, clock)
    here.release(key)
    outcome: list[Booked | None] = []
    here.settle(key, lease, 10, expires, outcome.append)
    in_turn()
    assert outcome == [Booked.debt]
    assert agree(here, store)


@pytest.mark.parametrize("told", ["bill", "win"])
def test_a_notice_whose_answer_was_lost_frees_nothing_when_its_bid_runs_out(
    tmp_path: Path, clock: ManualClock, told: str
) -> None:
    store = Store(tmp_path / "own.sqlite", clock, shared=False)
    here = wallet_of(store, clock)
    key, lease, amount, expires = bid(here, clock)
    store.fails = "lost"
    if told == "bill":
        here.settle(key, lease, amount, expires, lambda _: None)
    else:
        here.win(key, lease, amount, expires, clock() + WIN_HOLD, lambda _: None)
    store.fails = None
    clock.move(clock() + 1.0)
    here.set_budget(99)  # asks for money, so that the lease is kept
    wait(clock, WIN_HOLD + 5.0, here)
    assert agree(here, store)
    store.close()


@pytest.mark.parametrize("billed", [False, True])
def test_a_win_that_has_run_out_frees_nothing_of_the_lease(tmp_path: Path, clock: ManualClock, billed: bool) -> None:
    """The store has let it go, for the account; a bill that comes then, before this process has noticed, is debt."""
    store = Store(tmp_path / "own.sqlite", clock, shared=False)
    here = wallet_of(store, clock)
    key, lease, amount, expires = bid(here, clock)
    here.win(key, lease, amount, expires, clock() + WIN_HOLD, lambda _: None)
    wait(clock, WIN_HOLD, here)
    assert here.won == 10
    clock.move(clock() + 0.1)
    store.lease("c", "another", 0, clock() + 1.0)
    outcome: list[Booked | None] = []
    if billed:
        here.settle(key, lease, amount, expires, outcome.append)
        assert outcome == [Booked.debt]
    else:
        here.tend(clock())
    assert agree(here, store)
    store.close()

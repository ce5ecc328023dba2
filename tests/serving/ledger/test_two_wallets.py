"""Two bidders on one account, notices to either, answers that are lost: no wallet has more than its lease holds."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.guardrails import EventLog
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.reservations import WalletConfig
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import Booked, Grant, Held, Resolved, Settlement, Win
from bidpilot.serving.ledger.wallet import Wallet

CONFIG = WalletConfig(chunk=40, hold=10.0, slack=6.0)
WIN_HOLD = 60.0


class Store(SqliteStore):
    """A store that may be shared, and that is away, or does what it is asked and whose answer is lost."""

    def __init__(self, path: Path, clock: ManualClock, shared: bool) -> None:
        super().__init__(path, clock)
        self.shared = shared
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
        return [self._resolved(s) for s in batch] if self.shared else super().resolve(batch)

    def _resolved(self, s: Settlement) -> Resolved:
        if (paid := self.notices().get(s.key)) is not None:
            return Resolved(settled=paid)
        found = self._db.execute("SELECT until FROM wins WHERE key = ?", (s.key,)).fetchone()
        if found and found[0] >= self._clock():
            return Resolved(won=found[0])
        return Resolved(pending=self._clock() <= s.deadline)

    def notices(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT key, amount FROM notices"))

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
        paid, won = self.store.notices(), {win.key for win in self.store.unbilled("c")}
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

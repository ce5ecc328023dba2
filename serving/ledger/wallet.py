"""The wallet: one account's money in one bidder process. Reserving is a subtraction; the keeper does the rest."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from bidpilot.serving.calendar import Clock
from bidpilot.serving.guardrails import Cause, EventLog
from bidpilot.serving.ledger.chunk import Chunk
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.reservations import Reservation, Reservations, WalletConfig
from bidpilot.serving.ledger.returns import Returns
from bidpilot.serving.ledger.store import AccountState, Booked, Grant, Held, LedgerStore, Settlement, Win

_Answer = tuple[Grant, AccountState | None, list[Win]]


class Wallet:
    """Money for bids of one account.

    Invariant: `free + promised - won` is what the store holds for this lease, until results under way arrive; `won` is
    what it holds for wins that are not billed. Bids are refused when the lease would not outlast them, when nothing is
    free, and while debt is open or more is held than the budget has.
    """

    def __init__(self, account: str, budget: int, keeper: Keeper, clock: Clock, config: WalletConfig, events: EventLog):
        self.account, self.keeper, self.config = account, keeper, config
        self._clock, self._events = clock, events
        self.state: AccountState | None = None  # as the store last told it, and what was settled since
        self._budget = budget
        self._agreed: int | None = None  # the budget that the store is known to have
        self.free = 0
        self.elsewhere = 0  # what other leases hold, of bidders beside this one or gone
        self.over = 0  # what the account has settled and held beyond its budget
        self.exhausted = False  # the account has no more than what is free here
        self.debt = 0
        self.lease, self._until = _new_lease(), -math.inf
        self._bids_until = -math.inf  # a bidder that is cut off from the store bids no longer, however long holds are
        self._held, self.chunk = Reservations(), Chunk(config.chunk, keeper.store.shared)
        self._hold = config.hold  # the longest that a bid has asked for
        self._asking = self._failing = self._closed = False
        self._giving = 0  # given back, not yet confirmed
        self.returns = Returns(account, keeper, self._held, self._credit, lambda *ran_out: self.on_expired(*ran_out))
        self.on_expired: Callable[[Reservation, int], None] = lambda *_: None  # with what was settled for it elsewhere

    @property
    def outstanding(self) -> int:
        """Bids that may still be billed."""
        return len(self._held)

    @property
    def promised(self) -> int:
        """What they may cost, micro-units."""
        return self._held.amount

    @property
    def won(self) -> int:
        """Of that: for bids that are known to have won, taken out of the lease."""
        return self._held.won

    @property
    def promised_by_slot(self) -> Mapping[int, int]:
        """What is promised, by the slot of the auction."""
        return self._held.by_slot

    @property
    def won_by_slot(self) -> Mapping[int, int]:
        """What is won, by the slot of the auction."""
        return self._held.won_by_slot

    def ready(self, now: float, hold: float = 0.0) -> bool:
        """Whether bids can be made whose money is held for `hold` seconds, or as long as usual."""
        if self.debt or self.over or now > self._bids_until:
            return False
        return now + max(hold, self.config.hold) <= self._until

    def reserve(
        self, key: str, amount: int, now: float, record: Any, slot: int = 0, hold: float = 0.0
    ) -> Reservation | None:
        """Hold `amount` for a bid of an auction of `slot`, as `ready` says; None where it cannot be."""
        if amount > self.free or amount <= 0 or not self.ready(now, hold):
            return None
        self.free -= amount
        usual = hold <= self.config.hold
        held = Reservation(key, self.lease, amount, now + (self.config.hold if usual else hold), record, slot)
        self._held.add(held, usual)
        self.chunk.reserved(amount, now)
        if self.chunk.short(self.free, now, self.state):
            self.tend(now)
        return held

    def find(self, key: str) -> Reservation | None:
        """The outstanding reservation of a bid."""
        return self._held.find(key)

    def release(self, key: str) -> Reservation | None:
        """Free the money of a bid that was lost; None where it is not outstanding, has won, or is being billed.

        On a shared store it is free as soon as that says that no other bidder was told of a win.
        """
        held = self._held.find(key)
        if held is None or held.claimed or held.won or held.lost:
            return None
        self.returns.lost(held)
        return held

    def win(
        self,
        key: str,
        lease: str,
        amount: int,
        expires: float,
        until: float,
        done: Callable[[Held | None], None],
        slot: int = 0,
    ) -> None:
        """Hold the money of a bid that has won until its bill comes, `until` at the latest, seconds since 1970.

        `done` gets what became of it, or None where the store is not available and the notice must come again: in this
        process the money is held all the same.
        """
        held = self._held.find(key)
        deadline = self._deadline(held, lease, expires)
        if held is not None:
            self._held.has_won(held, until)

        win = Win(key, self.account, lease, amount, deadline, until, slot)

        def told(result: Held | None) -> None:
            self._told(win, result)
            done(result)

        self.keeper.win(win, told)

    def settle(
        self,
        key: str,
        lease: str,
        amount: int,
        expires: float,
        done: Callable[[Booked | None], None],
        slot: int = 0,
    ) -> Reservation | None:
        """Book the price of a billed bid; its reservation, where this process still holds it.

        `done` gets what became of it, or None where the store is not available and the notice must come again.
        """
        held = self._held.find(key)
        deadline = self._deadline(held, lease, expires)
        if held is not None:
            held.claimed = True

        def booked(result: Booked | None) -> None:
            self._booked(key, amount, result)
            done(result)

        self.keeper.settle(Settlement(key, self.account, lease, amount, deadline, slot), booked)
        return held

    def _deadline(self, held: Reservation | None, lease: str, expires: float) -> float:
        """Until when the store may take a bid's money from its lease."""
        if held is None:
            return -math.inf if lease == self.lease else expires  # this process has let the money go
        if held.taken or held.lost:
            return -math.inf  # it is not the lease's any more, or soon
        return expires if held.claimed else math.inf

    def tend(self, now: float, hold: float = 0.0) -> None:
        """Let reservations run out, take money where it is short, renew the lease, cover debt.

        The lease is made to last for bids whose money is held for `hold` seconds.
        """
        self.returns.expire(now)
        self._hold = max(self._hold, hold)
        short, stopped = self.chunk.short(self.free, now, self.state), self.debt or self.over
        changed, ends = self._agreed != self._budget, self._until - now < self._hold + self.config.slack / 2
        if self._closed or self._asking or not (short or stopped or changed or ends):
            return
        self._asking = True
        if self.free > (keep := 0 if stopped else self.chunk.keep(self.free, now, self.state)):
            self._keep(keep)
        want = 0 if stopped else max(self.chunk.size(now, self.state) - self.free, 0)
        until = now + self._hold + self.config.slack
        account, lease, opened, begun = self.account, self.lease, self.state is not None, self._until > -math.inf
        budget, agreed = self._budget, self._agreed

        def ask(store: LedgerStore) -> _Answer:
            if agreed != budget and store.open(account, budget).budget != budget:
                store.set_budget(account, budget)
            granted = store.lease(account, lease, want, until, begun)
            return granted, store.state(account), [] if opened else store.unbilled(account)

        def answered(answer: _Answer | None) -> None:
            if answer is not None:
                self._agreed, self._bids_until = budget, now + self.config.slack
            self._granted(answer, want, until)
            if answer is not None and budget != self._budget:  # changed meanwhile
                self.tend(self._clock())

        self.keeper.run(ask, answered)

    def owes(self, amount: int) -> None:
        """The account owes more than before, micro-units: no bid is made until that is covered."""
        self.debt += amount
        self.tend(self._clock())

    def set_budget(self, budget: int, chunk: int | None = None) -> None:
        """Change the account's budget and the chunk: here at once, in the store as soon as it answers."""
        if chunk is not None:
            self.chunk.most = chunk
        self._budget = budget
        self.exhausted = False
        self._keep(self.chunk.most)
        self.tend(self._clock())

    def _keep(self, most: int) -> None:
        """Give back what is free beyond `most`, or beyond what the budget leaves, as far as is known here."""
        state = self.state
        elsewhere = 0 if state is None else state.settled + state.held - self.free - self._giving
        amount = self.free - max(min(self.free, most, self._budget - elsewhere), 0)
        self.free -= amount
        self._give_back(amount)

    def close(self) -> None:
        """Give back what is free; what outstanding bids may cost stays held until the lease runs out."""
        amount, self.free = self.free, 0
        self._give_back(amount)
        self._until = -math.inf
        self._closed = True

    def _give_back(self, amount: int) -> None:
        lease = self.lease
        if not amount:
            return
        self._giving += amount

        def given(_: object) -> None:
            self._giving -= amount

        self.keeper.run(lambda store: store.give_back(self.account, lease, amount), given)

    def saw(self, state: AccountState | None) -> None:
        """The account as the store tells it."""
        if state is not None:
            self.state = state

    def _granted(self, answer: _Answer | None, want: int, until: float) -> None:
        self._asking = False
        if answer is None:
            if not self._failing:
                self._events.record(Cause.ledger_unavailable, "bids are made while the lease lasts")
            self._failing = True
            return
        self._failing = False
        grant, state, wins = answer
        self.saw(state)
        for win in wins:
            self._held.adopt(win)
        if not grant.known and self._until > -math.inf:
            self._start_over()
            return
        # lost answers, and what was told to other bidders, leave the lease with more than is known of here
        free = max(self.free + grant.granted, grant.held - (self.promised - self.won) - self._giving)
        self.free = max(min(free, grant.held - self._giving), 0)
        self._keep(self.free)  # the store may not have heard yet of a budget that was cut
        self.exhausted = grant.granted < want
        self._until = until
        if self.debt and not grant.debt:
            self._events.record(Cause.debt_covered)
        self.debt, self.over = grant.debt, grant.over
        if state is not None:
            self.elsewhere = state.held - state.won - grant.held

    def _start_over(self) -> None:
        """The lease ran out unrenewed: what it held is the account's again, and later notices of it are debt."""
        self.lease, self._until, self.free = _new_lease(), -math.inf, 0
        self.tend(self._clock())

    def _told(self, win: Win, result: Held | None) -> None:
        if result is None:
            self._events.record(Cause.ledger_unavailable, "a win was not booked; it must be sent again")
        if self.state is not None and result in (Held.held, Held.late):
            self.state = self.state.with_win(win.amount, result is Held.late)
            self.over = self.state.over
        held = self._held.find(win.key)
        if held is None:
            if result in (Held.held, Held.late) and not self.keeper.store.shared:
                self._held.adopt(win)
        elif result is None:
            held.unsure = True
        elif result is Held.billed:
            self.returns.elsewhere(held)
        else:
            self._held.taken_out(held)

    def _booked(self, key: str, amount: int, result: Booked | None) -> None:
        if result is None:
            self._events.record(Cause.ledger_unavailable, "a bill was not booked; it must be sent again")
        held = self._held.find(key)
        from_win = 0
        if held is not None:
            from_win = held.taken * held.amount
            held.claimed = False
            if result is None:
                held.unsure = True
                self._held.ask_again(held)
            elif result is Booked.settled:
                self.returns.paid(held, amount)
            elif result is Booked.duplicate:
                self.returns.elsewhere(held)
            else:
                self.returns.unpaid(held)
        if result is Booked.settled and self.state is not None:
            self.state = self.state.with_bill(amount, from_win)
        if result is Booked.debt:
            self.debt += amount
            self._events.record(Cause.debt, f"{amount} micro-units billed after their reservation had run out")

    def _credit(self, held: Reservation, amount: int) -> None:
        self.chunk.spent(held.amount - amount, self._clock())
        if held.lease == self.lease:
            self.free += amount


def _new_lease() -> str:
    return secrets.token_hex(6)

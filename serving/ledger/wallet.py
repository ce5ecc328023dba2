"""The wallet: one account's money in one bidder process. Reserving is a subtraction; the keeper does the rest."""

from __future__ import annotations

import math
import secrets
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from bidpilot.serving.calendar import Clock
from bidpilot.serving.guardrails import Cause, EventLog
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.store import AccountState, Booked, Grant, LedgerStore, Settlement


class Reservation(msgspec.Struct):
    """What one outstanding bid may cost."""

    key: str
    lease: str
    amount: int  # micro-units
    expires: float  # seconds since 1970; money is held until then
    record: Any  # the bid, for whoever hears of it again
    slot: int = 0  # of the auction
    claimed: bool = False  # a billing notice is on its way to the store


@dataclass(frozen=True)
class WalletConfig:
    """How money is taken from the account."""

    chunk: int  # most that lies unused in a lease, micro-units
    hold: float  # seconds for which a bid's money is held: bid.exp and the grace period
    slack: float = 30.0  # seconds beyond `hold` that a lease lasts without renewal


class Wallet:
    """Money for bids of one account.

    Invariant: `free + promised` is what the store holds for this lease, until results under way arrive.
    Bids are refused when the lease would not outlast them, when nothing is free, and while debt is open.
    """

    def __init__(self, account: str, budget: int, keeper: Keeper, clock: Clock, config: WalletConfig, events: EventLog):
        self.account, self.keeper, self.config = account, keeper, config
        self._clock, self._events = clock, events
        self.state: AccountState | None = None  # as the store last told it, and what was settled since
        self._budget = budget
        self.free = self.promised = 0
        self.promised_in: Counter[int] = Counter()  # what is promised, by the slot of the auction
        self.exhausted = False  # the account has no more than what is free here
        self.debt = 0
        self.lease, self._until = _new_lease(), -math.inf
        self._open: dict[str, Reservation] = {}
        self._order: deque[Reservation] = deque()
        self._asking = False
        self._failing = False
        self._giving = 0  # given back, not yet confirmed
        self._closed = False
        self.on_expired: Callable[[Reservation, int], None] = lambda *_: None  # with what was settled for it elsewhere

    @property
    def outstanding(self) -> int:
        """Bids that may still be billed."""
        return len(self._open)

    def ready(self, now: float) -> bool:
        """Whether bids can be made at all."""
        return self.debt == 0 and now + self.config.hold <= self._until

    def reserve(self, key: str, amount: int, now: float, record: Any, slot: int = 0) -> Reservation | None:
        """Hold `amount` for a bid of an auction of `slot`; None where it cannot be."""
        if amount > self.free or amount <= 0 or not self.ready(now):
            return None
        self.free -= amount
        self.promised += amount
        self.promised_in[slot] += amount
        held = Reservation(key, self.lease, amount, now + self.config.hold, record, slot)
        self._open[key] = held
        self._order.append(held)
        if self.free < self.config.chunk // 2:
            self.tend(now)
        return held

    def find(self, key: str) -> Reservation | None:
        """The outstanding reservation of a bid."""
        return self._open.get(key)

    def release(self, key: str) -> Reservation | None:
        """Free the money of a bid that was lost; None where it is not outstanding, or being billed."""
        held = self._open.get(key)
        if held is None or held.claimed:
            return None
        self._forget(held, 0)
        return held

    def settle(
        self, key: str, lease: str, amount: int, expires: float, done: Callable[[Booked | None], None]
    ) -> Reservation | None:
        """Book the price of a billed bid; its reservation, where this process still holds it.

        `done` gets what became of it, or None where the store is not available and the notice must come again.
        """
        held = self._open.get(key)
        if held is not None and not held.claimed:
            held.claimed = True
            deadline = math.inf
        elif held is None and lease == self.lease:
            deadline = -math.inf  # this process has let the money go
        else:
            deadline = expires

        def booked(result: Booked | None) -> None:
            self._booked(key, amount, result)
            done(result)

        self.keeper.settle(Settlement(key, self.account, lease, amount, deadline), booked)
        return held

    def tend(self, now: float) -> None:
        """Let reservations run out, take money where it is short, renew the lease, cover debt."""
        self._expire(now)
        short = self.free < self.config.chunk // 2
        if (
            self._closed
            or self._asking
            or not (short or self.debt or self._until - now < self.config.hold + self.config.slack / 2)
        ):
            return
        self._asking = True
        if self.debt and self.free:
            amount, self.free = self.free, 0
            self._give_back(amount)
        want = 0 if self.debt else max(self.config.chunk - self.free, 0)
        until = now + self.config.hold + self.config.slack
        account, lease, opened = self.account, self.lease, self.state is not None

        def ask(store: LedgerStore) -> tuple[Grant, AccountState | None]:
            if not opened:
                store.open(account, self._budget)
            return store.lease(account, lease, want, until), store.state(account)

        self.keeper.run(ask, lambda answer: self._granted(answer, want, until))

    def set_budget(self, budget: int, chunk: int | None = None) -> None:
        """Give back what is free, change the account's budget and the chunk, and take money again."""
        if chunk is not None:
            self.config = replace(self.config, chunk=chunk)
        amount, self.free = self.free, 0
        self._give_back(amount)
        self._budget = budget
        self.keeper.run(lambda store: store.set_budget(self.account, budget), self._saw)
        self.exhausted = False
        self.tend(self._clock())

    def look(self) -> None:
        """See what others have settled of the account."""
        self.keeper.run(lambda store: store.state(self.account), self._saw)

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

    def _saw(self, state: AccountState | None) -> None:
        if state is not None:
            self.state = state

    def _granted(self, answer: tuple[Grant, AccountState | None] | None, want: int, until: float) -> None:
        self._asking = False
        if answer is None:
            if not self._failing:
                self._events.record(Cause.ledger_unavailable, "bids are made while the lease lasts")
            self._failing = True
            return
        self._failing = False
        grant, state = answer
        self._saw(state)
        if not grant.known and self._until > -math.inf:
            self._start_over(grant.granted)
            return
        # a lost answer to an earlier call leaves the lease with more than is known of here
        self.free = max(self.free + grant.granted, grant.held - self.promised - self._giving)
        self.exhausted = grant.granted < want
        self._until = until
        if self.debt and not grant.debt:
            self._events.record(Cause.debt_covered)
        self.debt = grant.debt

    def _start_over(self, granted: int) -> None:
        """The lease ran out unrenewed: what it held is the account's again, and later notices of it are debt."""
        self._give_back(granted)
        self.lease, self._until, self.free = _new_lease(), -math.inf, 0
        self.tend(self._clock())

    def _booked(self, key: str, amount: int, result: Booked | None) -> None:
        if result is None:
            self._events.record(Cause.ledger_unavailable, "a bill was not booked; it must be sent again")
        held = self._open.get(key)
        if held is not None:
            held.claimed = False
            if result is not None:
                # a duplicate that is still held here was booked by a call whose answer was lost
                self._forget(held, 0 if result is Booked.debt else amount)
            elif held.expires <= self._clock():
                self._order.appendleft(held)
        if result is Booked.settled and self.state is not None:
            state = self.state
            self.state = replace(state, settled=state.settled + amount, held=state.held - amount)
        if result is Booked.debt:
            self.debt += amount
            self._events.record(Cause.debt, f"{amount} micro-units billed after their reservation had run out")

    def _forget(self, held: Reservation, paid: int) -> None:
        if self._open.pop(held.key, None) is None:
            return
        self.promised -= held.amount
        self.promised_in[held.slot] -= held.amount
        if held.lease == self.lease:
            self.free += held.amount - paid

    def _expire(self, now: float) -> None:
        gone = []
        while self._order and self._order[0].expires < now:
            held = self._order.popleft()
            if held.key in self._open and not held.claimed:
                gone.append(held)
        if not gone:
            return
        if not self.keeper.store.shared:
            for held in gone:
                self._forget(held, 0)
                self.on_expired(held, 0)
            return
        for held in gone:
            held.claimed = True
        batch = [Settlement(h.key, self.account, h.lease, h.amount, h.expires) for h in gone]
        self.keeper.run(lambda store: store.resolve(batch), lambda found: self._resolved(gone, found))

    def _resolved(self, gone: list[Reservation], found: list[int | None] | None) -> None:
        for held, amount in zip(gone, found or [None] * len(gone), strict=True):
            held.claimed = False
            if amount is None:
                self._order.appendleft(held)  # asked again at the next turn
            else:
                self._forget(held, amount)
                self.on_expired(held, amount)


def _new_lease() -> str:
    return secrets.token_hex(6)

"""What a ledger's store must offer, and the records it speaks in. Amounts are micro-units of the currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec
from msgspec.structs import replace

MICRO = 1_000_000
"""Micro-units to one unit of the currency."""

MOST = 2**53
"""Most that an account may have, micro-units: Redis reckons in doubles, which are exact up to here."""


MOST_SHOWN = 262_144
"""Exposures that are kept for frequency caps; while there are as many, nothing that is capped is bid on."""

SLICE = 1024
"""Most exposures that one call tells: so many are taken in within some two milliseconds, and bids wait no longer."""


class Booked(StrEnum):
    """What became of a billing notice."""

    settled = "settled"  # paid from money that was held for it
    debt = "debt"  # valid but too late: owed, and bidding stops until it is covered
    duplicate = "duplicate"  # booked before; nothing changes


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """One billed exposure."""

    key: str  # of the bid; booked once
    account: str
    lease: str  # that the bid was made from
    amount: int  # price, micro-units
    deadline: float  # seconds since 1970: later than this it is debt; inf where the reservation is still held
    slot: int = 0  # of the auction


class Held(StrEnum):
    """What became of a win that was told."""

    held = "held"  # its money is taken out of the lease and kept for the bill
    late = "late"  # its money had run out: it is kept for the bill all the same, of what the account has left or beyond
    repeated = "repeated"  # told before; nothing changes
    billed = "billed"  # its bill was booked before; nothing changes


class Win(msgspec.Struct, frozen=True, gc=False):
    """One bid that is known to have won: its money is kept until it is billed."""

    key: str  # of the bid; held once
    account: str
    lease: str  # that the bid was made from
    amount: int  # the bid, micro-units
    deadline: float  # as a settlement's
    until: float  # seconds since 1970: a win not billed by then is free again
    slot: int = 0  # of the auction


@dataclass(frozen=True, slots=True)
class Resolved:
    """What other processes know of a bid whose reservation has run out."""

    settled: int = 0  # micro-units that were billed; 0 where nothing was
    won: float | None = None  # its money is held for its bill until then; None where no win was told
    pending: bool = False  # it may still be billed: ask again


class AccountState(msgspec.Struct, frozen=True, gc=False):
    """An account. Debt is beyond the budget.

    `settled + held <= budget`, but for wins told after their money had run out, and a budget cut below what is held.
    """

    budget: int
    settled: int
    held: int  # by leases that have not run out, and for wins
    debt: int
    won: int = 0  # of what is held: for wins that are not billed

    @property
    def available(self) -> int:
        """What could still be leased."""
        return max(self.budget - self.settled - self.held, 0)

    @property
    def over(self) -> int:
        """What is settled and held beyond the budget."""
        return max(self.settled + self.held - self.budget, 0)

    def with_win(self, amount: int, late: bool) -> AccountState:
        """After a win was told, `late` where its money was not held any more."""
        return replace(self, won=self.won + amount, held=self.held + late * amount)

    def with_bill(self, amount: int, won: int) -> AccountState:
        """After a bill was settled, of a bid whose win had `won` held for it."""
        return replace(self, settled=self.settled + amount, held=self.held - amount, won=max(self.won - won, 0))


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to asking for money."""

    granted: int  # added to the lease
    known: bool  # False where the lease had run out, or was never made
    debt: int  # what the account still owes
    held: int  # what the lease holds now
    over: int = 0  # what the account has settled and held beyond its budget


@dataclass(frozen=True, slots=True)
class Wins:
    """Wins of an account by what became of them."""

    told: int = 0  # all of them
    waiting: int = 0  # not billed, and not overdue
    overdue: int = 0  # not billed in the time that was given, or never
    owed: int = 0  # what the overdue ones were bid at, micro-units

    def __add__(self, other: Wins) -> Wins:
        return Wins(
            self.told + other.told,
            self.waiting + other.waiting,
            self.overdue + other.overdue,
            self.owed + other.owed,
        )


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator has ordered last under a name."""

    version: int  # grows with every order that is written, of any name
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What a bidder was last heard to say."""

    version: int  # it obeys all orders up to this one
    age: float  # since then, seconds, by the store's clock
    what: str  # it believes; JSON


class Shown(msgspec.Struct, frozen=True, gc=False):
    """One exposure to one person, kept for frequency caps until it runs out."""

    user: int  # the person's mark (`serving.capping.keys`)
    campaign: str
    creative: int  # CRC-32 of its id
    at: float  # when it was billed, seconds since 1970
    until: float  # when no cap counts it any more, and it is erased
    by: str = ""  # process that was told
    version: int = 0  # grows with every exposure that is kept
    count: float = 1.0  # exposures that it stands for, as one impression may (`qty.multiplier`)


class LedgerStore(Protocol):
    """Durable accounts. Every call is one transaction, durable when it returns.

    Calls come from one thread at a time. All may raise LedgerUnavailable, and then have changed nothing that a
    repetition would change twice.
    """

    shared: bool  # whether other processes settle and lease from the same accounts

    def open(self, account: str, budget: int) -> AccountState:
        """The account, made with this budget where it is new."""

    def set_budget(self, account: str, budget: int) -> AccountState:
        """Change an account's budget."""

    def lease(self, account: str, lease: str, want: int, until: float, begun: bool = False) -> Grant:
        """Let leases and wins that have run out go, cover debt, and add up to `want` to a lease lasting `until`.

        One that was `begun` and is not there has run out, and is not made anew.
        """

    def give_back(self, account: str, lease: str, amount: int) -> None:
        """Take `amount` off a lease."""

    def win(self, batch: Sequence[Win]) -> list[Held]:
        """Hold the money of bids that have won until they are billed, each once."""

    def settle(self, batch: Sequence[Settlement]) -> list[Booked]:
        """Book billed exposures, each once: from what is held for their wins, or from their leases.

        What is left of a win goes back into its lease, where that still lasts.
        """

    def resolve(self, batch: Sequence[Settlement]) -> list[Resolved]:
        """What became elsewhere of bids whose reservations have run out."""

    def tell(self, account: str, slot: int, bidder: str, report: bytes) -> None:
        """Let the account's other bidders read what this one has seen of a slot; told again it replaces the first."""

    def told(self, account: str, slot: int) -> dict[str, bytes]:
        """What bidders tell of a slot of the account, by their names; it need not outlive the day, nor the store."""

    def spent_in(self, account: str, slot: int) -> int:
        """What bids on auctions of a slot were billed at, or will be as they have won; micro-units."""

    def wins(self, account: str, until: float) -> Wins:
        """Wins of an account; those that are not billed and are held for no longer than `until` are overdue."""

    def unbilled(self, account: str) -> list[Win]:
        """Wins of an account that are not billed, where no other process is told of any; else none."""

    def debts(self, accounts: Sequence[str]) -> list[int]:
        """What each account owes, micro-units; 0 where there is no such account."""

    def move_debt(self, account: str, to: str) -> int:
        """Let another account owe what one owes; how much that was, 0 where there is no account to move it to."""

    def state(self, account: str) -> AccountState | None:
        """The account, None where there is none."""

    def states(self, accounts: Sequence[str]) -> list[AccountState | None]:
        """Accounts as `state`, of days gone by too: what was held for leases and wins that have run out is not."""

    def order(self, name: str, text: str) -> int:
        """Keep an order in place of the one of its name; its version, larger than any before."""

    def orders(self, since: int) -> list[Order]:
        """The orders with versions above `since`, of each name the last one, oldest first."""

    def acknowledge(self, bidder: str, version: int, what: str) -> None:
        """A bidder obeys all orders up to `version`; it says so again and again. Below 0 it says farewell."""

    def show(self, batch: Sequence[Shown]) -> None:
        """Keep exposures to people until they run out; beyond `MOST_SHOWN` those that run out first are erased."""

    def shown(self, since: int) -> list[Shown]:
        """Exposures with versions above `since` that have not run out, oldest first; what has run out is erased.

        At most `SLICE`: where there are as many, ask for more.
        """

    def user_key(self, period: int, offered: str, until: float) -> str:
        """The key of a period, hex: `offered` where it has none yet, kept until then; empty where neither is."""

    def bidders(self) -> Mapping[str, Seen]:
        """The bidders that were heard of and have not said farewell."""

    def close(self) -> None:
        """Release what is held open."""

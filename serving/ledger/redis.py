"""The shared store: Redis, for several bidders on one budget. Each call is one script, so it is atomic.

Redis must write every change to disk before it answers (`appendonly yes`, `appendfsync always`): otherwise what
was acknowledged may be lost with the machine. Deadlines and leases are compared with Redis's own clock, so that
all bidders mean the same moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.calendar import Clock
from bidpilot.serving.ledger.orders_redis import RedisOrders
from bidpilot.serving.ledger.scripts_redis import PARTS, SCRIPTS, TIMED
from bidpilot.serving.ledger.shown_redis import RedisShown
from bidpilot.serving.ledger.store import (
    AccountState,
    Booked,
    Grant,
    Held,
    Order,
    Resolved,
    Seen,
    Settlement,
    Shown,
    Win,
    Wins,
)

_TOLD = 2 * 86_400  # seconds that reports of a slot are kept
_TIMEOUT = 0.5  # seconds


class RedisStore:
    """Accounts in one Redis database, under keys that begin with `prefix`.

    Args:
        url: the database's.
        prefix: of its keys.
        clock: what deadlines and leases are compared with; None: Redis's own, so that all bidders mean the same moment.

    Raises:
        LedgerUnavailable: it cannot be reached.
    """

    shared = True

    def __init__(self, url: str, prefix: str = "bidpilot", clock: Clock | None = None) -> None:
        self._prefix, self._clock = prefix, clock
        self._redis, self._raw = (
            redis.Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, decode_responses=text)
            for text in (True, False)
        )
        self._scripts = {name: self._redis.register_script(text) for name, text in SCRIPTS.items()}
        self._orders = RedisOrders(self._redis, prefix)
        self._shown = RedisShown(self._redis, prefix)
        with self._errors():
            self._redis.ping()

    @property
    def durable(self) -> bool:
        """Whether Redis writes each change to disk before it answers."""
        with self._errors():
            found: dict[str, str] = self._redis.config_get("append*")  # type: ignore[assignment]
        return found.get("appendonly") == "yes" and found.get("appendfsync") == "always"

    def open(self, account: str, budget: int) -> AccountState:
        """The account, made with this budget where it is new."""
        with self._errors():
            self._redis.hsetnx(self._keys(account)[0], "budget", str(budget))
        return self._state(account)

    def set_budget(self, account: str, budget: int) -> AccountState:
        """Change an account's budget."""
        with self._errors():
            self._redis.hset(self._keys(account)[0], "budget", str(budget))
        return self._state(account)

    def lease(self, account: str, lease: str, want: int, until: float, begun: bool = False) -> Grant:
        """Let leases and wins that have run out go, cover debt, and add up to `want` to a lease lasting `until`."""
        with self._errors():
            arguments: list[str | int | float] = [lease, want, until, int(begun)]
            granted, known, debt, held, over = self._call("lease", account, arguments)
        return Grant(int(granted), bool(known), int(debt), int(held), int(over))

    def give_back(self, account: str, lease: str, amount: int) -> None:
        """Take `amount` off a lease."""
        with self._errors():
            self._call("give_back", account, [lease, amount])

    def win(self, batch: Sequence[Win]) -> list[Held]:
        """Hold the money of bids that have won until they are billed, each once, in one round trip."""
        calls = [(w.account, [w.key, w.lease, w.amount, min(w.deadline, 1e18), w.until, w.slot]) for w in batch]
        return [Held(found) for found in self._pipeline("win", calls)]

    def settle(self, batch: Sequence[Settlement]) -> list[Booked]:
        """Book billed exposures, each once, in one round trip."""
        calls = [(s.account, [s.key, s.lease, s.amount, min(s.deadline, 1e18), s.slot]) for s in batch]
        return [Booked(found) for found in self._pipeline("settle", calls)]

    def resolve(self, batch: Sequence[Settlement]) -> list[Resolved]:
        """What became with other bidders of bids whose reservations have run out."""
        found = self._pipeline("resolve", [(s.account, [s.key, s.deadline]) for s in batch])
        return [_resolved(*answer) for answer in found]

    def tell(self, account: str, slot: int, bidder: str, report: bytes) -> None:
        """Let the account's other bidders read what this one has seen of a slot."""
        key = f"{self._keys(account)[0]}:told:{slot}"
        with self._errors():
            pipe = self._raw.pipeline(transaction=False)
            pipe.hset(key, bidder, report)
            pipe.expire(key, _TOLD)
            pipe.execute()

    def told(self, account: str, slot: int) -> dict[str, bytes]:
        """What bidders tell of a slot, by their names; kept for two days."""
        with self._errors():
            found: dict[Any, Any] = self._raw.hgetall(f"{self._keys(account)[0]}:told:{slot}")
        return {bidder.decode(): report for bidder, report in found.items()}

    def spent_in(self, account: str, slot: int) -> int:
        """What bids on auctions of a slot were billed at, or will be as they have won; micro-units."""
        with self._errors():
            found = self._redis.hget(self._keys(account)[0], f"slot:{slot}")
        return int(found or 0)

    def wins(self, account: str, until: float) -> Wins:
        """Wins of an account; those that are not billed and are held for no longer than `until` are overdue."""
        with self._errors():
            return Wins(*map(int, self._call("wins", account, [until])))

    def unbilled(self, account: str) -> list[Win]:
        """Other bidders hold theirs, and whose they are is not known."""
        return []

    def debts(self, accounts: Sequence[str]) -> list[int]:
        """What each account owes, micro-units; 0 where there is no such account."""
        with self._errors():
            pipe = self._redis.pipeline(transaction=False)
            for account in accounts:
                pipe.hget(self._keys(account)[0], "debt")
            return [int(found or 0) for found in pipe.execute()]

    def move_debt(self, account: str, to: str) -> int:
        """Let another account owe what one owes; how much that was, 0 where there is no account to move it to."""
        with self._errors():
            return int(self._scripts["move_debt"]([self._keys(account)[0], self._keys(to)[0]], []))

    def state(self, account: str) -> AccountState | None:
        """The account, None where there is none."""
        with self._errors():
            if not self._redis.exists(self._keys(account)[0]):
                return None
        return self._state(account)

    def states(self, accounts: Sequence[str]) -> list[AccountState | None]:
        """Accounts as `state`, of days gone by too: what was held for leases and wins that have run out is not."""
        found = self._pipeline("state", [(account, []) for account in accounts])
        return [AccountState(*map(int, row)) if row else None for row in found]

    def order(self, name: str, text: str) -> int:
        """Keep an order in place of the one of its name, and publish its version."""
        with self._errors():
            return self._orders.write(name, text)

    def orders(self, since: int) -> list[Order]:
        """The orders with versions above `since`, oldest first."""
        with self._errors():
            return self._orders.read(since)

    def acknowledge(self, bidder: str, version: int, what: str) -> None:
        """A bidder obeys all orders up to `version`."""
        with self._errors():
            self._orders.acknowledge(bidder, version, what)

    def show(self, batch: Sequence[Shown]) -> None:
        """Keep exposures to people until they run out, in one call."""
        with self._errors():
            self._shown.keep(batch, self._told_time())

    def shown(self, since: int) -> list[Shown]:
        """Exposures with versions above `since` that have not run out, oldest first, at most `SLICE`."""
        with self._errors():
            return self._shown.read(since, self._told_time())

    def user_key(self, period: int, offered: str, until: float) -> str:
        """The key of a period, hex: `offered` where it has none yet."""
        with self._errors():
            return self._shown.key(period, offered, until, self._told_time())

    def bidders(self) -> dict[str, Seen]:
        """The bidders that were heard of within a day."""
        with self._errors():
            return self._orders.bidders()

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
        self._raw.close()

    def _told_time(self) -> str:
        """For scripts: empty where the time is Redis's own."""
        return "" if self._clock is None else repr(self._clock())

    def _call(self, script: str, account: str, arguments: list[Any], client: Any = None) -> Any:
        if script in TIMED:
            arguments = [*arguments, self._told_time()]
        return self._scripts[script](self._keys(account), arguments, client=client)

    def _pipeline(self, script: str, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        with self._errors():
            pipe = self._redis.pipeline(transaction=False)
            for account, arguments in calls:
                self._call(script, account, arguments, pipe)
            return pipe.execute()

    def _state(self, account: str) -> AccountState:
        with self._errors():
            row: dict[str, str] = self._redis.hgetall(self._keys(account)[0])  # type: ignore[assignment]
        return AccountState(*(int(row.get(f, 0)) for f in ("budget", "settled", "held", "debt", "won")))

    def _keys(self, account: str) -> list[str]:
        # braces put one account's keys on one node of a cluster
        return [f"{self._prefix}:{{{account}}}:{part}" for part in PARTS]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise LedgerUnavailable(
                f"Redis does not answer ({type(error).__name__}: {error}). Bidding goes on while leases last; notices "
                "are refused and must be sent again. Check the server."
            ) from error


def _resolved(what: str, detail: str) -> Resolved:
    if what == "settled":
        return Resolved(settled=int(detail))
    return Resolved(won=float(detail) if what == "won" else None, pending=what == "pending")

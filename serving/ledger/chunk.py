"""How much unused money a bidder holds of an account that others bid from too: what it soon spends, and no more."""

from __future__ import annotations

import math

from bidpilot.serving.ledger.store import AccountState

_AHEAD = 120.0  # seconds of its own spend that a bidder holds ...
_REACTION = 2.0  # ... or of its bids, won or not: more than the store takes to answer
_MEMORY = 300.0  # seconds over which rates are measured
_REMEMBERED = 1800.0  # seconds for which the largest bid is, at least
_LARGEST = 8  # of the largest bids that it may make, where nobody else bids
_LEAST = 1 / _LARGEST  # of the fixed amount: enough for the largest bid
_BIDS = 2  # of the largest bids of late that it holds at least ...
_PLENTY = 2  # times what is needed
_SHARE = 0.05  # ... and at most this share of what the account has left


def most_unused(budget: int, largest: int) -> int:
    """What one bidder holds unused of a budget that nobody else bids from, for bids up to `largest`; micro-units."""
    return min(max(int(_SHARE * budget), _LARGEST * largest), budget)


class Chunk:
    """The most that lies unused in a lease, micro-units.

    Where nobody else bids from the account it is a fixed amount; else it follows what this bidder reserves and spends.

    Args:
        most: the fixed amount, and the first one.
        shared: whether others bid from the account.
    """

    def __init__(self, most: int, shared: bool) -> None:
        self.most, self._shared = most, shared
        self._reserved, self._spent = _Rate(), _Rate()
        self._since = -math.inf
        self._largest = self._larger = 0  # bids of this stretch of time, and of the one before

    def reserved(self, amount: int, now: float) -> None:
        """A bid was made, or could not be for want of money."""
        if not self._shared:
            return
        self._reserved.add(amount, now)
        self._turn(now)
        self._largest = max(self._largest, amount)

    def spent(self, amount: int, now: float) -> None:
        """A bid was billed."""
        if self._shared:
            self._spent.add(amount, now)

    def size(self, now: float, account: AccountState | None) -> int:
        """The amount at this moment, of an account as it was last seen; None: nothing is known of it."""
        if not self._shared:
            return self.most
        bid = self._bid(now)
        rates = max(self._spent.at(now) * _AHEAD, self._reserved.at(now) * _REACTION)
        amount = max(rates, _BIDS * bid, self.most * _LEAST)
        if account is not None:
            left = account.budget - account.settled - account.debt
            amount = max(min(amount, left * _SHARE), bid)
        return int(amount)

    def short(self, free: int, now: float, account: AccountState | None) -> bool:
        """Whether more should be asked for than what is free."""
        if not self._shared:
            return free < self.most // 2
        size = self.size(now, account)
        return free < size // 2 or free < min(self._bid(now), size)

    def keep(self, free: int, now: float, account: AccountState | None) -> int:
        """What to keep of it: more than is needed others may have, who can use it."""
        size = self.size(now, account)
        return size if self._shared and free > _PLENTY * size else free

    def _bid(self, now: float) -> int:
        self._turn(now)
        return max(self._largest, self._larger) or int(self.most * _LEAST)

    def _turn(self, now: float) -> None:
        if now - self._since > _REMEMBERED:
            self._larger = self._largest if now - self._since <= 2 * _REMEMBERED else 0
            self._largest, self._since = 0, now


class _Rate:
    """An amount per second, of late: each one counts less by a factor e every `_MEMORY` seconds."""

    def __init__(self) -> None:
        self._sum, self._at, self._since = 0.0, 0.0, math.inf

    def add(self, amount: int, now: float) -> None:
        self._sum = self._sum * self._faded(now) + amount
        self._at, self._since = now, min(self._since, now)

    def at(self, now: float) -> float:
        # what has been seen for a short time is taken as if it had gone on for ten seconds
        seen = -_MEMORY * math.expm1(-max(now - self._since, 10.0) / _MEMORY)
        return self._sum * self._faded(now) / seen if self._sum else 0.0

    def _faded(self, now: float) -> float:
        return math.exp(min(self._at - now, 0.0) / _MEMORY)

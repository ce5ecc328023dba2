"""What people are known by: a hash of their id with a key that is drawn anew every fortnight and then forgotten.

A mark says nothing to whoever has not the key, and once the key is gone nobody can tell whose it was, nor that two
marks of two fortnights are of one person. The key is drawn by whichever bidder needs it first and lies in the store
that all share.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from bidpilot.serving.ledger.keeper import Keeper

PERIOD = 14 * 86_400.0
"""Seconds for which a key makes marks; it is erased as long after that.

The longest window is a week, and a bill comes within three days: a mark that still matters is of this period or of the
one before.
"""
_AHEAD = 60.0  # seconds before a period that its key is asked for
_AGAIN = 1.0  # seconds after which a store that did not answer is asked again


class Keys:
    """The keys of the period under way and of the one before.

    Args:
        keeper: talks to the store.
        draw: makes a key.
    """

    def __init__(self, keeper: Keeper, draw: Callable[[], str] = lambda: secrets.token_hex(32)) -> None:
        self._keeper, self._draw = keeper, draw
        self._known: dict[int, bytes] = {}  # by period; empty where there was none
        self._asked: dict[int, float] = {}

    def tend(self, now: float) -> None:
        """Ask for the keys that are needed, forget those that are not."""
        period = int((now + _AHEAD) // PERIOD)
        for one in (int(now // PERIOD) - 1, int(now // PERIOD), period):
            if one not in self._known and now >= self._asked.get(one, 0.0):
                self._asked[one] = now + _AGAIN
                self._ask(one, "" if one < int(now // PERIOD) else self._draw())
        for old in [one for one in self._known if one < int(now // PERIOD) - 1]:
            del self._known[old]
            self._asked.pop(old, None)

    def marks(self, id: str, now: float) -> tuple[int, ...]:
        """What a person is known by, that of this period first; empty while the store has not told both keys."""
        period = int(now // PERIOD)
        key, before = self._known.get(period), self._known.get(period - 1)
        if not key or before is None:  # it is empty where there was none
            return ()
        return (_mark(id, key), _mark(id, before)) if before else (_mark(id, key),)

    def _ask(self, period: int, offered: str) -> None:
        until = (period + 2) * PERIOD

        def told(key: str | None) -> None:
            if key is not None:
                self._known[period] = bytes.fromhex(key)

        self._keeper.run(lambda store: store.user_key(period, offered, until), told)


def _mark(id: str, key: bytes) -> int:
    """63 bits: what SQLite keeps as a number."""
    digest = hashlib.blake2b(id.encode(errors="replace"), key=key, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1 or 1

"""Which arm an id belongs to: a keyed hash, so that nobody without the key can tell, and another name shuffles anew."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence

_BYTES = 8
_WHOLE = 1 << (8 * _BYTES)


class Assignment:
    """Assigns ids to arms.

    Args:
        key: the secret, of any length.
        name: of the experiment: the same key assigns the users of another one independently.
        shares: of the arms, which sum to 1.
    """

    def __init__(self, key: bytes, name: str, shares: Sequence[float]) -> None:
        self._base = hashlib.blake2b(key=hashlib.sha256(key).digest(), digest_size=_BYTES)
        self._base.update(name.encode() + b"\0")
        ends, so_far = [], 0.0
        for share in shares[:-1]:
            so_far += share
            ends.append(int(so_far * _WHOLE))
        self._ends = ends  # of all arms but the last

    def arm(self, id: str) -> int:
        """The place of the id's arm: it depends on nothing but key, name, shares and id."""
        made = self._base.copy()
        made.update(id.encode(errors="replace"))
        return bisect_right(self._ends, int.from_bytes(made.digest(), "big"))

"""Exposures by person, in bounded memory: each is erased when it can matter to no cap any more.

A full table drops what runs out first. Nobody misses that, as long as nothing that is capped is bid on while it is
full: all that is left lasts longer, so that there is room again only once what was dropped had run out too.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from bidpilot.serving.ledger.store import MOST_SHOWN, SLICE, Shown


class Table:
    """Exposures of all campaigns.

    Args:
        most: that are remembered; the store's own bound, as a bidder that starts fills its table from there.
    """

    def __init__(self, most: int = MOST_SHOWN) -> None:
        self._most = most
        self._by_user: dict[int, tuple[Shown, ...]] = {}  # which the garbage collector does not walk, as it does lists
        self._queue: list[tuple[float, int, Shown]] = []  # by when they are erased
        self._turn = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether an exposure more would have another forgotten: what is counted may be too little."""
        return len(self._queue) >= self._most

    def add(self, shown: Shown) -> None:
        """Remember an exposure."""
        self._turn += 1
        heapq.heappush(self._queue, (shown.until, self._turn, shown))
        self._by_user[shown.user] = (*self._by_user.get(shown.user, ()), shown)
        if len(self._queue) > self._most:
            self._drop()

    def erase(self, now: float) -> None:
        """Erase what has run out, at most `SLICE` exposures at a time. No count waits for it."""
        for _ in range(SLICE):
            if not self._queue or self._queue[0][0] > now:
                return
            self._drop()

    def count(self, users: Sequence[int], campaign: str, since: float, creative: int | None = None) -> float:
        """Exposures of a campaign (of one of its creatives) to a person after `since`, seconds since 1970.

        `users`: the marks that the person may be known by.
        """
        return sum(
            shown.count
            for user in users
            for shown in self._by_user.get(user, ())
            if shown.campaign == campaign and shown.at > since and (creative is None or shown.creative == creative)
        )

    def _drop(self) -> None:
        _, _, shown = heapq.heappop(self._queue)
        rest = tuple(one for one in self._by_user[shown.user] if one is not shown)
        if rest:
            self._by_user[shown.user] = rest
        else:
            del self._by_user[shown.user]

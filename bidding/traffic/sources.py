"""Sources are open-ended, their statistics are not: ids of publishers become clusters, and a pool of the unknown."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from enum import StrEnum

from bidpilot.bidding.errors import InvalidServing

CLUSTERS = 256
"""Clusters of publishers, of imported logs, and of a bid server unless it is told another number."""
LONGEST_ID = 256
"""Characters of an id; a longer one is no id."""
FAMILIAR = 3
"""Meetings after which an id is told apart."""
MEMORY = 65_536
"""Ids that are remembered."""


class Pooled(StrEnum):
    """Why a request counts as of the pool."""

    missing = "missing"  # it has no id, or an empty one
    too_long = "too_long"
    new = "new"  # its id has been met fewer than `FAMILIAR` times lately


class Sources:
    """Clusters 0 .. `clusters` - 1 by a hash that is the same everywhere and always, and the pool, `clusters`.

    An id is of its cluster from its third meeting on, while it is remembered. Half of the memory holds ids that were
    met less often, half those that are familiar; in each the one that was met longest ago makes room. Who changes the
    id with every request thus fills the first half alone and stays in the pool: clusters keep their volumes, and no
    familiar id is forgotten for it. Ids themselves are not kept, only their 32-bit hashes.

    Args:
        clusters: clusters besides the pool, at least 1.
        memory: ids that are remembered, at least 2.

    Raises:
        InvalidServing: too few of either.
    """

    def __init__(self, clusters: int, memory: int = MEMORY) -> None:
        if clusters < 1 or memory < 2:
            raise InvalidServing(
                f"sources need a cluster and a memory of two ids; got {clusters} clusters and a memory of {memory}. "
                "Give --sources of at least 1."
            )
        self.clusters, self.pool = clusters, clusters
        self.pooled: dict[str, int] = dict.fromkeys(Pooled, 0)
        self._half = memory // 2
        self._met: OrderedDict[int, int] = OrderedDict()  # how often, by hash
        self._familiar: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        """Ids that are remembered now."""
        return len(self._met) + len(self._familiar)

    def meet(self, name: str | None) -> int:
        """The cluster of a request that brings the id `name`, which is remembered; the pool's are counted by cause."""
        cause = _no_id(name)
        if cause is None:
            key = _hash(name)
            try:
                self._familiar.move_to_end(key)
            except KeyError:
                if not self._befriend(key):
                    cause = Pooled.new
        if cause is None:
            return key % self.clusters
        self.pooled[cause] += 1
        return self.pool

    def find(self, name: str | None) -> int:
        """The cluster of an id as things are; nothing is counted or remembered."""
        if _no_id(name) is None and (key := _hash(name)) in self._familiar:
            return key % self.clusters
        return self.pool

    def given(self, number: int) -> int:
        """The cluster that a request names itself."""
        return number % self.clusters

    def _befriend(self, key: int) -> bool:
        """Count a meeting with what is not familiar; whether it is familiar now."""
        times = self._met.pop(key, 0) + 1
        known = times >= FAMILIAR
        if known:
            self._familiar[key] = None
        else:
            self._met[key] = times
        for remembered in (self._met, self._familiar):
            if len(remembered) > self._half:
                remembered.popitem(last=False)
        return known


def cluster_of(name: str | None) -> int:
    """The cluster of a publisher that is familiar, of `CLUSTERS`; the pool's number, `CLUSTERS`, where it has no id."""
    return CLUSTERS if _no_id(name) is not None else _hash(name) % CLUSTERS


def _no_id(name: str | None) -> Pooled | None:
    """Why `name` is no id; None where it is one."""
    if not name:
        return Pooled.missing
    return Pooled.too_long if len(name) > LONGEST_ID else None


def _hash(name: str | None) -> int:
    return zlib.crc32((name or "").encode(errors="replace"))

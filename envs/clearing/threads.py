"""Rows of a compiled kernel on several threads.

A kernel that works row by row on rows `first` to `last`, and does not hold Python's lock, does the same to the last bit
in one piece and in several: no second kernel is compiled for threads, and one thread does what it did.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

from bidpilot.bidding.errors import InvalidMarket


def in_parts(rows: int, threads: int, work: Callable[[int, int], object]) -> None:
    """Call `work(first, last)` for all of `rows`, in as many parts of equal size as there are threads.

    What a part raises is raised here, once all have ended.
    """
    parts = min(threads, rows)
    if parts <= 1:
        work(0, rows)
        return
    edges = [rows * part // parts for part in range(parts + 1)]
    others = [_pool(threads).submit(work, first, last) for first, last in pairwise(edges[1:])]
    try:
        work(edges[0], edges[1])
    finally:
        for other in others:
            other.exception()  # waits
    for other in others:
        other.result()


def check_threads(threads: int) -> int:
    """The number of threads, checked.

    Raises:
        InvalidMarket: it is below 1.
    """
    if threads < 1:
        raise InvalidMarket(f"rows are played on {threads} threads. Give 1 or more.")
    return threads


@lru_cache(maxsize=2)
def _pool(threads: int) -> ThreadPoolExecutor:
    """The threads beside the one that asks."""
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="rows")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked process has none of them

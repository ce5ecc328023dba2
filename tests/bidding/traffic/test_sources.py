"""Ids become clusters and a pool, also where somebody changes them on every request."""

from __future__ import annotations

import time
import zlib

import pytest

from bidpilot.bidding.errors import InvalidServing
from bidpilot.bidding.traffic.sources import MEMORY, Sources


@pytest.fixture
def sources() -> Sources:
    """Five clusters, 0 to 4, and the pool, 5."""
    return Sources(5)


def meet(sources: Sources, name: str | None, times: int) -> list[int]:
    return [sources.meet(name) for _ in range(times)]


def test_an_id_is_of_its_cluster_from_the_third_meeting_on(sources: Sources) -> None:
    cluster = zlib.crc32(b"pub-1") % 5
    assert meet(sources, "pub-1", 4) == [5, 5, cluster, cluster]
    assert sources.pooled == {"missing": 0, "too_long": 0, "new": 2}


def test_the_hash_is_the_same_in_every_process(sources: Sources) -> None:
    """CRC-32 of its UTF-8: 0x352441c2 for "abc"."""
    assert meet(sources, "abc", 3)[-1] == 0x352441C2 % 5


@pytest.mark.parametrize(
    ("name", "cause"), [(None, "missing"), ("", "missing"), ("x" * 257, "too_long"), ("\ud800" * 300, "too_long")]
)
def test_what_is_no_id_stays_in_the_pool_and_is_not_remembered(sources: Sources, name: str | None, cause: str) -> None:
    assert meet(sources, name, 5) == [5] * 5
    assert sources.pooled[cause] == 5
    assert sum(sources.pooled.values()) == 5
    assert len(sources) == 0


def test_the_longest_id_is_one_and_so_is_half_a_character(sources: Sources) -> None:
    assert meet(sources, "x" * 256, 3)[-1] < 5
    assert meet(sources, "\ud800", 3)[-1] < 5


def test_looking_an_id_up_counts_nothing(sources: Sources) -> None:
    assert [sources.find(name) for name in ("pub-1", None, "x" * 257)] == [5, 5, 5]
    assert (len(sources), sum(sources.pooled.values())) == (0, 0)
    cluster = meet(sources, "pub-1", 3)[-1]
    assert sources.find("pub-1") == cluster


def test_a_cluster_that_is_given_wraps_around_below_the_pool(sources: Sources) -> None:
    assert [sources.given(n) for n in (0, 4, 5, -1)] == [0, 4, 0, 4]


def test_the_id_met_longest_ago_makes_room() -> None:
    """Two ids in each half: a third one that becomes familiar drops the first, unless that was met since."""
    sources = Sources(1000, memory=4)
    for name in ("a", "b"):
        meet(sources, name, 3)
    sources.meet("a")
    meet(sources, "c", 3)
    assert [sources.find(name) == sources.pool for name in "abc"] == [False, True, False]
    meet(sources, "b", 2)
    assert sources.find("b") == sources.pool  # its meetings count anew


def test_meetings_too_long_ago_do_not_count() -> None:
    sources = Sources(5, memory=4)
    meet(sources, "a", 2)
    for other in ("b", "c"):
        sources.meet(other)
    assert sources.meet("a") == sources.pool


def test_two_hundred_thousand_changing_ids_stay_in_the_pool_in_bounded_memory_and_time() -> None:
    """Beside them 100 publishers send each every 2,000th request: none of theirs is pooled but their first two."""
    sources, clusters = Sources(64), [0] * 65
    honest = [f"publisher-{k}" for k in range(100)]
    for name in honest:
        meet(sources, name, 3)
    start = time.perf_counter()
    for k in range(200_000):
        clusters[sources.meet(f"{k:032x}")] += 1
        if k % 20 == 0:
            clusters[sources.meet(honest[k // 20 % 100])] += 1
    seconds = time.perf_counter() - start
    assert (clusters[64], sum(clusters[:64])) == (200_000, 10_000)
    assert sources.pooled["new"] == 200_200
    assert len(sources) == MEMORY // 2 + 100
    assert seconds < 210_000 * 50e-6  # far above what it takes, far below what a search through the memory would


@pytest.mark.parametrize(("clusters", "memory"), [(0, 10), (5, 1)])
def test_too_few_of_either_are_refused(clusters: int, memory: int) -> None:
    with pytest.raises(InvalidServing, match="--sources"):
        Sources(clusters, memory)

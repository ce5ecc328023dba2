"""What bidders tell each other of a slot: it comes over whole, sums up, and what cannot be read is refused."""

from __future__ import annotations

import zlib
from dataclasses import fields

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import InvalidReport
from bidpilot.bidding.landscape.octaves import RATIOS
from bidpilot.serving.report import Report, pack, unpack
from bidpilot.serving.seen import Seen, added, of_all, pooled

S, C = 2, 3


def some_totals(seed: int) -> SlotTotals:
    """Every column holds numbers of its own; quantiles none, which are not counted."""
    generator = np.random.default_rng(seed)
    totals = SlotTotals.zeros(1, S, C)
    for column in (getattr(totals, f.name) for f in fields(SlotTotals) if f.name != "ratio_quantiles"):
        column[:] = (
            generator.integers(0, 50, column.shape) if column.dtype == np.int64 else generator.random(column.shape)
        )
    return totals


def some_seen(seed: int, unwatched: float = 0.0) -> Seen:
    bins = np.random.default_rng(seed).integers(0, 9, RATIOS.bins)
    return Seen(some_totals(seed), 1.5 * seed, seed, bins, unwatched)


def assert_same(a: SlotTotals, b: SlotTotals) -> None:
    for f in fields(SlotTotals):
        np.testing.assert_array_equal(getattr(a, f.name), getattr(b, f.name), f.name)
        assert getattr(a, f.name).dtype == getattr(b, f.name).dtype


@given(seed=st.integers(0, 1000), unwatched=st.floats(0, 1), lapsed=st.integers(0, 10**15), slot=st.integers(0, 47))
def test_a_report_comes_over_whole(seed: int, unwatched: float, lapsed: int, slot: int) -> None:
    report = Report(some_seen(seed, unwatched), {slot: lapsed}, lapsed, {slot: some_totals(seed + 1)})
    got = unpack(pack(report), S, C)
    assert_same(got.seen.totals, report.seen.totals)
    assert (got.seen.shown, got.seen.priced, got.seen.unwatched) == (1.5 * seed, seed, unwatched)
    np.testing.assert_array_equal(got.seen.bins, report.seen.bins)
    assert (got.outstanding, got.lapsed, set(got.late)) == ({slot: lapsed}, lapsed, {slot})
    assert_same(got.late[slot], report.late[slot])


def test_an_idle_slot_is_told_in_a_few_bytes() -> None:
    idle = Seen(SlotTotals.zeros(1, 8, 257), 0.0, 0, np.zeros(RATIOS.bins, np.int64), 0.0)
    assert len(pack(Report(idle))) < 60


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "cannot be read"),
        (b"nonsense", "cannot be read"),
        (zlib.compress(b"nonsense"), "cannot be read"),
        (zlib.compress(msgspec.msgpack.encode([99, {}, 0.0, 0, b"", 0.0, {}, 0, {}])), "version 99"),
        (zlib.compress(msgspec.msgpack.encode([1, {"colour": b""}, 0.0, 0, b"", 0.0, {}, 0, {}])), "'colour'"),
        (zlib.compress(msgspec.msgpack.encode([1, {"wins": b"12"}, 0.0, 0, b"", 0.0, {}, 0, {}])), "cannot be read"),
        (zlib.compress(msgspec.msgpack.encode([1, {}, 0.0, 0, b"12345678", 0.0, {}, 0, {}])), "1 bins"),
    ],
)
def test_what_cannot_be_read_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(InvalidReport, match=why):
        unpack(raw, S, C)


def test_a_bidder_that_tells_other_sources_apart_is_refused() -> None:
    with pytest.raises(InvalidReport, match="--sources"):
        unpack(pack(Report(some_seen(1))), S, C + 1)


def test_a_report_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(InvalidReport):
        unpack(zlib.compress(bytes(1 << 28), 9), S, C)


@given(seeds=st.lists(st.integers(0, 1000), min_size=1, max_size=5), unwatched=st.floats(0, 1))
def test_what_several_have_seen_is_summed(seeds: list[int], unwatched: float) -> None:
    parts = [some_seen(seed, unwatched) for seed in seeds]
    whole = pooled(parts)
    for f in fields(SlotTotals):
        if f.name != "ratio_quantiles":
            total = sum(getattr(part.totals, f.name) for part in parts)
            np.testing.assert_allclose(getattr(whole.totals, f.name), total, rtol=1e-12)
    assert whole.priced == sum(seeds)
    assert whole.bins.sum() == sum(part.bins.sum() for part in parts)
    assert whole.unwatched == unwatched


def test_a_slot_in_which_one_of_them_ran_was_watched() -> None:
    assert pooled([some_seen(1, 1.0), some_seen(2, 0.25), some_seen(3, 0.5)]).unwatched == 0.25


def test_counts_of_a_part_are_whole_numbers_and_what_is_taken_away_again_leaves_nothing() -> None:
    totals = some_totals(3)
    assert of_all(totals, 1.37).wins.dtype == np.int64
    gone = added([totals, of_all(totals, -1.0)])
    assert not any(getattr(gone, f.name).any() for f in fields(SlotTotals))

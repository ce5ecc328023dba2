"""A log in parts is the log: the same days, columns and digest, and the same replay, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bidpilot.bidding.errors import DamagedLog, InvalidLog
from bidpilot.envs.logs.auction_log import COLUMNS, AuctionLog
from bidpilot.envs.logs.shards import SHARDS_FILE, Shards, join_parts
from bidpilot.envs.logs.storage import holds_log, load_log, save_log
from tests.training.small_logs import small_log

WHOLE = small_log("whole", "conversion", units=12, campaigns=("1", "2"), auctions=3)


def empty(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.empty(shape, dtype)


def alike(one: AuctionLog, other: AuctionLog) -> None:
    assert (one.digest, one.days, one.segments, one.sources) == (
        other.digest,
        other.days,
        other.segments,
        other.sources,
    )
    np.testing.assert_array_equal(one.offsets, other.offsets)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(st.lists(st.integers(0, 3), min_size=WHOLE.n_days, max_size=WHOLE.n_days))
@settings(max_examples=20, deadline=None)
def test_however_days_are_dealt_to_parts_the_log_is_the_whole(part_of: list[int]) -> None:
    dealt = [np.flatnonzero(np.array(part_of) == part) for part in range(4)]
    parts = [WHOLE.select_days(days) for days in dealt if len(days)]
    alike(join_parts("whole", parts, empty), WHOLE)


def test_units_are_in_the_order_of_their_numbers() -> None:
    """Unit 10 comes after unit 9, though its text comes before."""
    joined = join_parts("whole", [WHOLE.select_days(np.arange(12, 24)), WHOLE.select_days(np.arange(12))], empty)
    assert [day.unit for day in joined.days] == [day.unit for day in WHOLE.days]


@pytest.mark.parametrize("unit", ["5²", "①", "٣ day"])
def test_a_unit_may_have_any_digits_in_its_name(unit: str) -> None:
    parts = [WHOLE.select_days([day]) for day in (0, 1)]
    parts[0] = replace(parts[0], days=(replace(parts[0].days[0], unit=unit),))
    joined = join_parts("whole", parts, empty)
    assert {day.unit for day in joined.days} == {unit, WHOLE.days[1].unit}


def test_a_day_in_two_parts_and_parts_of_other_kinds_are_refused() -> None:
    with pytest.raises(InvalidLog, match="lies in two parts"):
        join_parts("whole", [WHOLE, WHOLE.select_days([3])], empty)
    other = small_log("other", "conversion", units=1, first=40, auctions=3)
    with pytest.raises(InvalidLog, match="differs from"):
        join_parts("whole", [WHOLE, replace(other, sources=other.sources + 1)], empty)


@pytest.mark.parametrize("memory_map", [False, True, None])
def test_a_folder_of_parts_is_read_as_one_log(tmp_path: Path, memory_map: bool | None) -> None:
    assert not holds_log(tmp_path)
    for name, days in (("a", range(10)), ("b", range(10, 24))):
        save_log(WHOLE.select_days(list(days)), tmp_path / name)
    Shards(name="whole", parts=("a", "b")).save(tmp_path)
    assert holds_log(tmp_path)
    alike(load_log(tmp_path, memory_map), WHOLE)


def test_a_list_of_parts_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / SHARDS_FILE).write_text("{}")
    with pytest.raises(DamagedLog, match=r"shards\.json cannot be read"):
        load_log(tmp_path)

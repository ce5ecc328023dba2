"""Ids: a whole number has one spelling, everything else is told apart letter by letter."""

from typing import Any

import polars as pl
import pytest

from bidpilot.bidding.errors import LossyIds
from bidpilot.envs.logs.identities import Identities


def spelled(values: list[Any], dtype: Any = pl.String) -> tuple[list[Any], list[str]]:
    ids = Identities(["id"])
    frame = pl.DataFrame({"id": pl.Series(values, dtype=dtype)})
    return ids.one_spelling(frame)["id"].cast(pl.String).to_list(), ids.notes


def test_whole_numbers_are_one_id_however_they_are_written() -> None:
    found, notes = spelled(["12", "12.0", "012", " 12", "+12", "12.", "12.00", None])
    assert found == ["12"] * 7 + [None]
    assert notes == ["6 ids of column id are whole numbers in another spelling (12.0, 012 and 12 are one id)"]


def test_zero_and_negative_numbers_too() -> None:
    assert spelled(["0", "00", "-0", "0.0", "-3.0", "-03"])[0] == ["0", "0", "0", "0", "-3", "-3"]


def test_other_ids_are_text() -> None:
    ids = ["1e5", "0x12", "12.5", "a-1", "1-1", "1.2.0", "12a", "b007"]
    assert spelled(ids) == (ids, [])


@pytest.mark.parametrize("dtype", [pl.Int64, pl.UInt8, pl.Float64, pl.Float32])
def test_numbers_of_parquet_are_spelled_as_text_is(dtype: Any) -> None:
    assert spelled([7, 12, None], dtype)[0] == ["7", "12", None]


def test_what_is_no_number_is_no_id() -> None:
    assert spelled([7.0, float("nan"), 7.5], pl.Float64)[0] == ["7", None, "7.5"]


def test_large_whole_numbers_keep_all_their_digits() -> None:
    assert spelled([2**53 + 1, 2**53], pl.Int64)[0] == ["9007199254740993", "9007199254740992"]
    assert spelled(["9007199254740993", "009007199254740993"])[0] == ["9007199254740993"] * 2


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([2.0**53], pl.Float64),
        ([2.0**24], pl.Float32),
        (["9007199254740992.0"], pl.String),
        (["1.234567890123457e+18"], pl.String),
        (["1.23457E+11"], pl.String),
    ],
)
def test_ids_that_were_rounded_are_refused(values: list[Any], dtype: Any) -> None:
    with pytest.raises(LossyIds, match="Column id"):
        spelled(values, dtype)

"""How books are compared: whole numbers per day and slot, so that one auction or one millionth too many is seen."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tests.loop.source import MICRO

CELL = ("day", "slot")
_SHOWN = 5  # differences that a message names


def in_micro(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Amounts as whole millionths; float32 is widened first, since it cannot hold the product."""
    return frame.with_columns((pl.col(columns).cast(pl.Float64) * MICRO).round().cast(pl.Int64))


def tally(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Rows (`auctions`) and the sums of whole-number `columns` of each day and slot that has a row, in order."""
    whole = frame.select(pl.col("day").cast(pl.String), pl.col("slot").cast(pl.Int64), *(pl.col(c) for c in columns))
    return whole.group_by(CELL).agg(pl.len().cast(pl.Int64).alias("auctions"), pl.col(columns).sum()).sort(CELL)


def differences(found: pl.DataFrame, expected: pl.DataFrame) -> list[str]:
    """Where two tallies differ, in words; empty where they are the same."""
    columns = [c for c in expected.columns if c not in CELL]
    both = expected.join(found.select(*CELL, *columns), on=CELL, how="full", coalesce=True, suffix="_found").sort(CELL)
    faults = [
        f"{row['day']} slot {row['slot']}: {column} {row[f'{column}_found'] or 0} came out, {row[column] or 0} went in"
        for row in both.iter_rows(named=True)
        for column in columns
        if (row[column] or 0) != (row[f"{column}_found"] or 0)
    ]
    more = len(faults) - _SHOWN
    return faults if more <= 0 else [*faults[:_SHOWN], f"and {more} more"]


def totals(frame: pl.DataFrame, *columns: str) -> dict[str, int]:
    """Sums of whole-number columns."""
    return {c: int(frame[c].sum()) for c in columns}

"""One spelling for each id: an id that is a whole number is that number, however it is written.

`12`, `12.0`, `012` and ` 12` are one id in every column that tells things apart (campaign, key, rate, channel, tier,
source, hash). Anything else is told apart letter by letter; `1e5` is text, since ids in hexadecimal look so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import polars as pl

from bidpilot.bidding.errors import LossyIds

_WHOLE = r"^\+?(-?)0*(\d+)(?:\.0*)?$"
_ODD = r"^[\s+]|\s$|^-?0\d|^-?\d+\.0*$|^-0$"  # a cheap look: most columns have none
_ROUNDED = r"^-?\d+(?:\.\d+)?[eE]\+\d+$"  # how pandas and Excel write what no longer has all its digits
_REPLACED = "\ufffd"
_EXACT, _EXACT_SINGLE = 2**53, 2**24  # whole numbers below it are kept by Float64 and Float32


class Identities:
    """Brings the columns of ids to one spelling, batch by batch, and counts what it changed.

    Args:
        columns: their names.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns = tuple(dict.fromkeys(columns))
        self._changed: Counter[str] = Counter()
        self._replaced: Counter[str] = Counter()

    def one_spelling(self, raw: pl.DataFrame, count: bool = True) -> pl.DataFrame:
        """The rows with ids as text (whole numbers of Parquet stay numbers: their text is the same).

        Raises:
            LossyIds: numbers so large that their last digits were lost when they became decimal.
        """
        present = [name for name in self._columns if name in raw.columns]
        return raw.with_columns(self._spelled(raw[name], count) for name in present)

    @property
    def notes(self) -> list[str]:
        """How many ids were written in another way than they are kept, by column."""
        return [
            f"{count} ids of column {name} are whole numbers in another spelling (12.0, 012 and 12 are one id)"
            for name, count in self._changed.items()
        ] + [
            f"{count} ids of column {name} hold the mark of a lost character (U+FFFD): different ones may be one"
            for name, count in self._replaced.items()
        ]

    def _spelled(self, column: pl.Series, count: bool) -> pl.Series:
        if column.dtype.is_float():
            return self._from_floats(column, count)
        if column.dtype.is_integer():
            return column
        text = column.cast(pl.String, strict=False)
        if count and (replaced := int(text.str.contains(_REPLACED, literal=True).sum())):
            self._replaced[column.name] += replaced
        if not text.str.contains(_ODD).any() and not text.str.contains(_ROUNDED).any():
            return text
        stripped = text.str.strip_chars()
        number = stripped.filter(stripped.str.contains(r"^-?\d+\.0*$")).cast(pl.Float64)
        if stripped.str.contains(_ROUNDED).any() or (number.abs() >= _EXACT).any():
            raise self._lossy(column.name)
        whole = stripped.str.replace(_WHOLE, "${1}${2}").replace("-0", "0")
        if count and (changed := int((whole != text).sum())):
            self._changed[column.name] += changed
        return whole

    def _from_floats(self, column: pl.Series, count: bool) -> pl.Series:
        numbers = column.fill_nan(None)
        if (numbers.abs() >= (_EXACT if column.dtype == pl.Float64 else _EXACT_SINGLE)).any():
            raise self._lossy(column.name)
        whole = numbers == numbers.floor()
        frame = pl.DataFrame({"number": numbers, "whole": whole})
        if count and (changed := int(whole.sum())):
            self._changed[column.name] += changed
        return frame.select(
            pl.when("whole")
            .then(pl.col("number").cast(pl.Int64, strict=False).cast(pl.String))
            .otherwise(pl.col("number").cast(pl.String))
            .alias(column.name)
        ).to_series()

    def _lossy(self, name: str) -> LossyIds:
        return LossyIds(
            f"Column {name} holds ids that were rounded when they became decimal numbers (2^53 and above, or written "
            "with an exponent), so that different ids may have become one. Write the column as whole numbers or text."
        )

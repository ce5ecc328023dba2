"""Times of a mapping's rows, read as the mapping says, and refused where they cannot be what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from bidpilot.bidding.errors import MisdatedLog
from bidpilot.envs.logs.mapping import RELATIVE, UNITS, TimeMap

DAY_MS = 86_400_000
_EXCEL_MS = 25_569 * DAY_MS  # from Excel's day 0, 1899-12-30, to 1970
_LONGEST_MS = 3660 * DAY_MS  # of times that count from 0: ten years
_FIRST_HOUR_MS = 3_600_000
_ZONED, _NAIVE = "%Y-%m-%dT%H:%M:%S%.f%#z", ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")


@dataclass(frozen=True)
class Moments:
    """Expressions of a batch's times."""

    epoch: pl.Expr  # milliseconds that order auctions
    wall: pl.Expr  # milliseconds of the day's clock on the wall
    readable: pl.Expr  # whether the time could be read at all
    plausible: pl.Expr  # whether it also lies in the range that the mapping allows


class Times:
    """Reads the time column, and looks at all times of an import together.

    Args:
        time: what the mapping says of it.
        slots: slots per day; a day of one slot needs no time of the day.
    """

    def __init__(self, time: TimeMap, slots: int) -> None:
        self._time, self._slots = time, slots
        self._seen = self._outside = 0
        self._from_zero = time.form in RELATIVE
        first, last = time.years
        self._low_ms, self._high_ms = (
            int(np.datetime64(f"{year:04}-01-01", "ms").astype(np.int64)) for year in (first, last + 1)
        )

    @property
    def from_zero(self) -> bool:
        """Whether times count from 0, so that days have numbers and no dates."""
        return self._from_zero

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the log's times."""
        if self._from_zero and self._time.form not in RELATIVE:
            return ["times count from 0 and not from 1970: days are named by number; say `form: relative_s`"]
        return ["times count from 0: days are named by number"] if self._from_zero else []

    def read(self, raw: pl.DataFrame) -> Moments:
        """Expressions for this batch.

        Raises:
            MisdatedLog: the column's type has no time of the day, or does not fit the form.
        """
        time, dtype = self._time, raw.schema[self._time.column]
        column = pl.col(time.column)
        if isinstance(dtype, pl.Datetime):
            return self._of_moment(column.dt.cast_time_unit("ms"), aware=dtype.time_zone is not None)
        if dtype == pl.Date:
            self._needs_one_slot()
            return self._of_moment(column.cast(pl.Datetime("ms")), aware=False)
        if dtype.is_temporal() or dtype.is_nested() or dtype in (pl.Boolean, pl.Binary):
            raise MisdatedLog(f"Column {time.column} holds {dtype}, which is no time. Name the column of times.")
        if time.form in UNITS:
            return self._of_numbers(raw)
        if dtype.is_numeric() and time.form == "iso":
            raise MisdatedLog(
                f"Column {time.column} holds numbers ({dtype}), but the mapping says `form: iso`. Say which: "
                f"{', '.join(UNITS)}, or a strftime pattern."
            )
        text = column.cast(pl.String)
        return self._of_iso(text) if time.form == "iso" else self._of_pattern(text)

    def look(self, readable: pl.Series, plausible: pl.Series, raw: pl.DataFrame) -> None:
        """Count a batch's times.

        Raises:
            MisdatedLog: most times of the import lie outside the range, so that their unit is another.
        """
        outside = readable & ~plausible
        self._seen += int(readable.sum())
        self._outside += int(outside.sum())
        if self._outside * 2 > self._seen:
            raise MisdatedLog(self._explain(raw.filter(outside)[self._time.column]))

    def _needs_one_slot(self) -> None:
        if self._slots > 1:
            raise MisdatedLog(
                f"Column {self._time.column} holds dates without a time of the day, so that nobody knows the slots of "
                "its auctions. Name a column with times, or give days of one slot (`slots: 1`)."
            )

    def _of_numbers(self, raw: pl.DataFrame) -> Moments:
        form, column = self._time.form, self._time.column
        number = pl.col(column).cast(pl.Float64, strict=False) * UNITS[form]
        if form == "epoch_s" and self._seen == 0:
            self._from_zero = _starts_at_zero(raw.select(number).to_series())
        if form == "excel":
            number = (number - _EXCEL_MS).round()  # a day's fractions are not exact
        low, high = (0, _LONGEST_MS) if self._from_zero else (self._low_ms, self._high_ms)
        plausible = number.is_finite() & (number >= low) & (number < high)
        epoch = pl.when(plausible).then(number).cast(pl.Int64)
        wall = epoch
        if not self._from_zero and form != "excel":
            wall = self._on_the_wall(epoch.cast(pl.Datetime("ms", "UTC")))
        shift = self._time.day_starts * 3_600_000
        return Moments(epoch, wall - shift, number.is_finite().fill_null(False), plausible.fill_null(False))

    def _of_iso(self, text: pl.Expr) -> Moments:
        text = (
            text.str.strip_chars()
            .str.replace(r"^(\S+)\s+", "${1}T")
            .str.replace(r"(\d)\s*(?:UTC|GMT|Z|z)$", "${1}Z")
            .str.replace(r"(T\S+)\s+([+-]\d)", "${1}${2}")
            .str.replace(r"(:\d\d),(\d+)", "${1}.${2}")
        )
        zoned = text.str.to_datetime(_ZONED, time_unit="ms", time_zone="UTC", strict=False)
        naive = [text.str.to_datetime(form, time_unit="ms", strict=False) for form in _NAIVE]
        if self._slots == 1:
            naive.append(text.str.to_datetime("%Y-%m-%d", time_unit="ms", strict=False))
        wall = pl.coalesce(self._on_the_wall(zoned), *(moment.dt.epoch("ms") for moment in naive))
        return self._judged(pl.coalesce(zoned.dt.epoch("ms"), *(moment.dt.epoch("ms") for moment in naive)), wall)

    def _of_pattern(self, text: pl.Expr) -> Moments:
        form = self._time.form
        aware = any(mark in form for mark in ("%z", "%#z", "%:z", "%s", "%+"))
        moment = text.str.to_datetime(form, time_unit="ms", time_zone="UTC" if aware else None, strict=False)
        return self._of_moment(moment, aware)

    def _of_moment(self, moment: pl.Expr, aware: bool) -> Moments:
        epoch = moment.dt.epoch("ms")
        return self._judged(epoch, self._on_the_wall(moment) if aware else epoch)

    def _on_the_wall(self, moment: pl.Expr) -> pl.Expr:
        return moment.dt.convert_time_zone(self._time.zone).dt.replace_time_zone(None).dt.epoch("ms")

    def _judged(self, epoch: pl.Expr, wall: pl.Expr) -> Moments:
        plausible = ((wall >= self._low_ms) & (wall < self._high_ms)).fill_null(False)
        within = pl.when(plausible).then(wall - self._time.day_starts * 3_600_000)
        return Moments(epoch, within, wall.is_not_null(), plausible)

    def _explain(self, outside: pl.Series) -> str:
        time, share = self._time, f"{self._outside} of {self._seen}"
        first, last = time.years
        wanted = "from 0 to ten years" if self._from_zero else f"in the years {first} to {last}"
        said = f"{share} times of column {time.column} do not lie {wanted} under `form: {time.form}`"
        likely = list(self._other_forms(outside))
        if likely:
            return f"{said}, but would under `form: {likely[0]}`. Say so in the mapping."
        return f"{said}. Correct the form, or give the years that the log covers (`years: [FIRST, LAST]`)."

    def _other_forms(self, outside: pl.Series) -> Iterator[str]:
        if not outside.dtype.is_numeric() and outside.dtype != pl.String:
            return
        middle = outside.cast(pl.Float64, strict=False).median()
        if not isinstance(middle, float):
            return
        for form, unit in UNITS.items():
            moment = middle * unit - (_EXCEL_MS if form == "excel" else 0)
            low, high = (0, _LONGEST_MS) if form in RELATIVE else (self._low_ms, self._high_ms)
            if form != self._time.form and low <= moment < high:
                yield form


def _starts_at_zero(times_ms: pl.Series) -> bool:
    """Whether seconds count from 0: they begin in the first hour, where no wrong unit would put them."""
    low, high = times_ms.min(), times_ms.max()
    return isinstance(low, float) and isinstance(high, float) and 0 <= low < _FIRST_HOUR_MS and high < _LONGEST_MS

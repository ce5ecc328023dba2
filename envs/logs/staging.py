"""First pass of an import: type every row, set aside what cannot be used, and sort the rest by day on disk.

Memory is bounded by a batch, whatever the size of the files.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bidpilot.bidding.errors import CensoredLog
from bidpilot.bidding.traffic.sources import CLUSTERS
from bidpilot.envs.logs.formats import DEFAULT_SEGMENT, REASON_LOST, STAGED, Format, ImportOptions
from bidpilot.envs.logs.rates import Rates

PROVENANCE = {"file": pl.Int32, "row": pl.Int64}
_FLUSH_ROWS = 1 << 21  # rows gathered before they are written by day: fewer, larger files
_LANDSCAPE_ROWS = 2_000_000


class Staging:
    """Rows on disk by day, and what was counted on the way.

    Args:
        folder: an empty folder, for this import alone.
        format: the format of the files.
        options: what the caller decides.
    """

    def __init__(self, folder: Path, format: Format, options: ImportOptions) -> None:
        self.folder, self.format, self.options = folder, format, options
        self.days: dict[tuple[int, str], list[Path]] = {}
        self.rates = Rates(format.rated)
        self.segments: set[str] = set()
        self.sources = 1  # that are told apart
        self.reasons: Counter[str] = Counter()
        self.rows_in = self.rows_other = self.rows_unsorted = self.rows_lost = 0
        self.landscape: list[pl.DataFrame] = []  # price or bid, and whether won, of a sample of rows
        self._stride = 1
        self._gathered: list[pl.DataFrame] = []
        self._asides = 0
        (folder / "days").mkdir(parents=True)
        (folder / "aside").mkdir()

    def add(self, path: Path, number: int) -> None:
        """Stage all rows of one file."""
        last_arrival: int | None = None
        for batch in self.format.read(path):
            raw = self._asked_for(batch)
            self.rows_in += raw.height
            typed = self._complete(self.format.typed(raw), raw["row"], number)
            bad = typed["reason"].is_not_null()
            if bad.any():
                self.set_aside(path.name, raw.filter(bad), typed["reason"].filter(bad))
            good = typed.filter(~bad).drop("reason")
            if not good.height:
                continue
            if self.format.timed:
                before = good["arrival"].shift(1, fill_value=last_arrival)
                self.rows_unsorted += int((good["arrival"] < before).sum())
                last_arrival = int(good["arrival"][-1])
            self._count(good)
            self._gathered.append(good)
            if sum(part.height for part in self._gathered) >= _FLUSH_ROWS:
                self.flush()

    def flush(self) -> None:
        """Write what was gathered, one part per day."""
        if not self._gathered:
            return
        rows = pl.concat(self._gathered)
        self._gathered = []
        # What a format does not have costs nothing on disk.
        rows = rows.select(column for column in rows if column.null_count() < rows.height)
        # Numbers part faster than text, and most days have one campaign.
        for day in rows.partition_by("period"):
            for part in day.partition_by("campaign") if day["campaign"].n_unique() > 1 else [day]:
                parts = self.days.setdefault((part["period"][0], part["campaign"][0]), [])
                home = parts[0].parent if parts else self.folder / "days" / str(len(self.days))
                home.mkdir(exist_ok=True)
                parts.append(home / f"{len(parts)}.arrow")
                part.drop("period", "campaign").write_ipc(parts[-1], compression="lz4")

    def set_aside(self, file: str, raw: pl.DataFrame, reason: pl.Series) -> None:
        """Keep rows that cannot be used, as text, with their reasons."""
        self.reasons.update(dict(reason.value_counts().iter_rows()))
        kept = self.format.text(raw).select(
            pl.lit(file).alias("file"), raw["row"], pl.all().cast(pl.String), reason.alias("reason")
        )
        kept.write_parquet(self.folder / "aside" / f"{self._asides:06}.parquet")
        self._asides += 1

    def ordered_days(self) -> list[tuple[int, str]]:
        """The days by period, then campaign: as numbers where all campaigns are numbers."""
        campaigns = {campaign for _, campaign in self.days}
        if all(campaign.isdigit() for campaign in campaigns):
            return sorted(self.days, key=lambda day: (day[0], int(day[1])))
        return sorted(self.days)

    def read_day(self, day: tuple[int, str]) -> pl.DataFrame:
        """All rows of a day in the order of the files, with every column of STAGED, and delete them from disk."""
        parts = self.days[day]
        rows = pl.concat([pl.read_ipc(part) for part in parts], how="diagonal")
        for part in parts:
            part.unlink()
        missing = [
            pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in STAGED.items()
            if name not in rows.columns and name not in ("period", "campaign")
        ]
        return rows.with_columns(missing)

    def landscape_columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Price, bid and whether won of the sampled rows; NaN where not seen."""
        rows = pl.concat(self.landscape)
        price, bid = (rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in ("market_price", "bid"))
        return price, bid, rows["market_price"].is_not_null().to_numpy()

    def _asked_for(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The rows of the advertiser asked for; those without one may be theirs, so they stay."""
        advertiser, whose = self.options.advertiser, self.format.whose
        if advertiser is None or whose is None:
            return batch
        number = pl.col(whose).cast(pl.Float64, strict=False)
        asked = batch.filter(((number == advertiser) | number.is_null() | number.is_nan()).fill_null(True))
        self.rows_other += batch.height - asked.height
        return asked

    def _complete(self, typed: pl.DataFrame, row: pl.Series, number: int) -> pl.DataFrame:
        given = set(typed.columns)
        columns = [
            (pl.col(name) if name in given else pl.lit(None)).cast(dtype).alias(name) for name, dtype in STAGED.items()
        ]
        hashed = [pl.col(name).cast(pl.UInt64) for name in self.format.hashed]
        rows = typed.select(*columns, *hashed, pl.lit(number, dtype=pl.Int32).alias("file"), row, pl.col("reason"))
        lost = pl.col("market_price").is_null() & pl.col("reason").is_null()
        if not self.format.has_prices or not rows.select(lost.any()).item():
            return rows
        self.rows_lost += int(rows.select(lost.sum()).item())
        if self.options.lost == "refuse":
            raise CensoredLog(
                f"{self.rows_lost} or more auctions were lost and their market prices were not seen, so the log cannot "
                "be replayed: a bid above the recorded one would win at an unknown price. Fit a price model: import "
                "with --lost draw; or leave these auctions out with --lost set-aside."
            )
        if self.options.lost == "set-aside":
            return rows.with_columns(pl.when(lost).then(pl.lit(REASON_LOST)).otherwise("reason").alias("reason"))
        return rows

    def _count(self, good: pl.DataFrame) -> None:
        self.rates.add(good)
        self.segments.update(good["segment"].fill_null(DEFAULT_SEGMENT).unique().to_list())
        if good["source"].is_not_null().any():
            self.sources = CLUSTERS + 1  # as a bid server tells them apart, so that its bundle finds them again
        if self.options.lost == "draw" and self.format.has_prices:
            self.landscape.append(good.select("market_price", "bid").gather_every(self._stride))
            if sum(part.height for part in self.landscape) > _LANDSCAPE_ROWS:
                self._stride *= 2
                self.landscape = [pl.concat(self.landscape).gather_every(2)]

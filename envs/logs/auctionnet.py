"""Importer of AuctionNet traffic (Su et al., "AuctionNet", NeurIPS 2024 D&B), CSV or Parquet.

Every (period, advertiser) is one day with its own budget and target CPA. The market price is
`leastWinningCost`; the predicted conversion is `pValue`, worth `CPAConstraint` each. A log of
one's own that has these columns imports the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from bidpilot.bidding.errors import EmptyLog
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.logs.files import find_files, read_columns

SLOTS = 48  # half-hours; timeStepIndex runs over 0 .. 47
SEGMENT = "feed/head"
NOTES = (
    "true = predicted: AuctionNet gives predicted conversion probabilities only",
    "no realised outcomes: conversionAction exists only where the recorded advertiser won",
    "exposure = 1 and interaction = 0: AuctionNet has neither",
)
KEYS = ("deliveryPeriodIndex", "advertiserNumber", "timeStepIndex", "pvIndex")
AMOUNTS = ("budget", "CPAConstraint", "pValue", "leastWinningCost")
COLUMNS = (*KEYS, *AMOUNTS)
DAY = ("deliveryPeriodIndex", "advertiserNumber")

REASON_KEY = "a key is missing or not a whole number"
REASON_SLOT = f"timeStepIndex is not in 0..{SLOTS - 1}"
REASON_VALUE = "pValue is missing or not in [0, 1]"
REASON_PRICE = "leastWinningCost is missing, negative or not finite"
REASON_BUDGET = "budget is missing or not above zero"
REASON_CPA = "CPAConstraint is missing or not above zero"
REASON_VARIES = "budget or CPAConstraint differs from the rest of the day"
REASON_DUPLICATE = "the period, advertiser and pvIndex were met before"


@dataclass(frozen=True)
class ImportResult:
    """A log, and what did not become part of it: rows_in = log.n + set_aside.height."""

    log: AuctionLog
    set_aside: pl.DataFrame  # file, row (0-based), the columns as text, reason
    rows_in: int  # rows read, of the advertiser asked for
    rows_other: int = 0  # rows of other advertisers, not read further


def import_auctionnet(
    files: Iterable[str | Path], advertiser: int | None = None, name: str = "auctionnet"
) -> ImportResult:
    """Import AuctionNet traffic files; parts of one day in several files are merged.

    Rows that cannot be used are set aside with a reason; of duplicates the first is kept. A slot
    without rows stays, empty. Auctions are ordered by slot and, inside a slot, by pvIndex.

    Args:
        files: paths or patterns of .csv and .parquet files.
        advertiser: the one advertiser to import; None imports all.
        name: the log's name.

    Raises:
        NoFilesMatched, UnknownFormat, UnreadableFile: from the files.
        MissingColumn: a file lacks one of COLUMNS; names the nearest that is present.
        EmptyLog: no row can be used, or none is of the advertiser asked for.
    """
    paths = find_files(files)
    usable, set_aside, rows_in, rows_other = [], [], 0, 0
    for path in paths:
        good, bad, other = _read_file(path, advertiser)
        rows_in += good.height + bad.height
        rows_other += other
        usable.append(good)
        set_aside.append(bad)
    rows, bad = _without_conflicts(pl.concat(usable))
    aside = pl.concat([*set_aside, bad])
    if not rows.height:
        raise EmptyLog(_explain_empty(paths, advertiser, rows_in, aside))
    return ImportResult(_make_log(rows, name, advertiser), aside, rows_in, rows_other)


def _typed(path: Path, row_reason: pl.Expr) -> list[pl.Expr]:
    keys = [_whole(name) for name in KEYS]
    amounts = [pl.col(name).cast(pl.Float64, strict=False).cast(pl.Float32) for name in AMOUNTS]
    return [pl.lit(path.name).alias("file"), pl.col("row"), *keys, *amounts, row_reason.alias("reason")]


def _whole(name: str) -> pl.Expr:
    """A key as an integer; null where it is no whole number ("3.0" is one, "3.5" is not)."""
    number = pl.col(name).cast(pl.Float64, strict=False)
    fits = number.is_between(0, np.iinfo(np.int32).max) & (number == number.floor())
    return pl.when(fits).then(number).otherwise(None).cast(pl.Int32).alias(name)


def _reason() -> pl.Expr:
    """Why a row of typed columns cannot be used, by itself; null where it can."""

    def outside(name: str, usable: pl.Expr) -> pl.Expr:
        return ~(pl.col(name).is_finite() & usable).fill_null(False)

    price, value = pl.col("leastWinningCost"), pl.col("pValue")
    return (
        pl.when(pl.any_horizontal(pl.col(KEYS).is_null()))
        .then(pl.lit(REASON_KEY))
        .when(~pl.col("timeStepIndex").is_between(0, SLOTS - 1))
        .then(pl.lit(REASON_SLOT))
        .when(outside("pValue", value.is_between(0, 1)))
        .then(pl.lit(REASON_VALUE))
        .when(outside("leastWinningCost", price >= 0))
        .then(pl.lit(REASON_PRICE))
        .when(outside("budget", pl.col("budget") > 0))
        .then(pl.lit(REASON_BUDGET))
        .when(outside("CPAConstraint", pl.col("CPAConstraint") > 0))
        .then(pl.lit(REASON_CPA))
        .otherwise(None)
    )


def _read_file(path: Path, advertiser: int | None) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Usable rows (typed), rows set aside (as text), and the number of rows of other advertisers."""
    raw = read_columns(path, COLUMNS).with_row_index("row")
    other = 0
    if advertiser is not None:
        # A row without an advertiser may be of the one asked for, so it is set aside, not skipped.
        whose = pl.col("advertiserNumber").cast(pl.Float64, strict=False)
        asked = raw.filter(((whose == advertiser) | whose.is_null() | whose.is_nan()).fill_null(True))
        other, raw = raw.height - asked.height, asked
    typed = raw.select(_typed(path, pl.lit(None, dtype=pl.String))).with_columns(_reason().alias("reason"))
    bad = typed["reason"].is_not_null()
    aside = _as_text(raw.filter(bad).with_columns(file=pl.lit(path.name), reason=typed["reason"].filter(bad)))
    return typed.filter(~bad).drop("reason"), aside, other


def _as_text(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("file", "row", pl.col(COLUMNS).cast(pl.String), "reason")


def _without_conflicts(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Set aside what contradicts the rest of its day: other budgets or targets, and duplicates."""
    terms = [*DAY, "budget", "CPAConstraint"]
    # The day's terms are those of most of its rows: one corrupted row must not set its day aside.
    common = (
        rows.group_by(terms, maintain_order=True)
        .len()
        .sort("len", descending=True, maintain_order=True)
        .unique(DAY, keep="first", maintain_order=True)
        .select(*DAY, pl.col("budget").alias("common_budget"), pl.col("CPAConstraint").alias("common_cpa"))
    )
    rows = rows.join(common, on=DAY, how="left", maintain_order="left")
    agrees = (pl.col("budget") == pl.col("common_budget")) & (pl.col("CPAConstraint") == pl.col("common_cpa"))
    rows = rows.with_columns(agrees=agrees).drop("common_budget", "common_cpa")
    varying = _as_text(rows.filter(~pl.col("agrees")).with_columns(reason=pl.lit(REASON_VARIES)))
    rows = rows.filter("agrees").drop("agrees")
    first = rows.select(pl.struct(*DAY, "pvIndex").is_first_distinct()).to_series()
    duplicates = _as_text(rows.filter(~first).with_columns(reason=pl.lit(REASON_DUPLICATE)))
    return rows.filter(first), pl.concat([varying, duplicates])


def _make_log(rows: pl.DataFrame, name: str, advertiser: int | None) -> AuctionLog:
    rows = rows.sort(*DAY, "timeStepIndex", "pvIndex")
    n = rows.height
    per_day = rows.group_by(DAY, maintain_order=True).agg(pl.len(), pl.col("budget", "CPAConstraint").first())
    day = np.repeat(np.arange(per_day.height), per_day["len"].to_numpy())
    place = day * SLOTS + rows["timeStepIndex"].to_numpy()
    counts = np.bincount(place, minlength=per_day.height * SLOTS).reshape(-1, SLOTS)
    exposure = np.ones(n, dtype=np.float32)
    interaction = np.zeros(n, dtype=np.float32)
    conversion = np.ascontiguousarray(rows["pValue"].to_numpy())
    selected = () if advertiser is None else (f"advertiser {advertiser} only",)
    return AuctionLog(
        name=name,
        market_price=np.ascontiguousarray(rows["leastWinningCost"].to_numpy()),
        exposure=exposure,
        interaction=interaction,
        conversion=conversion,
        true_exposure=exposure,
        true_interaction=interaction,
        true_conversion=conversion,
        segment=np.zeros(n, dtype=np.int16),
        source=np.zeros(n, dtype=np.int16),
        invalid=np.zeros(n, dtype=np.bool_),
        interacted=None,
        converted=None,
        offsets=stack_offsets([row.astype(np.int64) for row in counts]),
        days=tuple(_record(*row) for row in per_day.iter_rows()),
        segments=(SEGMENT,),
        sources=1,
        notes=(*NOTES, *selected),
    )


def _record(period: int, advertiser: int, _rows: int, budget: float, cpa: float) -> DayRecord:
    return DayRecord(
        label=f"advertiser {advertiser}, period {period}",
        unit=f"period {period}",
        budget=float(budget),
        conversion_value=float(cpa),
        max_cpa=float(cpa),
    )


def _explain_empty(paths: Sequence[Path], advertiser: int | None, rows_in: int, aside: pl.DataFrame) -> str:
    where = ", ".join(path.name for path in paths[:3]) + (" ..." if len(paths) > 3 else "")
    if rows_in == 0 and advertiser is not None:
        return f"No row of {where} is of advertiser {advertiser}. Name one that is, or none."
    if rows_in == 0:
        return f"{where} hold no rows. Name files with traffic."
    reasons = aside["reason"].value_counts(sort=True).rows()
    return f"None of the {rows_in} rows of {where} can be used: {dict(reasons)}. Correct the files."

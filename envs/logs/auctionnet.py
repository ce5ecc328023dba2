"""Importer of AuctionNet traffic (Su et al., "AuctionNet", NeurIPS 2024 D&B), CSV or Parquet.

Every (period, advertiser) is one day with its own budget and target CPA. The market price is
`leastWinningCost`; the predicted conversion is `pValue`, worth `CPAConstraint` each. A log of
one's own that has these columns imports the same way.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from bidpilot.envs.logs.files import RAGGED, TextLayout, columns_of, read_batches
from bidpilot.envs.logs.formats import REASON_FIELDS, Format, ImportOptions
from bidpilot.envs.logs.importing import ImportResult, import_in_memory

SLOTS = 48  # half-hours; timeStepIndex runs over 0 .. 47
NOTES = (
    "true = predicted: AuctionNet gives predicted conversion probabilities only",
    "no realised outcomes: conversionAction exists only where the recorded advertiser won",
    "exposure = 1 and interaction = 0: AuctionNet has neither",
)
KEYS = ("deliveryPeriodIndex", "advertiserNumber", "timeStepIndex", "pvIndex")
AMOUNTS = ("budget", "CPAConstraint", "pValue", "leastWinningCost")
COLUMNS = (*KEYS, *AMOUNTS)
_LAYOUT = TextLayout()

REASON_KEY = "a key is missing or not a whole number"
REASON_SLOT = f"timeStepIndex is not in 0..{SLOTS - 1}"
REASON_VALUE = "pValue is missing or not in [0, 1]"
REASON_PRICE = "leastWinningCost is missing, negative or not finite"
REASON_BUDGET = "budget is missing or not above zero"
REASON_CPA = "CPAConstraint is missing or not above zero"
REASON_DUPLICATE = "the period, advertiser and pvIndex were met before"


def auctionnet_format(options: ImportOptions) -> Format:
    """The format of AuctionNet traffic."""
    selected = () if options.advertiser is None else (f"advertiser {options.advertiser} only",)
    return Format(
        name="auctionnet",
        slots=SLOTS,
        used=COLUMNS,
        present=lambda path: columns_of(path, _LAYOUT, COLUMNS),
        read=lambda path: read_batches(path, COLUMNS, _LAYOUT),
        typed=_typed,
        text=lambda raw: raw.select(COLUMNS),
        label=lambda period, advertiser: (f"advertiser {advertiser}, period {period}", f"period {period}"),
        notes=(*NOTES, *selected),
        whose="advertiserNumber",
        duplicate=REASON_DUPLICATE,
    )


def import_auctionnet(
    files: Iterable[str | Path], advertiser: int | None = None, name: str = "auctionnet"
) -> ImportResult:
    """Import AuctionNet traffic files into memory; parts of one day in several files are merged.

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
    return import_in_memory(auctionnet_format, files, ImportOptions(advertiser=advertiser), name)


def _typed(raw: pl.DataFrame) -> pl.DataFrame:
    amounts = [pl.col(name).cast(pl.Float64, strict=False).cast(pl.Float32) for name in AMOUNTS]
    typed = raw.select(*(_whole(name) for name in KEYS), *amounts, RAGGED)
    return typed.select(
        period="deliveryPeriodIndex",
        campaign=pl.col("advertiserNumber").cast(pl.String),
        slot="timeStepIndex",
        arrival="pvIndex",
        key="pvIndex",
        market_price="leastWinningCost",
        conversion="pValue",
        budget="budget",
        conversion_value="CPAConstraint",
        max_cpa="CPAConstraint",
        reason=_reason(),
    ).with_columns(
        # A row that is set aside has no slot, or one that no day has.
        slot=pl.when(pl.col("reason").is_null()).then("slot").otherwise(None)
    )


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
        pl.when(RAGGED)
        .then(pl.lit(REASON_FIELDS))
        .when(pl.any_horizontal(pl.col(KEYS).is_null()))
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

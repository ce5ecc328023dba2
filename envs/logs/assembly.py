"""Second pass of an import: day by day, settle conflicts, fill what is missing, and append to the columns.

Memory is bounded by the largest day; the columns grow in files and are mapped from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bidpilot.bidding.errors import EmptyLog, InvalidLog
from bidpilot.bidding.event import EVENTS
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.auction_log import EVENT_COLUMNS, AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.logs.checks import DTYPES
from bidpilot.envs.logs.filling import Filling
from bidpilot.envs.logs.formats import DEFAULT_SEGMENT, in_words
from bidpilot.envs.logs.staging import Staging
from bidpilot.envs.logs.terms import DayTerms

_MOST_SEGMENTS = 256


@dataclass
class _Day:
    period: int
    campaign: str
    counts: NDArray[np.int64]  # (T,)
    cost: float  # of all its auctions, currency
    terms: dict[str, float | None]


def assemble(staging: Staging, paths: list[Path], name: str, in_memory: bool) -> AuctionLog:
    """The log of everything that was staged; what was met before in its day is set aside.

    Args:
        staging: the first pass's result.
        paths: the files, by their number.
        name: the log's name.
        in_memory: whether columns are arrays of their own or maps of files in the staging folder.

    Raises:
        EmptyLog: no row can be used.
        InvalidLog: more segments than a log can hold.
        ChangedTerms: a day's budget or targets change, and this is to be refused.
    """
    staging.flush()
    if not staging.days:
        raise EmptyLog(_explain_empty(staging, paths))
    segments = tuple(sorted(staging.segments))
    if len(segments) > _MOST_SEGMENTS:
        raise InvalidLog(
            f"The files have {len(segments)} segments; a log holds {_MOST_SEGMENTS} at most. Map channel and tier to "
            "columns of few values."
        )
    filling = Filling(staging)
    columns, terms = _ColumnFiles(staging.folder / "columns"), DayTerms(staging.options.terms)
    days, late = [], []
    for period, campaign in staging.ordered_days():
        rows, aside = _without_duplicates(staging, staging.read_day((period, campaign)))
        late.append(aside)
        if rows.height:
            settled = terms.settle(rows, staging.format.label(period, campaign)[0])
            filled = filling.fill(rows, period)
            counts, cost = _append(columns, filled, staging, segments)
            days.append(_Day(period, campaign, counts, cost, settled))
    _set_aside_late(staging, paths, pl.concat(late))
    if not days:
        raise EmptyLog(_explain_empty(staging, paths))
    found = [*staging.format.found(), *terms.notes(len(days)), *filling.notes]
    return _make_log(staging, days, columns.finish(in_memory), segments, name, found)


def _without_duplicates(staging: Staging, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first row of each auction, and (file, row, reason) of the others."""
    first = rows.select(pl.col("key").is_null() | pl.col("key").is_first_distinct()).to_series()
    aside = rows.filter(~first).select("file", "row", reason=pl.lit(staging.format.duplicate))
    return (rows if first.all() else rows.filter(first)), aside


def _append(
    columns: _ColumnFiles, rows: pl.DataFrame, staging: Staging, segments: tuple[str, ...]
) -> tuple[NDArray[np.int64], float]:
    """Append one day's auctions to the columns, by slot and arrival; rows that tie keep the order of the files.

    Returns the auctions of each slot, (T,), and what all of them cost, currency.
    """
    format = staging.format
    slot = rows["slot"].to_numpy()
    order = np.lexsort((rows["arrival"].to_numpy(), slot))
    price = rows["market_price"].to_numpy()
    columns.append("market_price", price[order])
    for kpi in KPI:
        columns.append(kpi, rows[kpi].to_numpy()[order])
    names = pl.DataFrame({"segment": segments, "id": np.arange(len(segments), dtype=np.int16)})
    ids = rows.select(pl.col("segment").fill_null(DEFAULT_SEGMENT)).join(names, on="segment", maintain_order="left")
    columns.append("segment", ids["id"].to_numpy()[order])
    columns.append("source", rows["source"].fill_null(0).to_numpy()[order])
    for kpi, name in (("interaction", "interacted"), ("conversion", "converted")):
        if kpi in format.outcomes:
            columns.append(name, rows[f"outcome_{kpi}"].to_numpy()[order])
    if format.events:
        columns.append("funnel", rows.select(pl.col(*EVENT_COLUMNS.values()).fill_null(0)).to_numpy()[order])
    if format.hashed:
        folder = staging.folder / "hashed"
        folder.mkdir(exist_ok=True)
        hashes = rows.select(format.hashed)[pl.Series(order)]
        hashes.write_parquet(folder / f"{len(list(folder.iterdir())):06}.parquet")
    counts = np.bincount(slot, minlength=format.slots).astype(np.int64)
    return counts, float(price.sum(dtype=np.float64))


def _make_log(
    staging: Staging,
    days: list[_Day],
    columns: dict[str, NDArray[Any]],
    segments: tuple[str, ...],
    name: str,
    filled: list[str],
) -> AuctionLog:
    options, format = staging.options, staging.format
    budgets = _default_budgets(days, options.budget_share)
    records = []
    for day in days:
        label, unit = format.label(day.period, day.campaign)
        worth = day.terms["conversion_value"] or options.conversion_value or day.terms["max_cpa"] or 1.0
        budget = day.terms["budget"] or options.budget or budgets[day.campaign]
        records.append(DayRecord(label, unit, budget, worth, day.terms["max_cpa"], day.campaign))
    notes = [*format.notes, *filled, *_day_notes(staging, days)]
    without = sum(day.terms["budget"] is None for day in days)
    if without:
        how = f"{options.budget:g}" if options.budget else f"{options.budget_share:g} of the cost of a usual day"
        of = "" if without == len(days) else f" for {without} of {len(days)} days"
        notes.append(f"budgets: not in the files{of}; each such day has {how}")
    worths = {day.terms["conversion_value"] or options.conversion_value or day.terms["max_cpa"] for day in days}
    if worths == {None}:
        notes.append("conversion value: not in the files; 1")
    if format.events:
        notes.append(f"funnel: counts of {', '.join(format.events)}; 0 of what else may follow an exposure")
    return AuctionLog(
        name=name,
        market_price=columns["market_price"],
        **{kpi: columns[kpi] for kpi in KPI},
        **{f"true_{kpi}": columns[kpi] for kpi in KPI},
        segment=columns["segment"],
        source=columns["source"],
        invalid=np.zeros(len(columns["segment"]), dtype=np.bool_),
        interacted=columns.get("interacted"),
        converted=columns.get("converted"),
        offsets=stack_offsets([day.counts for day in days]),
        days=tuple(records),
        segments=segments,
        sources=staging.sources,
        notes=tuple(notes),
        cut=format.cut(),
        funnel=columns["funnel"].reshape(-1, len(EVENTS)) if format.events else None,
    )


def _default_budgets(days: list[_Day], share: float) -> dict[str, float]:
    """`share` of the mean price times the usual number of auctions of each campaign's days, currency."""
    budgets = {}
    for campaign in {day.campaign for day in days}:
        own = [day for day in days if day.campaign == campaign]
        auctions = np.array([day.counts.sum() for day in own])
        usual = sum(day.cost for day in own) / auctions.sum() * float(np.median(auctions))
        budgets[campaign] = share * usual if usual > 0 else 1.0
    return budgets


def _day_notes(staging: Staging, days: list[_Day]) -> list[str]:
    """What was done about the order of rows, and which days the log may have cut."""
    notes = []
    if staging.rows_unsorted:
        notes.append(f"{staging.rows_unsorted} rows came before an earlier one and were sorted by time")
    if staging.format.timed:
        for day in (days[0], days[-1]):
            filled = np.flatnonzero(day.counts)
            if filled[0] > 0 or filled[-1] < staging.format.slots - 1:
                label, _ = staging.format.label(day.period, day.campaign)
                note = f"{label}: auctions in slots {filled[0]} to {filled[-1]} only; the log may have cut it"
                if note not in notes:
                    notes.append(note)
    return notes


def _set_aside_late(staging: Staging, paths: list[Path], late: pl.DataFrame) -> None:
    """Keep the text of rows that only their day showed to be unusable; it is read from the files again."""
    for number in late["file"].unique().sort():
        rows = late.filter(pl.col("file") == number).select("row", "reason")
        for batch in staging.format.read(paths[number]):
            found = batch.join(rows, on="row", how="inner", maintain_order="left")
            if found.height:
                staging.set_aside(paths[number].name, found.drop("reason"), found["reason"])


class _ColumnFiles:
    """Columns that grow day by day in files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}

    def append(self, name: str, values: NDArray[Any]) -> None:
        """Add one day's values, in the column's dtype."""
        if name not in self._files:
            self._files[name] = (self._folder / name).open("wb")
        np.ascontiguousarray(values, dtype=DTYPES.get(name, np.float32)).tofile(self._files[name])

    def finish(self, in_memory: bool) -> dict[str, NDArray[Any]]:
        """The columns, (N,) each."""
        columns: dict[str, NDArray[Any]] = {}
        for name, file in self._files.items():
            file.close()
            dtype = np.dtype(DTYPES.get(name, np.float32))
            path = self._folder / name
            columns[name] = np.fromfile(path, dtype) if in_memory else np.memmap(path, dtype, mode="r")
        return columns


def _explain_empty(staging: Staging, paths: list[Path]) -> str:
    where = ", ".join(path.name for path in paths[:3]) + (" ..." if len(paths) > 3 else "")
    if staging.rows_in == 0 and staging.options.advertiser is not None:
        return f"No row of {where} is of advertiser {staging.options.advertiser}. Name one that is, or none."
    if staging.rows_in == 0:
        return f"{where} hold no rows. Name files with traffic."
    reasons = in_words(dict(staging.reasons.most_common()))
    return f"None of the {staging.rows_in} rows of {where} can be used: {reasons}. Correct the files."

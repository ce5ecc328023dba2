"""Importer of a bid server's decision log, so that served days become training days.

Every (date, campaign) is one day. The market price is the least price that would have won, as notices told it;
auctions whose price nobody told are set aside, since a replay could not clear them, and so are those that were
refused as invalid traffic, which no training day is to hold, and what lay under an incident. Events that were told, in
`outcomes-*.parquet`, become the funnel of the auctions that were won; those of bids that nobody billed are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bidpilot.bidding.errors import EmptyLog, InvalidZone, UnevenDays, UnreadableFile
from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.bidding.zone import Cut
from bidpilot.envs.logs.auction_log import EVENT_COLUMNS, AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.logs.decision_rows import decision_files, read_decision_rows
from bidpilot.envs.logs.formats import in_words
from bidpilot.envs.logs.importing import ImportResult
from bidpilot.envs.logs.incidents import UnderIncident, filled, without_incidents
from bidpilot.envs.logs.outcomes import Plain, as_it_is, read_outcomes

SEGMENTS_FILE = "segments.json"
_NUMBERS = (*KPI, "market_price")
COLUMNS = (
    "key", "result", "campaign", "date", "slot", "slots", "time", "segment", "source",
    *_NUMBERS, "budget", "conversion_value",
)  # fmt: skip
DAY = ("date", "campaign")
ZONE = "timezone"  # of date and slot; a server of before did not say
NOTES = (
    "true = predicted: a served auction has predictions only",
    "no realised outcomes: they are known only where the bidder won",
)
WON = "won"
REFUSED = tuple(refusal.value for refusal in Refusal)
"""Results of auctions that were refused for where they came from."""
NOTE_FUNNEL = "funnel: events told of auctions that were won; 0 where none was told"
NOTE_ORDERS = "order value: what conversions were told to be worth; 0 where no worth was told"
REASON_REFUSED = "refused as invalid traffic"
REASON_PRICE = "no market price: no notice told the least price that would have won"
REASON_SEGMENT = "the segment is not one of the bundle's"
REASON_VALUE = "a predicted value or the price is out of range"


def refused_requests(set_aside: pl.DataFrame, sources: int, slots: int) -> NDArray[np.int64] | None:
    """Requests (C, T) that a bid server refused as invalid traffic, of all days and campaigns; None where it did none.

    Args:
        set_aside: what an import left out (`storage.read_set_aside`).
        sources, slots: C and T of the log that the rest became.
    """
    if not {"result", "source", "slot"} <= set(set_aside.columns):
        return None
    refused = set_aside.filter(pl.col("result").is_in(REFUSED)).select(pl.col("source", "slot").cast(pl.Int64))
    if not refused.height:
        return None
    cell = refused["source"].to_numpy() * slots + refused["slot"].to_numpy()
    return np.bincount(cell, minlength=sources * slots).reshape(sources, slots)


def import_decisions(
    files: Iterable[str | Path],
    name: str = "decisions",
    incidents: Sequence[UnderIncident] = (),
    plain: Plain = as_it_is,
) -> ImportResult:
    """Import `decisions-*.parquet` files of one server; `segments.json` and `outcomes-*.parquet` lie beside them.

    Args:
        files: paths, patterns or folders.
        name: the log's.
        incidents: slots under them are left out and filled from other days, which the log's notes list.
        plain: gives the bytes of a file, decrypted where it is encrypted.

    Raises:
        NoFilesMatched, UnknownFormat, UnreadableFile, MissingColumn: from the files.
        UnevenDays: they were written with different numbers of slots.
        InvalidZone: their days are of several time zones.
        EmptyLog: no row can be used.
    """
    paths = decision_files(files)
    segments = _segments(paths[0].with_name(SEGMENTS_FILE))
    rows = read_decision_rows(paths, COLUMNS, plain, {ZONE: pl.String})
    events = read_outcomes({path.parent: None for path in paths}, plain).filter(pl.col("event").is_not_null())
    reason = _reason(segments)
    rows, left_out = without_incidents(rows.with_columns(reason=reason), incidents)
    aside, kept = rows.filter(pl.col("reason").is_not_null()), rows.filter(pl.col("reason").is_null())
    if not kept.height:
        counts = in_words(dict(aside["reason"].value_counts(sort=True).iter_rows()))
        raise EmptyLog(
            f"None of the {rows.height} rows can be used: {counts}. Ask the exchange for AUCTION_MIN_TO_WIN."
        )
    if kept["slots"].n_unique() > 1:
        raise UnevenDays(f"The rows have days of {sorted(kept['slots'].unique())} slots. Import them apart.")
    kept, stand_in = filled(kept, aside)
    kept = kept.sort(*DAY, "slot", "time", maintain_order=True)
    log = _make_log(kept, segments, name, sources=int(rows["source"].cast(pl.Int16).max()) + 1)  # type: ignore[arg-type]
    log = replace(log, notes=(*log.notes, *left_out, *stand_in))
    if events.height:
        funnel, orders = _funnel(kept, events)
        log = replace(log, funnel=funnel, order_value=orders, notes=(*log.notes, *_event_notes(rows, events)))
        if orders is not None:
            log = replace(log, notes=(*log.notes, NOTE_ORDERS))
    copied = log.n + aside.height - rows.height
    return ImportResult(log, aside.select("file", pl.exclude("file")), rows.height, copied=copied)


def _funnel(rows: pl.DataFrame, events: pl.DataFrame) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """Counts (N, 7) of the events of each row that was won, and (N,) what its orders were worth; None: nobody says."""
    counted = events.group_by("key").agg(
        *(
            pl.col("count").filter(pl.col("event") == event).sum().cast(pl.UInt8).alias(column)
            for event, column in EVENT_COLUMNS.items()
        ),
        (pl.col("value") * pl.col("count")).sum().alias("orders"),
    )
    won = rows.select(pl.when(pl.col("result") == WON).then("key").alias("key"))
    joined = won.join(counted, on="key", how="left", maintain_order="left").drop("key").fill_null(0)
    counts = np.ascontiguousarray(joined.drop("orders").to_numpy())
    told = events["value"].is_not_null().any()
    return counts, np.ascontiguousarray(joined["orders"].cast(pl.Float32).to_numpy()) if told else None


def _event_notes(rows: pl.DataFrame, events: pl.DataFrame) -> list[str]:
    """What the funnel holds, and how many events are of no auction that was won."""
    orphans = events.join(rows.filter(pl.col("result") == WON), on="key", how="anti").height
    left_out = f"{orphans} events of bids that these files do not show as won are left out"
    return [NOTE_FUNNEL, left_out] if orphans else [NOTE_FUNNEL]


def _segments(path: Path) -> tuple[str, ...]:
    try:
        return tuple(str(entry) for entry in json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UnreadableFile(
            f"{path} cannot be read ({error}). Keep it beside the decisions it was written with."
        ) from error


def _reason(segments: tuple[str, ...]) -> pl.Expr:
    value = pl.all_horizontal(
        pl.col("exposure").is_between(0, 1),
        pl.col("interaction").is_between(0, float(np.finfo(np.float32).max)),
        pl.col("conversion").is_between(0, 1),
        pl.col("market_price").is_between(0, float(np.finfo(np.float32).max)),
    )
    return (
        pl.when(pl.col("result").is_in(REFUSED))
        .then(pl.lit(REASON_REFUSED))
        .when(pl.col("market_price").is_null())
        .then(pl.lit(REASON_PRICE))
        .when(~pl.col("segment").is_in(list(segments)))
        .then(pl.lit(REASON_SEGMENT))
        .when(~value)
        .then(pl.lit(REASON_VALUE))
        .otherwise(None)
    )


def _make_log(rows: pl.DataFrame, segments: tuple[str, ...], name: str, sources: int) -> AuctionLog:
    slots = int(rows["slots"][0])
    per_day = rows.group_by(DAY, maintain_order=True).agg(pl.len(), pl.col("budget", "conversion_value").last())
    day = np.repeat(np.arange(per_day.height), per_day["len"].to_numpy())
    place = day * slots + rows["slot"].to_numpy()
    counts = np.bincount(place, minlength=per_day.height * slots).reshape(-1, slots)
    number = {c: np.ascontiguousarray(rows[c].cast(pl.Float32).to_numpy()) for c in _NUMBERS}
    order = {segment: i for i, segment in enumerate(segments)}
    source = rows["source"].cast(pl.Int16).to_numpy()
    return AuctionLog(
        name=name,
        **number,
        true_exposure=number["exposure"],
        true_interaction=number["interaction"],
        true_conversion=number["conversion"],
        segment=np.array([order[s] for s in rows["segment"]], np.int16),
        source=np.ascontiguousarray(source),
        invalid=np.zeros(rows.height, np.bool_),
        interacted=None,
        converted=None,
        offsets=stack_offsets([row.astype(np.int64) for row in counts]),
        days=tuple(
            DayRecord(f"{campaign}, {date}", date, float(budget), float(worth), campaign=str(campaign))
            for date, campaign, _, budget, worth in per_day.iter_rows()
        ),
        segments=segments,
        sources=sources,
        notes=NOTES,
        cut=_cut(rows),
    )


def _cut(rows: pl.DataFrame) -> Cut | None:
    """Where the days begin; None where the server did not say."""
    zones = rows[ZONE].unique().drop_nulls().sort().to_list()
    if len(zones) > 1:
        raise InvalidZone(
            f"the rows are of days in several time zones, {', '.join(zones)}: hours of one would be taken for "
            "another's. Serve campaigns of different zones from servers of their own to learn from them, or import the "
            "files of each apart."
        )
    return Cut(zones[0]) if zones else None

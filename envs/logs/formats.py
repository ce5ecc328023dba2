"""What an importer tells the importing machinery: how rows of its format are read, typed and kept as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from bidpilot.bidding.event import Event
from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.zone import Cut
from bidpilot.envs.logs.auction_log import EVENT_COLUMNS, AuctionLog
from bidpilot.envs.logs.terms import TermsRule

STAGED: dict[str, Any] = {
    "period": pl.Int32,  # which day, in order
    "campaign": pl.String,  # whose day; one (period, campaign) is one day of the log
    "slot": pl.Int16,
    "arrival": pl.Int64,  # order inside a slot; milliseconds where the format has times
    "key": pl.UInt64,  # rows of one day that share a key are duplicates; null: none is
    "market_price": pl.Float32,  # currency; null where lost and not seen
    "bid": pl.Float32,  # currency; null where not recorded
    **dict.fromkeys(KPI, pl.Float32),  # predictions; null where made from outcomes
    **{f"outcome_{kpi}": pl.Float32 for kpi in KPI},  # realised
    "group": pl.UInt64,  # auctions that share one rate
    "segment": pl.String,  # channel/tier
    "source": pl.Int16,  # publisher cluster, in 0 .. CLUSTERS, the last the pool
    "budget": pl.Float64,  # currency per day
    "conversion_value": pl.Float64,  # currency
    "max_cpa": pl.Float64,  # currency
    **dict.fromkeys(EVENT_COLUMNS.values(), pl.UInt8),  # how many of them were told
}
"""The columns of a typed row; a format gives those it has, the others are null."""

DEFAULT_SEGMENT = "feed/head"
REASON_FIELDS = "the row has another number of fields than the header"
REASON_DUPLICATE = "the day's auction was met before"
LostRule = Literal["refuse", "set-aside", "draw"]
REASON_LOST = "lost, and its price was not seen"


@dataclass(frozen=True)
class ImportOptions:
    """What the caller decides about an import."""

    advertiser: int | None = None  # the one advertiser to import; None: all
    terms: TermsRule = "last"  # which value a day has whose budget or targets change
    lost: LostRule = "refuse"  # what becomes of lost auctions without a price
    prices_from: Path | None = None  # a log whose price model is drawn where the format has no prices
    interactions_from: Path | None = None  # a log whose exposures and interactions are drawn
    budget: float | None = None  # currency per day, where the files have none
    budget_share: float = 0.125  # else this share of the cost of a usual day, in (0, 1]
    conversion_value: float | None = None  # currency, where the files have none
    episode: int = 1000  # auctions per day, where the files have no times
    mapping: Path | None = None  # how the columns of one's own files become auctions
    seed: int = 0  # of everything that is drawn


@dataclass(frozen=True)
class Format:
    """One format, ready to read."""

    name: str
    slots: int  # per day
    used: tuple[str, ...]  # columns that are read; all others are dropped
    present: Callable[[Path], list[str]]  # all columns of a file
    read: Callable[[Path], Iterator[pl.DataFrame]]  # raw batches with `row`
    typed: Callable[[pl.DataFrame], pl.DataFrame]  # columns of STAGED, and `reason` where a row cannot be used
    text: Callable[[pl.DataFrame], pl.DataFrame]  # what is kept of rows that are set aside, as text
    label: Callable[[int, str], tuple[str, str]]  # (period, campaign) to the day's label and unit
    notes: tuple[str, ...] = ()
    whose: str | None = None  # raw column that names the advertiser
    has_prices: bool = True
    rated: tuple[str, ...] = ()  # KPIs predicted from the outcomes of other days
    outcomes: tuple[str, ...] = ()  # KPIs whose outcomes are recorded
    events: tuple[Event, ...] = ()  # types of events that are counted, in the order of EVENTS
    timed: bool = False  # arrival is a time, so rows out of order can be told
    hashed: tuple[str, ...] = ()  # UInt64 columns, keyed hashes, kept beside the log
    cut: Callable[[], Cut | None] = lambda: None  # where days begin, once rows were typed; None: in no time zone
    found: Callable[[], list[str]] = list  # notes of what was found while rows were typed
    auctions: tuple[Path, ...] | None = None  # the files whose rows are auctions; None: all that were named
    duplicate: str = REASON_DUPLICATE


@dataclass(frozen=True)
class Imported:
    """A log, and where the rows lie that did not become part of it: rows_in = log.n + rows set aside."""

    log: AuctionLog
    set_aside: Path | None  # Parquet: file, row (0-based), text, reason
    hashed: Path | None  # Parquet: keyed hashes, one row per auction in the log's order
    reasons: dict[str, int]  # rows set aside per reason, most frequent first
    rows_in: int  # rows read, of the advertiser asked for
    rows_other: int  # rows of other advertisers, not read further
    dropped: tuple[str, ...] = field(default=())  # columns of the files that were not read


def plain_text(name: str) -> pl.Expr:
    """A column of rows set aside: numbers and times as read, any other text by its length alone."""
    text = pl.col(name).cast(pl.String)
    plain = text.str.contains(r"^[0-9+\-.:eETZ \s]{0,40}$")
    return pl.when(plain).then(text).otherwise(pl.format("({} characters)", text.str.len_chars())).alias(name)


def in_words(reasons: Mapping[str, int]) -> str:
    """How many rows were set aside for each reason, in a sentence."""
    return "; ".join(f"{count:,} because {reason}" for reason, count in reasons.items())

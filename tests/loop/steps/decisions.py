"""The decision log holds every auction as the exchange counted it."""

from __future__ import annotations

import polars as pl

from tests.loop.books import in_micro, tally
from tests.loop.room import Room
from tests.loop.source import KPIS

OUTCOMES = ("interacted", "converted")
_BOUGHT = ("cost", *KPIS, *OUTCOMES)


def run(room: Room) -> None:
    """Read the Parquet files and hold them against the books."""
    folder = room.path("decisions")
    rows = pl.read_parquet(folder / "decisions-*.parquet")
    outcomes = pl.read_parquet(folder / "outcomes-*.parquet")
    check_decisions(room, room.books, rows, outcomes)


def check_decisions(room: Room, books: pl.DataFrame, rows: pl.DataFrame, outcomes: pl.DataFrame) -> None:
    """Hold a decision log against the books of the exchange.

    Args:
        room: whose loop it is.
        books: see `exchange.Exchange`.
        rows: of `decisions-*.parquet`.
        outcomes: of `outcomes-*.parquet`.
    """
    told = outcomes.group_by("key").agg(interacted=pl.col("interaction").sum(), converted=pl.col("conversion").sum())
    found = in_micro(rows.rename({"date": "day", "market_price": "price"}), "price", "cost", "bid", *KPIS)
    found = found.join(told, on="key", how="left").with_columns(pl.col(OUTCOMES).fill_null(0.0).round().cast(pl.Int64))
    joint = "exchange -> decision log"
    offered = ("cost", *KPIS)
    room.same(f"{joint}: auctions, cost and KPIs per slot", tally(found, offered), tally(books, offered))
    room.same(f"{joint}: bids per slot", *(tally(f.filter(pl.col("key") != ""), ("bid",)) for f in (found, books)))
    for result in ("lost", "expired", "won"):
        of_result = (f.filter(pl.col("result") == result) for f in (found, books))
        room.same(f"{joint}: {result} auctions per slot", *(tally(f, ()) for f in of_result))
    won, bought = (f.filter(pl.col("result") == "won") for f in (found, books))
    room.same(f"{joint}: cost, KPIs and outcomes bought per slot", tally(won, _BOUGHT), tally(bought, _BOUGHT))
    priced = found.filter(pl.col("price").is_not_null()), books.filter("priced")
    room.same(f"{joint}: market prices per slot", *(tally(f, ("price",)) for f in priced))
    named = [f.group_by("segment", "source").len().sort("segment", "source").rows() for f in (found, books)]
    room.same(f"{joint}: segments and sources", *named)
    orphans = outcomes.filter(~pl.col("key").is_in(won["key"].implode())).height
    room.same(f"{joint}: outcomes of bids that did not win", orphans, 0)

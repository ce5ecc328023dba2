"""The decision log holds every auction as the exchange counted it."""

from __future__ import annotations

import polars as pl

from tests.loop.books import in_micro, tally
from tests.loop.room import Room
from tests.loop.source import KPIS

OUTCOMES = ("interacted", "converted", "views")
REFUSED = ("refused_source", "refused_quota")
MOST_BOTS, MOST_OTHERS = 0.6, 0.002  # shares of the bots' requests that are refused at least, of others at most
_BOUGHT = ("cost", *KPIS, *OUTCOMES)


def run(room: Room) -> None:
    """Read the Parquet files and hold them against the books."""
    folder = room.path("decisions")
    rows = pl.read_parquet(folder / "decisions-*.parquet")
    outcomes = pl.read_parquet(folder / "outcomes-*.parquet")
    check_decisions(room, room.books, rows, outcomes)
    check_refusals(room, room.books, rows.filter(pl.col("result").is_in(REFUSED)), room.refused)


def check_decisions(room: Room, books: pl.DataFrame, rows: pl.DataFrame, outcomes: pl.DataFrame) -> None:
    """Hold a decision log against the books of the exchange.

    Args:
        room: whose loop it is.
        books: see `exchange.Exchange`.
        rows: of `decisions-*.parquet`.
        outcomes: of `outcomes-*.parquet`.
    """
    views = pl.col("count").filter(pl.col("event") == "view").sum()
    told = outcomes.group_by("key").agg(
        interacted=pl.col("interaction").sum(), converted=pl.col("conversion").sum(), views=views
    )
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


def check_refusals(room: Room, books: pl.DataFrame, refused: pl.DataFrame, told: int) -> None:
    """Bots are refused but for a quota, next to nobody else is, and nothing that was refused is bid on.

    Args:
        room: whose loop it is.
        books: see `exchange.Exchange`.
        refused: rows of the decision log.
        told: how many of them there are by the server's metrics.
    """
    room.same("server -> decision log: refused auctions", refused.height, told)
    cells = ("day", "slot", "source")
    bots = books.filter("bot").group_by(cells).len("bots")
    asked = books.group_by(cells).agg(unanswered=(pl.col("key") == "").sum(), requests=pl.len())
    found = refused.select(pl.col("date").alias("day"), pl.col("slot").cast(pl.Int64), pl.col("source").cast(pl.Int64))
    cell = asked.join(found.group_by(cells).len("refused"), on=cells, how="left").join(bots, on=cells, how="left")
    cell = cell.with_columns(pl.col("refused", "bots").fill_null(0))
    sent, hit = (int(cell.filter(pl.col("bots") > 0)[name].sum()) for name in ("bots", "refused"))
    room.holds("bots -> server: refused", hit >= MOST_BOTS * sent, f"{hit} of {sent}")
    others = refused.height - hit
    room.holds("publishers -> server: not refused", others <= MOST_OTHERS * (books.height - sent), f"{others} refused")
    more = cell.filter(pl.col("refused") > pl.col("unanswered")).height
    room.same("server -> exchange: sources and slots with bids on what was refused", more, 0)
    room.tell(f"refused: {hit} for {sent} requests of bots, {others} others")

"""The decision log becomes a log to train on: auctions whose price was told, as they were."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from tests.loop.books import tally, totals
from tests.loop.room import Room
from tests.loop.source import AMOUNTS, CONVERSION_VALUE, SHARE_WEIGHT
from tests.loop.steps.export import SEGMENTS
from tests.loop.steps.import_logs import read_log

LOG = "logs/decisions/served"


def run(room: Room) -> None:
    """Import the decisions and hold the log against the books."""
    done = room.bidpilot("import", "decisions", "decisions/decisions-*.parquet", "--out", LOG)
    room.tell(done.stdout.splitlines()[1])
    check_served_log(room, room.books, room.path(LOG), room.sources["served"].budget)


def check_served_log(room: Room, books: pl.DataFrame, folder: Path, budget: float) -> None:
    """Hold the imported log against the books of the exchange."""
    log = json.loads((folder / "log.json").read_text())
    priced = books.filter("priced")
    counts = [log["rows_in"], log["rows_kept"], log["rows_set_aside"]]
    joint = "decision log -> log"
    expected = [books.height, priced.height, books.height - priced.height]
    room.same(f"{joint}: rows in = priced + set aside", counts, expected)
    days = books["day"].unique(maintain_order=True).to_list()
    terms = [(day["unit"], day["budget"], day["conversion_value"]) for day in log["days"]]
    room.same(f"{joint}: days with budget and worth", terms, [(day, budget, CONVERSION_VALUE) for day in days])
    room.same(f"{joint}: segments", log["segments"], SEGMENTS)
    events = log["events"]
    found = {"interacted": events["like"] + SHARE_WEIGHT * events["share"], "converted": events["convert"]}
    room.same(f"{joint}: events of what was bought", found, totals(books, *found))
    auctions = read_log(folder)
    room.same(f"{joint}: auctions, prices and KPIs per slot", tally(auctions, AMOUNTS), tally(priced, AMOUNTS))
    named = [f.group_by("segment", "source").len().sort("segment", "source").rows() for f in (auctions, priced)]
    room.same(f"{joint}: segments and sources of auctions", *named)

"""The decision log becomes a log to train on: auctions whose price was told, and none that was refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from bidpilot.envs.logs.decisions import REASON_REFUSED
from tests.loop.books import tally, totals
from tests.loop.exchange import cluster
from tests.loop.room import Room
from tests.loop.source import AMOUNTS, BOTS, BURST, CONVERSION_VALUE, SHARE_WEIGHT
from tests.loop.steps.export import SEGMENTS
from tests.loop.steps.import_logs import read_log

LOG = "logs/decisions/served"


def run(room: Room) -> None:
    """Import the decisions, slots under incidents too, hold the log against the books, and review its sources."""
    files = "decisions/decisions-*.parquet"
    done = room.bidpilot("import", "decisions", files, "--out", LOG, "--keep-incident-slots")
    room.tell(next(line for line in done.stdout.splitlines() if line.startswith("rows in")))
    check_served_log(room, room.books, room.path(LOG), room.sources["served"].budget)
    room.bidpilot("sources", LOG, "--json", "sources.json")
    check_review(room, json.loads(room.path("sources.json").read_text()))


def check_served_log(room: Room, books: pl.DataFrame, folder: Path, budget: float) -> None:
    """Hold the imported log against the books of the exchange."""
    log = json.loads((folder / "log.json").read_text())
    priced = books.filter("priced")
    counts = [log["rows_in"], log["rows_kept"], log["rows_set_aside"]]
    joint = "decision log -> log"
    expected = [books.height, priced.height, books.height - priced.height]
    room.same(f"{joint}: rows in = priced + set aside", counts, expected)
    aside = dict(pl.read_parquet(folder / "set_aside.parquet")["reason"].value_counts().iter_rows())
    room.same(f"{joint}: rows set aside as refused", aside.get(REASON_REFUSED, 0), room.refused)
    days = books["day"].unique(maintain_order=True).to_list()
    terms = [(day["unit"], day["budget"], day["conversion_value"]) for day in log["days"]]
    room.same(f"{joint}: days with budget and worth", terms, [(day, budget, CONVERSION_VALUE) for day in days])
    room.same(f"{joint}: segments", log["segments"], SEGMENTS)
    events = log["events"]
    found = {"interacted": events["like"] + SHARE_WEIGHT * events["share"], "converted": events["convert"]}
    found["views"] = events["view"]
    room.same(f"{joint}: events of what was bought", found, totals(books, *found))
    auctions = read_log(folder)
    room.same(f"{joint}: auctions, prices and KPIs per slot", tally(auctions, AMOUNTS), tally(priced, AMOUNTS))
    named = [f.group_by("segment", "source").len().sort("segment", "source").rows() for f in (auctions, priced)]
    room.same(f"{joint}: segments and sources of auctions", *named)


def check_review(room: Room, review: dict[str, Any]) -> None:
    """The review of the served days tells what the server refused, of the bots in the slots that they came in."""
    told = review["by_server"]
    room.same("decision log -> review: refused by the server", sum(row["refused"] for row in told), room.refused)
    bots = {(cluster(BOTS), slot) for slot in BURST}
    missed = bots - {(row["source"], row["slot"]) for row in told}
    room.same("decision log -> review: slots of bots without a refusal", missed, set())

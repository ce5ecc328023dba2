"""The user's files become logs: every row is kept or set aside, every amount is there to the millionth."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl

from tests.loop.books import in_micro, tally
from tests.loop.room import Room
from tests.loop.source import AMOUNTS, CONVERSION_VALUE, REASONS, Source, draw, flooded, write_csv, write_mapping

_REPORT = re.compile(r"rows in ([\d,]+) = rows kept ([\d,]+) \+ rows set aside ([\d,]+)")
_REALISED = ("interacted", "converted")
_OUTCOME_PARTS = (*AMOUNTS, *_REALISED)


def run(room: Room) -> None:
    """Draw what the loop begins with, import days to train, judge and serve, and hold the logs against the source.

    Two more days, `rough` and `burst`, are for the bid server alone.
    """
    size, first = room.size, 0
    parts = {"train": size.training_days, "test": size.test_days, "served": size.served_days, "rough": 1, "burst": 1}
    for name, days in parts.items():
        room.sources[name] = draw(first, days, size.auctions, room.rng)
        first += days
    room.sources["burst"] = flooded(room.sources["burst"], room.rng)
    write_mapping(room.path("mapping.yaml"))
    for name in ("train", "test", "served"):
        source = room.sources[name]
        rows = write_csv(source, room.path(f"{name}.csv"))
        out = f"logs/{name}"
        done = room.bidpilot("import", "mapping", f"{name}.csv", "--mapping", "mapping.yaml", "--out", out)
        report = _REPORT.search(done.stdout)
        room.tell(f"{name}: {report[0]}" if report else name)
        counts = [int(n.replace(",", "")) for n in report.groups()] if report else []
        check_log(room, name, source, room.path(out), counts, rows)


def check_log(room: Room, name: str, source: Source, folder: Path, report: list[int], rows: int) -> None:
    """Hold a log against its source.

    Args:
        room: whose loop it is.
        name: of the log.
        source: what was in the file.
        folder: the log's.
        report: rows in, kept and set aside, as the import printed them.
        rows: of the file.
    """
    kept = source.auctions.height
    room.same(f"file -> {name}: rows in = kept + set aside", report, [rows, kept, rows - kept])
    aside = pl.read_parquet(folder / "set_aside.parquet")["reason"].value_counts()["count"].sort().to_list()
    room.same(f"file -> {name}: rows set aside by reason", aside, REASONS)
    log = json.loads((folder / "log.json").read_text())
    room.same(f"file -> {name}: days", [day["label"] for day in log["days"]], source.days)
    terms = {(day["budget"], day["conversion_value"]) for day in log["days"]}
    room.same(f"file -> {name}: budget and worth of a day", terms, {(source.budget, CONVERSION_VALUE)})
    auctions = read_log(folder)
    room.same(
        f"file -> {name}: auctions, money, KPIs and outcomes per slot, to the millionth",
        tally(auctions, _OUTCOME_PARTS),
        tally(source.auctions, _OUTCOME_PARTS),
    )
    segments = source.auctions.select(pl.concat_str("placement", pl.lit("/"), "content"))
    room.same(f"file -> {name}: segment of each auction", auctions["segment"].to_list(), segments.to_series().to_list())


def read_log(folder: Path) -> pl.DataFrame:
    """An imported log's auctions in order, amounts in whole millionths, with the names of days and segments."""
    log = json.loads((folder / "log.json").read_text())
    days = pl.Series([day["unit"] for day in log["days"]])
    segments = pl.Series(log["segments"])
    frame = pl.read_parquet(folder / "auctions.parquet").rename({"market_price": "price"})
    frame = frame.with_columns(day=days[frame["day"].cast(pl.Int64)], segment=segments[frame["segment"].cast(pl.Int64)])
    counts = [column for column in _REALISED if column in frame.columns]
    return in_micro(frame, *AMOUNTS).with_columns(pl.col(counts).cast(pl.Int64))

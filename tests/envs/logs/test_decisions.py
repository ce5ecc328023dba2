"""A bid server's decision log: which auctions become training days, and which events become their funnel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bidpilot.bidding.errors import EmptyLog, MissingColumn, UnreadableFile
from bidpilot.bidding.event import CONVERT, LIKE, VIEW
from bidpilot.envs.logs.decisions import (
    NOTE_FUNNEL,
    NOTE_ORDERS,
    NOTES,
    REASON_PRICE,
    REASON_REFUSED,
    import_decisions,
    refused_requests,
)
from bidpilot.envs.logs.importers import run_import
from bidpilot.envs.logs.storage import load_log, read_set_aside

ROW: dict[str, Any] = {
    "key": "", "campaign": "c", "date": "2026-01-01", "slot": 0, "slots": 2, "time": 0.0, "segment": "feed/head",
    "source": 1, "exposure": 0.5, "interaction": 0.25, "conversion": 0.125, "result": "won", "market_price": 0.25,
    "budget": 40.0, "conversion_value": 8.0,
}  # fmt: skip


def write(folder: Path, *changes: dict[str, Any], name: str = "decisions-1-1.parquet") -> Path:
    (folder / "segments.json").write_text(json.dumps(["feed/head"]))
    rows = [{**ROW, "time": float(place), **change} for place, change in enumerate(changes)]
    pl.DataFrame(rows).with_columns(pl.col("market_price").cast(pl.Float64)).write_parquet(folder / name)
    return folder / "decisions-*.parquet"


def tell(folder: Path, *events: tuple[str, str | None, int], name: str = "outcomes-1-1.parquet") -> None:
    schema = {"key": pl.String, "event": pl.String, "count": pl.Int64}
    told = pl.DataFrame(list(events), schema, orient="row")
    told.with_columns(interaction=pl.lit(0.0), conversion=pl.lit(0.0)).write_parquet(folder / name)


def test_events_become_the_funnel_of_the_auctions_that_were_won(tmp_path: Path) -> None:
    """Rows come out by slot and time; what is told of a lost or unknown bid, or again, is left out."""
    files = write(
        tmp_path,
        {"key": "late", "slot": 1},
        {"key": "lost", "result": "lost"},
        {"result": "no_money"},
        {"key": "early"},
        {"key": "quiet"},
    )
    tell(tmp_path, ("late", "view", 1), ("lost", "view", 1), ("early", "like", 2), ("early", None, 1))
    again = [("late", "convert", 255), ("early", "like", 7), ("gone", "view", 1)]
    tell(tmp_path, *again, name="outcomes-1-2.parquet")
    log = import_decisions([files]).log
    assert log.funnel is not None
    assert log.funnel.shape == (5, 7)
    found = {(row, kind): int(log.funnel[row, kind]) for row, kind in zip(*log.funnel.nonzero(), strict=True)}
    assert found == {(2, LIKE): 2, (4, VIEW): 1, (4, CONVERT): 255}  # lost, no bid, early, quiet, late
    assert (log.interacted, log.converted) == (None, None)
    assert log.notes == (*NOTES, NOTE_FUNNEL, "2 events of bids that these files do not show as won are left out")


def test_the_funnel_is_stored_with_the_log(tmp_path: Path) -> None:
    files = write(tmp_path, {"key": "a"}, {"key": "b"})
    tell(tmp_path, ("b", "like", 3))
    run_import("decisions", [files], tmp_path / "log")
    log = load_log(tmp_path / "log")
    assert log.events == {"view": 0, "complete": 0, "like": 3, "comment": 0, "share": 0, "follow": 0, "convert": 0}
    assert log.notes == (*NOTES, NOTE_FUNNEL)


def test_orders_are_worth_what_was_told_of_them(tmp_path: Path) -> None:
    """Two of 15 and one whose worth nobody told; the lost bid's is left out. Without any worth there is no column."""
    files = write(tmp_path, {"key": "a"}, {"key": "lost", "result": "lost"}, {"key": "b"})
    told = [("a", "convert", 2, 15.0), ("lost", "convert", 1, 9.0), ("b", "convert", 1, None)]
    schema = {"key": pl.String, "event": pl.String, "count": pl.Int64, "value": pl.Float64}
    pl.DataFrame(told, schema, orient="row").write_parquet(tmp_path / "outcomes-1-1.parquet")
    log = import_decisions([files]).log
    assert log.order_value is not None
    assert log.order_value.tolist() == [30.0, 0.0, 0.0]
    assert log.notes[-1] == NOTE_ORDERS
    tell(tmp_path, ("a", "convert", 2))
    assert import_decisions([files]).log.order_value is None


@pytest.mark.parametrize("told", ["nothing", "untyped", "before types"])
def test_where_no_event_was_told_there_is_no_funnel(tmp_path: Path, told: str) -> None:
    files = write(tmp_path, {"key": "a"})
    if told == "untyped":
        tell(tmp_path, ("a", None, 1))
    elif told == "before types":
        old = pl.DataFrame({"key": ["a"], "interaction": [1.0], "conversion": [0.0]})
        old.write_parquet(tmp_path / "outcomes-1-1.parquet")
    log = import_decisions([files]).log
    assert log.funnel is None
    assert log.notes == NOTES


def test_what_was_refused_is_set_aside_as_such_and_in_no_training_day(tmp_path: Path) -> None:
    refused = {"source": 7, "market_price": None}
    files = write(
        tmp_path,
        {"key": "a"},
        {**refused, "result": "refused_source"},
        {**refused, "result": "refused_quota"},
        {"result": "refused_source"},  # its price is known, and it is invalid all the same
        {"result": "no_money", "market_price": None},
    )
    summary = run_import("decisions", [files], tmp_path / "log")
    assert (summary.rows_in, summary.rows_kept) == (5, 1)
    assert summary.set_aside == {REASON_REFUSED: 3, REASON_PRICE: 1}
    aside = read_set_aside(tmp_path / "log")
    told = aside.filter(pl.col("reason") == REASON_REFUSED)["result"].to_list()
    assert told == ["refused_source", "refused_quota", "refused_source"]
    assert load_log(tmp_path / "log").sources == 8  # so that its bundle's server has the clusters of before
    by_cell = refused_requests(aside, sources=8, slots=2)
    assert by_cell is not None
    assert {(s, t): int(by_cell[s, t]) for s, t in zip(*by_cell.nonzero(), strict=True)} == {(7, 0): 2, (1, 0): 1}
    assert refused_requests(aside.filter(pl.col("reason") == REASON_PRICE), 8, 2) is None
    assert refused_requests(aside.select("reason"), 8, 2) is None


def test_a_log_of_refused_auctions_alone_has_no_day(tmp_path: Path) -> None:
    with pytest.raises(EmptyLog, match="2 because refused as invalid traffic"):
        import_decisions([write(tmp_path, *[{"result": "refused_quota"}] * 2)])


@pytest.mark.parametrize(("event", "count"), [("click", 1), ("like", 0), ("like", 256), ("view", None)])
def test_events_that_no_server_writes_are_named(tmp_path: Path, event: str, count: int) -> None:
    files = write(tmp_path, {"key": "a"})
    tell(tmp_path, ("a", event, count))
    with pytest.raises(UnreadableFile, match=f"outcomes-1-1.parquet tells {count} events '{event}'"):
        import_decisions([files])


def test_a_file_of_outcomes_that_was_altered_is_named(tmp_path: Path) -> None:
    files = write(tmp_path, {"key": "a"})
    pl.DataFrame({"key": ["a"], "event": ["like"]}).write_parquet(tmp_path / "outcomes-1-1.parquet")
    with pytest.raises(MissingColumn, match="count"):
        import_decisions([files])
    (tmp_path / "outcomes-1-1.parquet").write_bytes(b"PAR1")
    with pytest.raises(UnreadableFile, match=r"outcomes-1-1\.parquet"):
        import_decisions([files])

"""A stored log comes back as it was, and what is wrong with a folder is named."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.errors import DamagedLog, MissingColumn, NotALog, UnevenDays, UnknownLogVersion
from bidpilot.envs.logs.auction_log import COLUMNS, AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.logs.manifest import read_manifest
from bidpilot.envs.logs.storage import load_log, read_set_aside, save_log


def make_log(separate_truth: bool = False, realised: bool = False, funnel: bool = False) -> AuctionLog:
    rng = np.random.default_rng(3)
    offsets = stack_offsets([np.array(day) for day in ([0, 30, 20], [10, 40, 0], [0, 0, 5])])
    n = int(offsets[-1, -1])
    kpis = [rng.random(n, dtype=np.float32) for _ in range(3)]
    true = [rng.random(n, dtype=np.float32) for _ in range(3)] if separate_truth else kpis
    return AuctionLog(
        name="small",
        market_price=rng.random(n, dtype=np.float32),
        exposure=kpis[0],
        interaction=kpis[1],
        conversion=kpis[2],
        true_exposure=true[0],
        true_interaction=true[1],
        true_conversion=true[2],
        segment=rng.integers(0, 2, n).astype(np.int16),
        source=rng.integers(0, 4, n).astype(np.int16),
        invalid=rng.random(n) < 0.3 if separate_truth else np.zeros(n, dtype=np.bool_),
        interacted=rng.random(n, dtype=np.float32) if realised else None,
        converted=rng.random(n, dtype=np.float32) if realised else None,
        offsets=offsets,
        days=(
            DayRecord("a", "u", 1, 2),
            DayRecord("b", "u", 1.1, 2.0, 0.3),
            DayRecord("c", "v", 5.0, 1.0, campaign="7"),
        ),
        segments=("feed/head", "search/tail"),
        sources=4,
        notes=("a note",),
        funnel=np.random.default_rng(5).integers(0, 256, (n, 7)).astype(np.uint8) if funnel else None,
    )


def rewrite_column(folder: Path, change: Any) -> None:
    path = folder / "auctions.parquet"
    change(pl.read_parquet(path)).write_parquet(path)


def rewrite_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "log.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("memory_map", [False, True])
@pytest.mark.parametrize(("separate_truth", "realised"), [(False, False), (True, True)])
def test_a_log_comes_back_as_it_was(tmp_path: Path, separate_truth: bool, realised: bool, memory_map: bool) -> None:
    log = make_log(separate_truth, realised)
    save_log(log, tmp_path / "log")
    loaded = load_log(tmp_path / "log", memory_map=memory_map)
    for name in (*COLUMNS, "offsets"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(log, name), err_msg=name)
    assert (loaded.days, loaded.segments, loaded.sources) == (log.days, log.segments, log.sources)
    assert (loaded.name, loaded.notes, loaded.digest) == (log.name, log.notes, log.digest)
    assert (loaded.true_conversion is loaded.conversion) is not separate_truth
    assert isinstance(loaded.market_price, np.memmap) is memory_map


@pytest.mark.parametrize("memory_map", [False, True, None])
def test_counts_of_events_come_back_and_the_manifest_says_how_many_there_are(
    tmp_path: Path, memory_map: bool | None
) -> None:
    log = make_log(funnel=True)
    save_log(log, tmp_path / "log")
    for _ in range(2):  # decoded, and as it was mapped
        loaded = load_log(tmp_path / "log", memory_map=memory_map)
        assert loaded.funnel is not None
        assert loaded.funnel.dtype == np.uint8
        assert loaded.funnel.flags.c_contiguous
        np.testing.assert_array_equal(loaded.funnel, log.funnel)
        assert loaded.digest == log.digest != make_log().digest
        assert isinstance(loaded.funnel, np.memmap) is bool(memory_map)
    likes = int(pl.read_parquet(tmp_path / "log" / "auctions.parquet")["event_like"].sum())
    told = read_manifest(tmp_path / "log").events
    assert told == log.events
    assert (list(told)[2], told["like"]) == ("like", likes)


@pytest.mark.parametrize("memory_map", [False, True])
def test_what_orders_were_worth_comes_back(tmp_path: Path, memory_map: bool) -> None:
    log = replace(make_log(), order_value=np.arange(105, dtype=np.float32))
    save_log(log, tmp_path / "log")
    for _ in range(2):  # decoded, and as it was mapped
        loaded = load_log(tmp_path / "log", memory_map=memory_map)
        assert loaded.order_value is not None
        assert loaded.order_value.tolist() == list(range(105))
        assert loaded.digest == log.digest != make_log().digest
    chosen = loaded.select_days([2])
    assert chosen.order_value is not None
    assert chosen.order_value.tolist() == [100.0, 101.0, 102.0, 103.0, 104.0]
    save_log(make_log(), tmp_path / "log")
    assert load_log(tmp_path / "log", memory_map=memory_map).order_value is None


def test_a_log_without_a_funnel_is_stored_as_it_was_before_logs_had_one(tmp_path: Path) -> None:
    """The digest is one of a version that knew no funnel; so are the names of the columns and of the manifest."""
    save_log(make_log(funnel=True), tmp_path / "log")
    load_log(tmp_path / "log", memory_map=True)
    save_log(make_log(), tmp_path / "log")
    loaded = load_log(tmp_path / "log", memory_map=True)
    assert (loaded.funnel, loaded.events) == (None, {})
    assert loaded.digest == "455350d1c776cf3b9ef4c046f1f4084b"
    assert not [name for name in pl.read_parquet_schema(tmp_path / "log" / "auctions.parquet") if "event" in name]
    assert "events" not in json.loads((tmp_path / "log" / "log.json").read_text())


def test_a_funnel_that_lacks_a_type_of_event_or_was_altered_is_noticed(tmp_path: Path) -> None:
    save_log(make_log(funnel=True), tmp_path / "log")
    rewrite_column(tmp_path / "log", lambda rows: rows.with_columns(pl.lit(1, pl.UInt8).alias("event_share")))
    with pytest.raises(DamagedLog, match="altered"):
        load_log(tmp_path / "log")
    rewrite_column(tmp_path / "log", lambda rows: rows.drop("event_share"))
    with pytest.raises(MissingColumn, match="event_share"):
        load_log(tmp_path / "log")


def test_a_mapped_log_follows_the_log_that_replaces_it(tmp_path: Path) -> None:
    save_log(make_log(), tmp_path / "log")
    old = load_log(tmp_path / "log", memory_map=True)
    save_log(make_log(separate_truth=True), tmp_path / "log")
    new = load_log(tmp_path / "log", memory_map=True)
    assert old.digest == make_log().digest
    assert new.digest == make_log(separate_truth=True).digest != old.digest


def test_a_mapped_log_is_decoded_once_and_an_altered_map_is_noticed(tmp_path: Path) -> None:
    save_log(make_log(separate_truth=True, realised=True), tmp_path / "log")
    load_log(tmp_path / "log", memory_map=True)
    path = tmp_path / "log" / "mapped" / "market_price.npy"
    before = path.stat().st_mtime_ns
    again = load_log(tmp_path / "log", memory_map=True)
    assert path.stat().st_mtime_ns == before
    assert again.digest == make_log(separate_truth=True, realised=True).digest
    prices = np.load(path)
    np.save(path, prices + 1)
    with pytest.raises(DamagedLog):
        load_log(tmp_path / "log", memory_map=True)


def test_rows_set_aside_are_counted_and_kept(tmp_path: Path) -> None:
    aside = pl.DataFrame({"row": [4, 9], "reason": ["bad", "worse"]})
    save_log(make_log(), tmp_path / "log", set_aside=aside)
    manifest = read_manifest(tmp_path / "log")
    assert (manifest.rows_in, manifest.rows_kept, manifest.rows_set_aside) == (107, 105, 2)
    assert read_set_aside(tmp_path / "log").equals(aside)
    save_log(make_log(), tmp_path / "log")
    assert read_set_aside(tmp_path / "log").height == 0


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("the only copy")
    with pytest.raises(NotALog, match="left alone"):
        save_log(make_log(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_a_folder_that_is_no_log_is_named(tmp_path: Path, folder: str) -> None:
    with pytest.raises(NotALog, match="bidpilot import"):
        load_log(tmp_path / folder)


def test_a_misspelt_column_is_named_with_the_nearest_present(tmp_path: Path) -> None:
    save_log(make_log(), tmp_path / "log")
    rewrite_column(tmp_path / "log", lambda rows: rows.rename({"market_price": "Market_Prise"}))
    with pytest.raises(MissingColumn, match=r"market_price \(nearest present: Market_Prise\)"):
        load_log(tmp_path / "log")


def test_a_slot_beyond_the_day_is_an_uneven_day(tmp_path: Path) -> None:
    save_log(make_log(), tmp_path / "log")
    rewrite_manifest(tmp_path / "log", slots=2)
    with pytest.raises(UnevenDays, match="slot 2"):
        load_log(tmp_path / "log")


def test_another_layout_is_named_before_its_unknown_keys(tmp_path: Path) -> None:
    save_log(make_log(), tmp_path / "log")
    rewrite_manifest(tmp_path / "log", schema_version=7, colour="blue")
    with pytest.raises(UnknownLogVersion, match="7"):
        load_log(tmp_path / "log")


@pytest.mark.parametrize("file", ["auctions.parquet", "log.json"])
def test_a_truncated_file_is_named(tmp_path: Path, file: str) -> None:
    save_log(make_log(), tmp_path / "log")
    path = tmp_path / "log" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DamagedLog, match=file):
        load_log(tmp_path / "log")


def test_a_missing_file_of_auctions_is_named(tmp_path: Path) -> None:
    save_log(make_log(), tmp_path / "log")
    (tmp_path / "log" / "auctions.parquet").unlink()
    with pytest.raises(DamagedLog, match=r"auctions\.parquet"):
        load_log(tmp_path / "log")


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.with_columns(pl.col("market_price") + 1),
        lambda rows: rows.reverse(),
        lambda rows: rows.head(50),
        lambda rows: rows.with_columns(pl.col("day") + 1),
        lambda rows: rows.with_columns(pl.when(pl.col("slot") == 1).then(None).otherwise(0.5).alias("exposure")),
    ],
    ids=["value", "order", "length", "day", "null"],
)
def test_altered_auctions_are_noticed(tmp_path: Path, change: Any) -> None:
    save_log(make_log(), tmp_path / "log")
    rewrite_column(tmp_path / "log", change)
    with pytest.raises(DamagedLog):
        load_log(tmp_path / "log")


def test_a_manifest_with_an_unknown_key_is_damaged(tmp_path: Path) -> None:
    save_log(make_log(), tmp_path / "log")
    rewrite_manifest(tmp_path / "log", colour="blue")
    with pytest.raises(DamagedLog, match="colour"):
        load_log(tmp_path / "log")

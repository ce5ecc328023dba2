"""Every format, whatever is in its files: rows in = rows kept + rows set aside, in batches of any size."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.bidding.errors import BidpilotError, NotALog
from bidpilot.bidding.traffic.sources import CLUSTERS, FAMILIAR, Sources
from bidpilot.envs.logs import auctionnet, files, staging
from bidpilot.envs.logs.formats import ImportOptions
from bidpilot.envs.logs.importers import run_import
from bidpilot.envs.logs.storage import load_log, read_set_aside

HEADERS = {
    "auctionnet": ",".join(auctionnet.COLUMNS),
    "mapping": "at,cpm,pcvr,who,won,bid",
    "ipinyou": "",
}
GOOD = {
    "auctionnet": "7,3,{place},{place},480,110,0.001,0.08",
    "mapping": "2024-03-10T12:{place:02}:00,800,0.02,ann,1,900",
    "ipinyou": "0 {place} 0.001 1",
}
MAPPING = {
    "time": {"column": "at"},
    "price": {"column": "cpm", "won": "won", "bid": "bid"},
    "conversion": {"sum": {"pcvr": 1}},
    "source": "who",
    "quote": None,
}


def write(folder: Path, format: str, lines: list[str], name: str = "file.csv") -> tuple[Path, ImportOptions]:
    header = [HEADERS[format]] if HEADERS[format] else []
    (folder / name).write_text("\n".join([*header, *lines]) + "\n", encoding="utf-8", errors="surrogateescape")
    (folder / "mapping.yaml").write_text(yaml.safe_dump(MAPPING))
    return folder / name, ImportOptions(mapping=folder / "mapping.yaml", lost="draw", episode=5)


@pytest.mark.parametrize("format", GOOD)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(
            st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=60),
            st.lists(
                st.sampled_from(["", "0", "1", "-1", "1e400", "nan", "2024-03-10T12:00:00", "x", '"', "9" * 30]),
                min_size=2,
                max_size=9,
            ).map(",".join),
        ),
        max_size=6,
    )
)
def test_no_row_is_lost_whatever_it_holds(format: str, bad: list[str]) -> None:
    with TemporaryDirectory() as folder:
        good = [GOOD[format].format(place=place) for place in range(4)]
        path, options = write(Path(folder), format, [*good[:2], *bad, *good[2:]])
        summary = run_import(format, [path], Path(folder) / "log", options=options)
        aside = read_set_aside(Path(folder) / "log")
        assert summary.rows_in == 4 + len(bad) == summary.rows_kept + sum(summary.set_aside.values())
        assert aside.height == sum(summary.set_aside.values())
        assert (load_log(Path(folder) / "log").n, summary.rows_kept >= 4) == (summary.rows_kept, True)
        if aside.height:
            assert aside["row"].is_unique().all()
            assert aside["reason"].is_not_null().all()


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["auctionnet", "mapping", "ipinyou", "kuairand"]), st.booleans())
def test_a_file_of_any_bytes_is_a_named_error(data: bytes, format: str, parquet: bool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / ("file.parquet" if parquet else "file.csv")
        path.write_bytes(data)
        (Path(folder) / "mapping.yaml").write_text(yaml.safe_dump(MAPPING))
        options = ImportOptions(mapping=Path(folder) / "mapping.yaml")
        with pytest.raises(BidpilotError):
            run_import(format, [path], Path(folder) / "log", options=options)
        assert not (Path(folder) / "log").exists()


@pytest.mark.parametrize("format", GOOD)
def test_batches_of_any_size_give_the_same_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    rng = np.random.default_rng(0)
    lines = [GOOD[format].format(place=place) for place in rng.permutation(40)]
    path, options = write(tmp_path, format, [*lines, "bad", *lines[:3]])
    whole = run_import(format, [path], tmp_path / "whole", options=options)
    monkeypatch.setattr(files, "TEXT_BATCH_ROWS", 7)
    monkeypatch.setattr(staging, "_FLUSH_ROWS", 10)
    pieces = run_import(format, [path], tmp_path / "pieces", options=options)
    assert pieces.digest == whole.digest
    assert pieces.set_aside == whole.set_aside
    assert read_set_aside(tmp_path / "pieces").sort("row").equals(read_set_aside(tmp_path / "whole").sort("row"))


def test_a_publishers_cluster_is_a_bid_servers(tmp_path: Path) -> None:
    """Whatever else the log holds, so that its bundle's shares are found again; who has no id is of the pool."""
    names = ["ann", "site-7", "", "ann"]
    rows = [GOOD["mapping"].format(place=place).replace("ann", name) for place, name in enumerate(names)]
    path, options = write(tmp_path, "mapping", rows)
    run_import("mapping", [path], tmp_path / "log", options=options)
    log, server = load_log(tmp_path / "log"), Sources(CLUSTERS)
    for name in names * FAMILIAR:
        server.meet(name)
    assert log.source.tolist() == [server.find(name) for name in names]
    assert log.source[2] == server.pool == log.sources - 1
    assert len(set(log.source.tolist())) == 3


def test_duplicates_are_found_across_files_and_their_text_is_kept(tmp_path: Path) -> None:
    good = [GOOD["auctionnet"].format(place=place) for place in range(4)]
    first, _ = write(tmp_path, "auctionnet", good[:3], "a.csv")
    second, _ = write(tmp_path, "auctionnet", [good[3], good[1]], "b.csv")
    run_import("auctionnet", [first, second], tmp_path / "log")
    aside = read_set_aside(tmp_path / "log")
    assert aside.select("file", "row", "pvIndex").rows() == [("b.csv", 1, "1")]


def test_a_failed_import_leaves_an_older_log_and_no_rubbish(tmp_path: Path) -> None:
    path, options = write(tmp_path, "ipinyou", ["0 5 0.1"])
    digest = run_import("ipinyou", [path], tmp_path / "log", options=options).digest
    path.write_text("nothing\n")
    with pytest.raises(BidpilotError):
        run_import("ipinyou", [path], tmp_path / "log", options=options)
    assert load_log(tmp_path / "log").digest == digest
    assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith(".")]


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    path, options = write(tmp_path, "ipinyou", ["0 5 0.1"])
    with pytest.raises(NotALog, match="left alone"):
        run_import("ipinyou", [path], tmp_path, options=options)
    assert pl.read_csv(path, has_header=False).height == 1

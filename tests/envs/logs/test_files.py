"""Folders stand for their files, and nothing that exists is overwritten unasked."""

from pathlib import Path

import polars as pl
import pytest

from bidpilot.bidding.errors import LogExists, NoFilesMatched, NotALog, UnknownFormat
from bidpilot.envs.logs.files import find_files
from bidpilot.envs.logs.importers import run_import
from bidpilot.training.cli import main


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_a_folder_stands_for_what_can_be_read_in_it(tmp_path: Path) -> None:
    touch(
        tmp_path, "b.csv", "a/part-0.parquet", "c.tsv.gz", "README.md", "_SUCCESS.csv", ".hidden/d.csv", "e.parquet.gz"
    )
    names = [path.relative_to(tmp_path).as_posix() for path in find_files([tmp_path])]
    assert names == ["a/part-0.parquet", "b.csv", "c.tsv.gz"]
    assert [path.name for path in find_files([tmp_path], "b*")] == ["b.csv"]
    assert find_files([tmp_path / "b.csv", tmp_path])[0].name == "b.csv"


def test_a_folder_without_files_and_a_file_of_no_kind_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "readme/README.md", "e.parquet.gz")
    with pytest.raises(NoFilesMatched):
        find_files([tmp_path / "readme"])
    with pytest.raises(UnknownFormat, match=r"\.bz2"):
        find_files([tmp_path / "e.parquet.gz"])


def test_a_log_that_exists_is_replaced_only_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "short.txt").write_text("0 5 0.1\n1 6 0.2\n")
    args = ["import", "ipinyou", str(tmp_path / "short.txt"), "--out", str(tmp_path / "log")]
    main(args)
    before = (tmp_path / "log" / "auctions.parquet").read_bytes()
    (tmp_path / "short.txt").write_text("0 7 0.1\n")
    with pytest.raises(LogExists, match="--force"):
        run_import("ipinyou", [tmp_path / "short.txt"], tmp_path / "log")
    assert (tmp_path / "log" / "auctions.parquet").read_bytes() == before
    main([*args, "--force"])
    assert pl.read_parquet(tmp_path / "log" / "auctions.parquet")["market_price"].to_list() == [7.0]
    assert "rows in 1 = rows kept 1" in capsys.readouterr().out


def test_what_is_no_log_is_left_alone_even_by_force(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("0 5 0.1\n")
    touch(tmp_path, "mine/thesis.txt")
    for out in (tmp_path / "mine", tmp_path / "short.txt"):
        with pytest.raises(NotALog):
            run_import("ipinyou", [tmp_path / "short.txt"], out, force=True)
    assert (tmp_path / "mine" / "thesis.txt").read_bytes() == b"x"

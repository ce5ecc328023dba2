"""Rows of decision logs, whoever reads them: of several files, encrypted, and of servers of before."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from bidpilot.bidding.errors import MissingColumn, NoFilesMatched, UnreadableFile
from bidpilot.envs.logs.decision_rows import decision_files, read_decision_rows
from bidpilot.envs.logs.outcomes import SEALED_MAGIC


def rows(folder: Path, name: str, **columns: list[object]) -> None:
    pl.DataFrame(columns).write_parquet(folder / f"decisions-{name}.parquet")


def test_files_follow_each_other_and_say_which_they_are(tmp_path: Path) -> None:
    """A column of a later server is null where it was not written, and one that nobody filled is of its type."""
    rows(tmp_path, "1", campaign=["a"], price=[None], odd=[1])
    rows(tmp_path, "2", campaign=["b"], price=[0.5], arm=["new"])
    found = read_decision_rows(decision_files([tmp_path]), ("campaign", "price"), later={"arm": pl.String})
    assert found.to_dicts() == [
        {"campaign": "a", "price": None, "arm": None, "file": "decisions-1.parquet"},
        {"campaign": "b", "price": 0.5, "arm": "new", "file": "decisions-2.parquet"},
    ]
    assert found.schema["price"] == pl.Float64


def test_what_is_no_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoFilesMatched):
        decision_files([tmp_path])
    rows(tmp_path, "1", campaign=["a"])
    with pytest.raises(MissingColumn, match="price"):
        read_decision_rows(decision_files([tmp_path]), ("campaign", "price"))
    (tmp_path / "decisions-2.parquet").write_bytes(SEALED_MAGIC + b"...")
    with pytest.raises(UnreadableFile, match="--key-file"):
        read_decision_rows(decision_files([tmp_path]), ("campaign",))


def test_encrypted_files_are_read_by_who_can_decrypt_them(tmp_path: Path) -> None:
    rows(tmp_path, "1", campaign=["a"])
    path = tmp_path / "decisions-1.parquet"
    plain = path.read_bytes()
    path.write_bytes(plain[::-1])
    assert read_decision_rows([path], ("campaign",), lambda p: p.read_bytes()[::-1])["campaign"].to_list() == ["a"]

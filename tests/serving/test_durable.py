"""A file is there whole or not at all, is on disk before it has its name, and is its owner's alone unless said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bidpilot.serving.durable import AS_USUAL, OWNER_ALONE, sync, whole_file


def test_a_file_takes_its_place_once_it_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "a.json", list[str]()
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append(path.read_text()))
    path.write_text("before")
    with whole_file(path) as file:
        file.write(b"after")
    assert (path.read_text(), seen, os.listdir(tmp_path)) == ("after", ["before"], ["a.json"])
    with whole_file(path, durable=False) as file:
        file.write(b"later")
    assert (path.read_text(), len(seen)) == ("later", 1)


def test_what_fails_leaves_what_was_there_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.json"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(bytes(1 // 0))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"), whole_file(path, tmp_path / ".other") as file:
        file.write(b"after")
    with pytest.raises(OSError, match="No space"):
        sync(path)
    assert (path.read_text(), os.listdir(tmp_path)) == ("before", ["a.json"])


@pytest.mark.parametrize(("mode", "found"), [(OWNER_ALONE, 0o600), (AS_USUAL, 0o640)])
def test_who_may_read_it(tmp_path: Path, mode: int, found: int) -> None:
    masked = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a", mode=mode) as file, whole_file(tmp_path / "b") as usual:
            file.write(b"x")
            usual.write(b"x")
    finally:
        os.umask(masked)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "ab"] == [found, 0o600]

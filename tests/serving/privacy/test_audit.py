"""The audit log: what is done is kept, in order, and whatever is changed in it afterwards is seen."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.bidding.errors import AuditBroken
from bidpilot.serving.ledger.keeper import at_once
from bidpilot.serving.privacy import audit
from bidpilot.serving.privacy.audit import FIRST, Action, AuditLog, append, digest, verify
from bidpilot.serving.privacy.audit_prune import prune_audit


def action(n: int = 0) -> Action:
    return Action(1e9 + n, "anna", "direct", "127.0.0.1:5", f"POST /admin/{n}", 200, {"n": n - 1}, {"n": n})


def write(path: Path, count: int) -> Path:
    for n in range(count):
        append(path, action(n))
    return path


def test_each_line_holds_the_hash_of_the_one_before(tmp_path: Path) -> None:
    lines = write(tmp_path / "a" / "audit.jsonl", 3).read_bytes().splitlines()
    found = [json.loads(line) for line in lines]
    assert [line["prev"] for line in found] == [FIRST, digest(lines[0]), digest(lines[1])]
    assert [line["seq"] for line in found] == [0, 1, 2]
    assert found[2] | {"prev": ""} == {
        "seq": 2, "at": 1e9 + 2, "who": "anna", "role": "direct", "peer": "127.0.0.1:5", "what": "POST /admin/2",
        "status": 200, "before": {"n": 1}, "after": {"n": 2}, "prev": "", "torn": 0,
    }  # fmt: skip
    assert verify(tmp_path / "a" / "audit.jsonl") == (3, 0, digest(lines[2]))
    assert (tmp_path / "a" / "audit.jsonl").stat().st_mode & 0o077 == 0


@settings(max_examples=60, deadline=None)
@given(data=st.data(), count=st.integers(2, 6))
def test_whatever_is_changed_in_it_is_seen(
    data: st.DataObject, count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("audit") / "audit.jsonl", count)
    head = verify(path).head
    lines = path.read_bytes().splitlines()
    how = data.draw(st.sampled_from(["alter", "remove", "swap", "repeat", "cut off"]))
    at = data.draw(st.integers(0, count - 1 if how == "alter" else count - 2))
    if how == "alter":
        byte = data.draw(st.integers(0, len(lines[at]) - 1))
        changed = bytearray(lines[at])
        changed[byte] ^= data.draw(st.integers(1, 255))
        lines[at] = bytes(changed)
    elif how == "remove":
        del lines[at]
    elif how == "swap":
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    elif how == "repeat":
        lines.insert(at, lines[at])
    else:
        del lines[at + 1 :]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.raises(AuditBroken, match=r"audit\.jsonl"):
        verify(path, head)
    if how == "cut off":
        assert verify(path).lines == at + 1  # which nobody sees who has not noted the head


def test_a_head_that_was_noted_is_found_later(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl", 2)
    head = verify(path).head
    append(path, action(2))
    assert verify(path, head).lines == 3


@pytest.mark.parametrize("kept", [0, 1, 20, 200])
def test_a_line_that_a_kill_has_left_unfinished_is_cut_off_and_said(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path / "audit.jsonl", 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:kept])
    if kept:
        with pytest.raises(AuditBroken, match="line 3 ends in its middle"):
            verify(path)
    append(path, action(9))
    assert verify(path).lines == 3
    assert json.loads(path.read_bytes().splitlines()[2])["torn"] == kept


def test_lines_longer_than_a_block_are_found(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for size in (10, 4096, 5000, 20_000, 3):
        append(path, action()._replace(after="x" * size))
    assert verify(path).lines == 5


def _write_many(path: Path) -> None:
    write(path, 25)


def test_several_processes_write_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write_many, args=(path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert verify(path).lines == 75


def test_lines_go_by_age_while_others_write(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    process = multiprocessing.get_context("fork").Process(target=_write_many, args=(path,))
    process.start()
    removed = 0
    while process.is_alive():
        removed += prune_audit(path, 1e9 + 5, 2e9)
    process.join(30)
    append(path, action(99))
    verify(path)
    kept = [line.what for _, line in audit.read(path) if line.what != audit.PRUNED]
    assert kept[-21:] == [f"POST /admin/{n}" for n in (*range(5, 25), 99)]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "audit.jsonl", 2)
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        append(path, action(2))
    assert path.read_bytes() == before


def test_what_cannot_be_written_is_told_and_written_later(tmp_path: Path) -> None:
    """In a thread of its own: who acts goes on at once."""
    folder = tmp_path / "gone"
    folder.write_text("a file where a folder is to be")
    log, failed, done = AuditLog(folder / "audit.jsonl"), threading.Event(), threading.Event()
    log.on_failed = lambda why: failed.set()
    log.start(at_once)
    for n in range(3):
        log.tell(action(n), done.set if n == 2 else lambda: None)
    assert failed.wait(5)
    assert log.pending == 3
    folder.unlink()
    assert done.wait(5)
    log.close()
    assert [line.after for _, line in audit.read(folder / "audit.jsonl")] == [{"n": n} for n in range(3)]
    verify(folder / "audit.jsonl")


def test_what_is_no_audit_log_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(AuditBroken, match="Name a server's --state folder"):
        verify(tmp_path / "nothing")

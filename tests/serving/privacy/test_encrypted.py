"""A server with a key: nothing that it keeps of auctions can be read without it, and all can with it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import SealBroken, StateInUse, UnreadableFile, WrongKey
from bidpilot.envs.logs.importers import run_import
from bidpilot.envs.logs.storage import load_log
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.ledger.store import Wins
from bidpilot.serving.privacy.command import run
from bidpilot.serving.privacy.config import PrivacyConfig
from bidpilot.serving.privacy.keys import Key, new_key, read_key
from bidpilot.serving.privacy.places import decision_files
from bidpilot.serving.privacy.rekey import rekey
from bidpilot.serving.privacy.seal import sealed_with, write_sealed
from bidpilot.serving.state import State
from bidpilot.training.importing.config import ImportConfig
from bidpilot.training.importing.run import run as run_the_import
from tests.serving.privacy.conftest import Kept

CLOCK = 20_001.2 * DAY
ACCOUNTS = ["autumn@2024-10-05", "default@2024-10-05"]


def texts(kept: Kept) -> dict[str, list[Any]]:
    """All texts of the state, as it reads them."""
    state = State(kept.state / "state.sqlite", key=kept.key)
    with closing(sqlite3.connect(kept.state / "state.sqlite")) as db:
        found = {
            table: [
                (row[0], state._fields.open(row[-1], table, *row[:n])) for row in db.execute(f"SELECT * FROM {table}")
            ]
            for table, n in (("slots", 2), ("gates", 1), ("results", 1), ("forgiven", 1))
        }
    state.close()
    return found


def test_nothing_of_auctions_can_be_read_without_the_key(encrypted: Kept) -> None:
    files = decision_files(encrypted.decisions)
    assert files
    assert all(path.name.endswith(".sealed.parquet") for path in files)
    data = b"".join(path.read_bytes() for path in files)
    assert b"PAR1" not in data
    assert b"autumn" not in data
    with closing(sqlite3.connect(encrypted.state / "state.sqlite")) as db:
        for table, column in (("slots", "totals"), ("gates", "used"), ("results", "text"), ("key", "text")):
            rows = [row[0] for row in db.execute(f"SELECT {column} FROM {table}")]
            assert rows
            assert all(row.startswith("sealed1:") for row in rows)


def test_a_restart_with_the_key_goes_on_with_what_was_seen(encrypted: Kept, plain: Kept) -> None:
    clock = ManualClock(20_001 * DAY + 3 * DAY / 48)
    with open_bidder(encrypted.config, clock) as one, open_bidder(plain.config, clock) as other:
        for bidder in (one, other):
            assert bidder.event_counts()[Cause.unwatched] == 0  # all slots before this one are known
            assert {day.slot for day in bidder.days.values()} == {3}
        assert one.desk.state.results(ACCOUNTS) == other.desk.state.results(ACCOUNTS)


def test_a_start_with_another_key_or_none_is_a_named_error(encrypted: Kept, tmp_path: Path) -> None:
    other = tmp_path / "other"
    new_key(other)
    for key_file in (other, None):
        with pytest.raises(WrongKey, match="--key-file"):
            open_bidder(replace(encrypted, key_file=key_file).config, ManualClock(CLOCK))
    with open_bidder(encrypted.config, ManualClock(CLOCK)):
        pass  # nothing was changed, and nothing is left open


def test_a_key_for_a_state_that_had_none_encrypts_from_then_on(plain: Kept, tmp_path: Path) -> None:
    new_key(tmp_path / "k")
    kept = replace(plain, key_file=tmp_path / "k")
    before = texts(plain)
    with open_bidder(kept.config, ManualClock(CLOCK)) as bidder:
        bidder.desk.state.store_forgiven("a", Wins(1, 2, 3, 4))
        assert bidder.desk.state.forgiven()["a"] == Wins(1, 2, 3, 4)
    with closing(sqlite3.connect(kept.state / "state.sqlite")) as db:
        assert db.execute("SELECT wins FROM forgiven WHERE campaign = 'a'").fetchone()[0].startswith("sealed1:")
    assert set(before["slots"]) <= set(texts(kept)["slots"])


def test_a_text_that_was_moved_or_altered_is_a_named_error(encrypted: Kept) -> None:
    with closing(sqlite3.connect(encrypted.state / "state.sqlite")) as db:
        (text,) = db.execute("SELECT text FROM results LIMIT 1").fetchone()
        db.execute("UPDATE results SET text = ? WHERE text != ?", (text, text))
        db.commit()
    state = State(encrypted.state / "state.sqlite", key=encrypted.key)
    with pytest.raises(SealBroken, match="Restore a backup"):
        state.results(["autumn@2024-10-04", "default@2024-10-04"])
    state.close()


def test_encrypted_days_are_imported_as_the_days_they_were(encrypted: Kept, plain: Kept, tmp_path: Path) -> None:
    assert encrypted.key_file is not None
    config = ImportConfig(
        format="decisions", files=(encrypted.decisions,), out=tmp_path / "log", key_file=encrypted.key_file
    )
    run_the_import(config)
    run_import("decisions", [plain.decisions], tmp_path / "plain")
    ours, theirs = load_log(tmp_path / "log"), load_log(tmp_path / "plain")
    assert ours.n == theirs.n > 0
    np.testing.assert_array_equal(ours.source, theirs.source)
    assert ours.funnel is not None
    assert theirs.funnel is not None
    np.testing.assert_array_equal(ours.funnel, theirs.funnel)


def test_encrypted_days_without_or_with_another_key_are_named_errors(encrypted: Kept, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="--key-file"):
        run_import("decisions", [encrypted.decisions], tmp_path / "log")
    new_key(tmp_path / "other")
    other = ImportConfig(
        format="decisions", files=(encrypted.decisions,), out=tmp_path / "log", key_file=tmp_path / "other"
    )
    with pytest.raises(WrongKey, match="--key-file"):
        run_the_import(other)


# --- another key ---------------------------------------------------------------------------------


def test_all_is_read_with_the_new_key_alone(kept: Kept, tmp_path: Path) -> None:
    before, count = texts(kept), len(decision_files(kept.decisions))
    ages = sorted(path.stat().st_mtime_ns for path in decision_files(kept.decisions))
    new_key(tmp_path / "new")
    config = PrivacyConfig(
        do="rekey", place=kept.state, decisions=kept.decisions, key_file=kept.key_file, new_key_file=tmp_path / "new"
    )
    run(config)
    after = replace(kept, key_file=tmp_path / "new")
    assert texts(after) == before
    assert {sealed_with(path) for path in decision_files(kept.decisions)} == {read_key(tmp_path / "new").name}  # type: ignore[union-attr]
    assert len(decision_files(kept.decisions)) == count
    assert sorted(path.stat().st_mtime_ns for path in decision_files(kept.decisions)) == ages
    with pytest.raises(WrongKey):
        texts(kept)
    data = b"".join(path.read_bytes() for path in kept.state.glob("state.sqlite*"))
    assert b'"auctions"' not in data
    run(config)  # once more: there is nothing to do
    assert texts(after) == before


def test_a_run_that_is_cut_off_is_run_again(encrypted: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, new = texts(encrypted), new_key(tmp_path / "new")
    calls = 0

    def cut(path: Path, data: bytes, key: Key) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError("no space left")
        write_sealed(path, data, key)

    monkeypatch.setattr("bidpilot.serving.privacy.rekey.write_sealed", cut)
    with pytest.raises(OSError, match="no space"):
        rekey(encrypted.state, encrypted.decisions, encrypted.key, new)
    assert texts(encrypted) == before
    rekey(encrypted.state, encrypted.decisions, encrypted.key, new)
    assert texts(replace(encrypted, key_file=tmp_path / "new")) == before


def test_a_running_server_is_not_given_another_key(encrypted: Kept, tmp_path: Path) -> None:
    new = new_key(tmp_path / "new")
    with open_bidder(encrypted.config, ManualClock(CLOCK)), pytest.raises(StateInUse, match="Stop it"):
        rekey(encrypted.state, encrypted.decisions, encrypted.key, new)

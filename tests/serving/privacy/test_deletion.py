"""Deletion: of what is meant nothing is left, of all else everything; money stays."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.errors import InvalidServing, UnreadableFile, WrongKey
from bidpilot.bidding.traffic.memory import SourceMemory
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.privacy.command import run
from bidpilot.serving.privacy.config import PrivacyConfig
from bidpilot.serving.privacy.deletion import What, delete
from bidpilot.serving.privacy.fields import Fields
from bidpilot.serving.privacy.forgotten import noted
from bidpilot.serving.privacy.frames import read_frame, write_frame
from bidpilot.serving.privacy.places import decision_files
from tests.serving.privacy.conftest import CAMPAIGNS, DAYS, SOURCES, Kept

MEANT = [What(campaign=CAMPAIGNS[1]), What(source=SOURCES[1]), What(day=date.fromisoformat(DAYS[0]))]


def log(kept: Kept, kind: str) -> pl.DataFrame:
    frames = [read_frame(p, kept.key) for p in decision_files(kept.decisions) if p.name.startswith(kind)]
    return pl.concat(frames).sort(pl.all()) if frames else pl.DataFrame()


def database(path: Path, table: str, order: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()


def slots(kept: Kept) -> dict[tuple[str, int], dict[str, Any]]:
    fields = Fields(kept.key)
    rows = database(kept.state / "state.sqlite", "slots", "account, slot")
    return {(account, slot): json.loads(fields.open(text, "slots", account, slot)) for account, slot, text in rows}


def ledger(kept: Kept) -> list[Any]:
    return [database(kept.state / "ledger.sqlite", table, "1") for table in ("accounts", "notices", "wins", "orders")]


def is_meant(row: dict[str, Any], what: What) -> bool:
    return (
        bool(what.campaign == row["campaign"])
        or bool(what.source == row["source"])
        or bool(str(what.day) == row["date"])
    )


@pytest.mark.parametrize("what", MEANT, ids=["campaign", "source", "day"])
def test_of_what_is_meant_nothing_is_left_and_of_all_else_everything(kept: Kept, what: What) -> None:
    rows, outcomes, books = log(kept, "decisions"), log(kept, "outcomes"), ledger(kept)
    meant = pl.Series([is_meant(row, what) for row in rows.iter_rows(named=True)])
    assert 0 < meant.sum() < rows.height
    ages = {path: path.stat().st_mtime_ns for path in decision_files(kept.decisions)}
    before = slots(kept)
    assert delete(kept.state, kept.decisions, what, kept.key)
    assert log(kept, "decisions").equals(rows.filter(~meant))
    gone = set(rows.filter(meant)["key"]) - {""}
    assert log(kept, "outcomes").equals(outcomes.filter(~pl.col("key").is_in(list(gone))))
    assert 0 < log(kept, "outcomes").height < outcomes.height
    assert all(path.stat().st_mtime_ns == age for path, age in ages.items() if path.exists())  # its age is the rows'
    assert ledger(kept) == books
    after = slots(kept)
    if what.source is None:
        assert after == {k: v for k, v in before.items() if not what.account(k[0])}
        assert 0 < len(after) < len(before)
    else:
        assert after.keys() == before.keys()
        for place, totals in after.items():
            for name, value in totals.items():
                old = np.array(before[place][name])
                if name.startswith("source_"):
                    old[:, what.source] = 0
                assert np.array_equal(old, value), name
    assert delete(kept.state, kept.decisions, what, kept.key) == []  # once more: nothing is left of it
    with open_bidder(kept.config, ManualClock(20_001.2 * DAY)) as bidder:  # and it is served on
        assert set(bidder.days) == {"autumn", "default"}


def test_a_dry_run_says_the_same_and_changes_no_byte(kept: Kept) -> None:
    files = {path: path.read_bytes() for path in decision_files(kept.decisions)}
    before = slots(kept)
    said = delete(kept.state, kept.decisions, MEANT[0], kept.key, dry_run=True)
    assert {path: path.read_bytes() for path in decision_files(kept.decisions)} == files
    assert slots(kept) == before
    assert delete(kept.state, kept.decisions, MEANT[0], kept.key) == said


def test_deleted_texts_are_in_no_byte_of_the_state(plain: Kept) -> None:
    delete(plain.state, plain.decisions, What(campaign="default"), None)
    data = b"".join(path.read_bytes() for path in plain.state.glob("state.sqlite*"))
    assert b"default@" not in data
    assert b"autumn@" in data


def test_incidents_of_it_are_deleted(plain: Kept) -> None:
    folder = plain.state / "incidents"
    folder.mkdir()
    target: dict[str, Any] = {"kind": "source", "index": 5}
    told = {
        "a": {"campaign": "default", "day": DAYS[0], "target": {"kind": "campaign", "index": None}},
        "b": {"campaign": "autumn", "day": DAYS[1], "target": target},
        "c": {"campaign": "autumn", "day": DAYS[0], "target": {"kind": "segment", "index": 5}},
    }
    for what, left in zip(MEANT, ("bc", "ac", "b"), strict=True):
        for name, incident in told.items():
            (folder / f"{name}.json").write_text(json.dumps(incident))
        (folder / "odd.json").write_text("[")
        delete(plain.state, None, what, None)
        assert "".join(sorted(path.stem for path in folder.glob("?.json"))) == left


def remembered(kept: Kept) -> SourceMemory:
    return SourceMemory.load(kept.state / "sources.npz")


def learn(bidder: Bidder) -> None:
    book = bidder.desk.book
    assert book is not None
    book.learn([day.filter for day in bidder.days.values() if day.filter is not None])


def test_a_source_is_forgotten_also_by_a_server_that_runs(plain: Kept) -> None:
    """It has the memory in its own, and writes that when a day ends."""
    memory = remembered(plain)
    told = replace(memory, evidence=memory.evidence + 1.0, requests=memory.requests + 7.0)
    told.save(plain.state / "sources.npz")
    with open_bidder(plain.config, ManualClock(20_001.2 * DAY)) as bidder:
        delete(plain.state, plain.decisions, What(source=5), None)
        assert (remembered(plain).evidence[5], remembered(plain).requests[5]) == (0.0, 0.0)
        assert remembered(plain).requests[6] == told.requests[6]
        learn(bidder)
        assert (remembered(plain).evidence[5], remembered(plain).requests[5]) == (0.0, 0.0)
        assert remembered(plain).requests[6] > 0
        assert noted(plain.state) == []


def test_without_its_key_nothing_is_deleted(encrypted: Kept) -> None:
    kept = encrypted
    files = {path: path.read_bytes() for path in (*kept.decisions.iterdir(), kept.state / "state.sqlite")}
    with pytest.raises(WrongKey, match="--key-file"):
        delete(kept.state, kept.decisions, MEANT[0], None)
    assert {path: path.read_bytes() for path in (*kept.decisions.iterdir(), kept.state / "state.sqlite")} == files


def test_a_run_that_is_cut_off_is_finished_by_the_next(plain: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far it has come: outcomes go before the rows that tell whose they are."""
    rows, calls = log(plain, "decisions"), 0
    gone = set(rows.filter(pl.col("campaign") == "default")["key"]) - {""}
    write = write_frame

    def cut(*given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > most:
            raise KeyboardInterrupt
        write(*given)

    monkeypatch.setattr("bidpilot.serving.privacy.deletion.write_frame", cut)
    most = 0
    while most < 100:
        calls, most = 0, most + 1
        try:
            delete(plain.state, plain.decisions, What(campaign="default"), None)
            break
        except KeyboardInterrupt:
            continue
    assert set(log(plain, "decisions")["campaign"]) == {"autumn"}
    assert not gone & set(log(plain, "outcomes")["key"])


@pytest.mark.parametrize("given", [{}, {"campaign": "a", "source": 1}, {"source": 0, "day": date(2026, 1, 1)}])
def test_exactly_one_thing_is_deleted_at_a_time(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidServing, match="Give one of --campaign NAME, --source N and --day DATE"):
        What(**given)


def test_what_is_no_parquet_is_a_named_error(plain: Kept) -> None:
    (plain.decisions / "decisions-odd.parquet").write_bytes(b"odd")
    with pytest.raises(UnreadableFile, match="decisions-odd"):
        delete(plain.state, plain.decisions, MEANT[0], None)


def test_the_command_says_what_stays_and_is_in_the_audit_log(plain: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    config = PrivacyConfig(do="delete", place=plain.state, decisions=plain.decisions, campaign="default", dry_run=True)
    run(config)
    assert "would remove decisions" in capsys.readouterr().out
    with open_bidder(plain.config, ManualClock(20_001.2 * DAY)):
        run(config.model_copy(update={"dry_run": False}))
    out = capsys.readouterr().out
    assert "removed state: slots of default@2024-10-04" in out
    assert "kept: the ledger" in out
    assert "a server works on this folder" in out
    line = json.loads((plain.state / "audit.jsonl").read_text().splitlines()[-1])
    assert (line["what"], line["before"]) == ("delete", {"campaign": "default"})

"""Retention: what is too old is removed and said; what runs, owes or is open stays, however old."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from bidpilot.bidding.errors import InvalidServing, StateInUse
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.days import OLD_DAYS
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.privacy import in_use
from bidpilot.serving.privacy.audit import Action, AuditLog, append, verify
from bidpilot.serving.privacy.audit_prune import prune_audit
from bidpilot.serving.privacy.command import run
from bidpilot.serving.privacy.config import PrivacyConfig
from bidpilot.serving.privacy.housekeeper import Housekeeper
from bidpilot.serving.privacy.keep import AUDIT_DAYS, Keep, Kind, limits
from bidpilot.serving.privacy.retention import prune, running_day
from bidpilot.serving.state import State

NOW = 20_000 * DAY
TODAY = date(2024, 10, 4)
ALL = limits(10, Keep(audit=10))


def test_each_kind_has_its_own_limit_and_else_that_of_all() -> None:
    assert limits(None, Keep()) == {}
    assert limits(None, Keep(incidents=4)) == {Kind.incidents: 4}
    usual = limits(30, Keep(decisions=7))
    assert usual == {**dict.fromkeys(Kind, 30), Kind.decisions: 7, Kind.audit: AUDIT_DAYS}
    assert limits(2 * AUDIT_DAYS, Keep())[Kind.audit] == 2 * AUDIT_DAYS
    assert limits(30, Keep(audit=5))[Kind.audit] == 5


def file(path: Path, age: float, text: str = "x" * 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (NOW - age * DAY, NOW - age * DAY))
    return path


@pytest.fixture
def kept(tmp_path: Path) -> tuple[list[Path], list[Path]]:
    """Files that are too old, and files that are not, or are not to be removed."""
    state, logs, closed = tmp_path / "s", tmp_path / "d", json.dumps({"open": False})
    names = [
        (logs / "decisions-1-000001.parquet", "x"), (logs / "outcomes-1-000001.parquet", "x"),
        (logs / "decisions-1-000001.sealed.parquet", "x"), (state / "incidents" / "a.json", closed),
        (state / "incidents" / "worker-1" / "a.json", closed), (state / "incidents" / "unreadable.json", "{"),
        (state / "reports" / "may" / "a.html", "x"), (state / "sources.npz", "x"),
    ]  # fmt: skip
    old = [file(path, 10.01, text) for path, text in names]
    young = [file(path.with_stem("young-" + path.stem) if path.parent == state else path.with_name(
        path.name.replace("1-000001", "2-000001").replace("a.", "young.").replace("unreadable", "other")), 9.99, text)
        for path, text in names]  # fmt: skip
    young.append(file(state / "incidents" / "open.json", 99, json.dumps({"open": True})))
    young += [file(logs / "segments.json", 99), file(state / "notice.secret", 99), file(logs / "a-1.part", 99)]
    return old, young


@pytest.mark.parametrize("dry_run", [True, False])
def test_files_go_by_the_age_of_their_last_row(
    kept: tuple[list[Path], list[Path]], tmp_path: Path, dry_run: bool
) -> None:
    old, young = kept
    report = prune(tmp_path / "s", tmp_path / "d", ALL, NOW, TODAY, dry_run)
    assert sorted(one.what for one in report.removed) == sorted(map(str, old))
    assert not report.failed
    assert {path.exists() for path in old} == {dry_run}
    assert all(path.exists() for path in young)
    assert all(line.startswith("would remove" if dry_run else "removed") for line in report.lines(dry_run))


def days(state: Path, ages: range, table: str = "slots") -> set[int]:
    with closing(sqlite3.connect(state / "state.sqlite")) as db:
        accounts = {row[0] for row in db.execute(f"SELECT account FROM {table}")}
    return {age for age in ages if f"a@{TODAY - timedelta(days=age)}" in accounts}


def fill(state: Path, ages: range) -> None:
    """Slots, results and the ledger's account of each day so long ago."""
    State(state / "state.sqlite").close()
    with closing(sqlite3.connect(state / "state.sqlite")) as db:
        for age in ages:
            account = f"a@{TODAY - timedelta(days=age)}"
            db.execute("INSERT INTO slots VALUES (?, 3, 'MARKED')", (account,))
            db.execute("INSERT INTO results VALUES (?, 'MARKED')", (account,))
        db.commit()


@pytest.mark.parametrize("keep", [1, OLD_DAYS, OLD_DAYS + 1, 10, 30])
def test_days_of_the_state_go_but_never_those_whose_bids_may_still_be_billed(tmp_path: Path, keep: int) -> None:
    ages = range(-1, 20)
    fill(tmp_path, ages)
    prune(tmp_path, None, {Kind.state: keep}, NOW, TODAY)
    left = {age for age in ages if age <= max(keep, OLD_DAYS)}
    assert days(tmp_path, ages) == left
    assert days(tmp_path, ages, "results") == left


def test_years_of_many_campaigns_go_in_parts_in_a_folder_of_any_name(memory: Path) -> None:
    state = memory / "a folder? #1"
    State(state / "state.sqlite").close()
    with closing(sqlite3.connect(state / "state.sqlite")) as db:
        accounts = [(f"c{k}@{TODAY - timedelta(days=20 + k % 400)}",) for k in range(40_000)]
        db.executemany("INSERT INTO slots VALUES (?, 0, '')", accounts)
        db.commit()
    (said,) = prune(state, None, {Kind.state: 10}, NOW, TODAY, dry_run=True).removed
    assert said.number == 40_000
    assert prune(state, None, {Kind.state: 10}, NOW, TODAY) == ([said], [])
    assert prune(state, None, {Kind.state: 10}, NOW, TODAY) == ([], [])
    with in_use.hold(state):
        assert running_day(state, TODAY) == TODAY


def test_what_is_deleted_is_in_no_byte_of_the_database(tmp_path: Path) -> None:
    fill(tmp_path, range(20, 40))
    prune(tmp_path, None, ALL, NOW, TODAY)
    assert b"MARKED" not in b"".join(path.read_bytes() for path in tmp_path.glob("state.sqlite*"))


@pytest.mark.parametrize("column", ["debt", "won"])
def test_a_day_that_owes_money_or_waits_for_bills_is_kept(tmp_path: Path, bundle_folder: Path, column: str) -> None:
    fill(tmp_path, range(20, 22))
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), ManualClock(NOW)):
        pass
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        owing = f"a@{TODAY - timedelta(days=20)}"
        db.execute(f"INSERT INTO accounts (account, budget, {column}) VALUES (?, 100, 1)", (owing,))
        db.commit()
    prune(tmp_path, None, ALL, NOW, TODAY)
    assert days(tmp_path, range(20, 22)) == {20}


def test_money_is_never_pruned(tmp_path: Path, bundle_folder: Path) -> None:
    clock = ManualClock(NOW)
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), clock) as bidder:
        answer = bidder.bid(Opportunity((0.6, 0.2, 0.004), 0))
        assert isinstance(answer, Bid)
        bidder.bill(answer.ticket, 0.001)
    prune(tmp_path, None, limits(1, Keep()), NOW + 900 * DAY, TODAY + timedelta(days=900))
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        assert db.execute("SELECT settled FROM accounts").fetchall() == [(1000,)]
        assert len(db.execute("SELECT * FROM notices").fetchall()) == 1


def acted(path: Path, ages: list[float]) -> Path:
    for age in ages:
        append(path, Action(NOW - age * DAY, "anna", "direct", "", "POST /admin/kill", 200))
    return path


@pytest.mark.parametrize("ages", [[40, 30, 20], [40, 30, 5, 4], [40, 5], [5, 4], [40, 5, 40]])
def test_the_chain_of_the_audit_log_holds_after_old_lines_are_gone(tmp_path: Path, ages: list[float]) -> None:
    path, old = acted(tmp_path / "audit.jsonl", ages), next((k for k, age in enumerate(ages) if age < 10), len(ages))
    assert prune_audit(path, NOW - 10 * DAY, NOW, dry_run=True) == old
    assert prune_audit(path, NOW - 10 * DAY, NOW) == old
    found = verify(path)
    assert (found.first, found.lines) == (old, len(ages) - old + (old > 0))
    append(path, Action(NOW, "anna", "direct", "", "POST /admin/revive", 200))
    assert prune_audit(path, NOW + 5 * DAY, NOW + 6 * DAY) > 0  # and once more, with the line that told of the first
    verify(path)


def test_lines_that_are_cut_off_the_front_without_a_word_are_seen(tmp_path: Path) -> None:
    path = acted(tmp_path / "audit.jsonl", [40, 30, 20])
    path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[1:]))
    with pytest.raises(Exception, match="no line says that those before are pruned"):
        verify(path)


def test_what_cannot_be_removed_is_said_and_the_rest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stays, goes = file(tmp_path / "d" / "decisions-1.parquet", 20), file(tmp_path / "d" / "decisions-2.parquet", 20)
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == stays:
            raise PermissionError(f"not {path.name}")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    report = prune(tmp_path, tmp_path / "d", ALL, NOW, TODAY)
    assert [one.what for one in report.removed] == [str(goes)]
    assert report.failed == ["not decisions-1.parquet"]


# --- in the server -------------------------------------------------------------------------------


@pytest.fixture
def bidder(bundle_folder: Path, tmp_path: Path) -> Iterator[Bidder]:
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), ManualClock(NOW)) as made:
        yield made


def keeper(bidder: Bidder, decisions: Path) -> Housekeeper:
    log = AuditLog(bidder.desk.state.path.with_name("audit.jsonl"))
    return Housekeeper(bidder, log, decisions, limits(10, Keep()), bidder.desk.clock)


def test_it_is_kept_once_a_day_in_the_slot_of_fewest_requests(bidder: Bidder, tmp_path: Path) -> None:
    clock = bidder.desk.clock
    assert isinstance(clock, ManualClock)
    made, ran = keeper(bidder, tmp_path / "d"), []
    quiet = int(bidder.desk.forecast.auctions.argmin())
    times = sorted({0, 20, 48 + quiet, 48 + (quiet + 7) % 48, 96 + (quiet + 40) % 48, 96 + quiet, 97 + quiet})
    for half_hour in times:
        clock.move(NOW + half_hour * DAY / 48)
        bidder.tick()
        if asyncio.run(made.turn()) is not None:
            ran.append(half_hour)
        assert asyncio.run(made.turn()) is None
    assert ran == [0, 48 + quiet, 96 + quiet]
    assert not keeper(bidder, tmp_path / "d").due  # nor after a restart


def test_the_job_says_what_it_removed(bidder: Bidder, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "bidpilot.serving")
    old = file(tmp_path / "d" / "decisions-1.parquet", 20)
    assert asyncio.run(keeper(bidder, tmp_path / "d").turn()) is not None
    assert not old.exists()
    said = json.loads(next(r.message for r in caplog.records if "pruned" in r.message))
    assert said["removed"][0]["what"] == str(old)
    assert json.loads((tmp_path / "pruned.json").read_text())["removed"] == said["removed"]
    assert verify(tmp_path / "audit.jsonl").lines == 1


def test_what_the_job_cannot_remove_is_an_event(
    bidder: Bidder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file(tmp_path / "d" / "decisions-1.parquet", 20)
    monkeypatch.setattr(Path, "unlink", lambda *_: (_ for _ in ()).throw(PermissionError("no")))
    asyncio.run(keeper(bidder, tmp_path / "d").turn())
    assert bidder.event_counts()[Cause.retention_failed] == 1


def test_the_command_reckons_from_the_day_that_is_served(bidder: Bidder, tmp_path: Path) -> None:
    """A replay of recorded days runs by its own clock; no command takes its day away."""
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as db:
        db.execute("INSERT INTO slots VALUES ('a@2024-10-04', 0, '{}')")
        db.commit()
    assert running_day(tmp_path, date(2030, 1, 1)) == TODAY
    bidder.close()
    assert running_day(tmp_path, date(2030, 1, 1)) == date(2030, 1, 1)


def test_the_command_asks_for_a_limit_and_prints_what_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidServing, match="--keep-days"):
        run(PrivacyConfig(do="prune", place=tmp_path))
    old = file(tmp_path / "reports" / "a.txt", 20)
    run(PrivacyConfig(do="prune", place=tmp_path, keep_days=5, dry_run=True))
    assert f"would remove reports: {old}" in capsys.readouterr().out
    run(PrivacyConfig(do="prune", place=tmp_path, keep_days=5))
    assert not old.exists()
    run(PrivacyConfig(do="prune", place=tmp_path, keep_days=5))
    assert "nothing is older than it may be" in capsys.readouterr().out


def test_a_folder_is_served_by_many_or_worked_on_alone(tmp_path: Path) -> None:
    assert not in_use.served(tmp_path)
    first, second = in_use.hold(tmp_path), in_use.hold(tmp_path)
    first.close()
    assert in_use.served(tmp_path)
    with pytest.raises(StateInUse, match="Stop it to restore"), in_use.alone(tmp_path, "restore"):
        pass
    second.close()
    with in_use.alone(tmp_path, "restore"), pytest.raises(StateInUse, match="Start the server when"):
        in_use.hold(tmp_path)

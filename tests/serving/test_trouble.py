"""Disks that are full, files that are locked or damaged, clocks that go back: bidding goes on, and all is said."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import BidpilotError, InvalidServing, LedgerUnavailable
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.decision_log import DecisionLog, Row
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.server import tick
from bidpilot.serving.state import State
from bidpilot.serving.writer import Writer
from tests.serving.served import Served
from tests.serving.test_state import totals

AUCTION = Opportunity((0.6, 0.2, 0.004), 0)
START = 20_000 * DAY
SLOT = DAY / 48


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def bidder(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Bidder]:
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path / "s"), clock) as made:
        yield made


# --- the state file ------------------------------------------------------------------------------


def test_a_locked_state_file_stops_neither_slots_nor_bids_and_is_written_when_it_is_free(
    bidder: Bidder, clock: ManualClock, tmp_path: Path
) -> None:
    """Another process holds the file over three slot boundaries; nobody waits for it, and no slot is lost."""
    bidder.desk.state.start()
    other = sqlite3.connect(tmp_path / "s" / "state.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for slot in range(3):
        clock.move(START + (slot + 1) * SLOT + 1)
        begin = time.perf_counter()
        bidder.tick()
        assert time.perf_counter() - begin < 0.5  # SQLite waits 5 seconds for a lock
        assert isinstance(bidder.bid(AUCTION), Bid)
        assert bidder.moment.slot == slot + 1
    assert bidder.desk.state.writer.pending == 3
    other.execute("ROLLBACK")
    other.close()
    bidder.desk.state.writer.stop()
    kept = sqlite3.connect(tmp_path / "s" / "state.sqlite")
    assert kept.execute("SELECT slot FROM slots ORDER BY slot").fetchall() == [(0,), (1,), (2,)]
    kept.close()


def test_a_full_disk_stops_neither_slots_nor_bids_and_is_said_without_a_flood(
    bidder: Bidder, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        def execute(self, *_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    real = bidder.desk.state._db
    with monkeypatch.context() as broken:
        broken.setattr(bidder.desk.state, "_db", Full())
        for slot in range(4):
            clock.move(START + (slot + 1) * SLOT + 1)
            for _ in range(50):
                bidder.tick()
            assert isinstance(bidder.bid(AUCTION), Bid)
        assert bidder.events.counts[Cause.state_failed] == 4
        assert caplog.text.count("state_failed") == 4
        assert "Traceback" not in caplog.text
    assert bidder.desk.state._db is real
    clock.move(START + 5 * SLOT + 1)
    bidder.tick()
    assert bidder.desk.state.writer.pending == 0
    assert sorted(bidder.desk.state.slots(bidder.days["default"].account, _like(bidder))) == [0, 1, 2, 3, 4]


def _like(bidder: Bidder) -> Any:
    return SlotTotals.zeros(1, len(bidder.bundle.manifest.segments), bidder.desk.sources)


@given(
    writes=st.lists(st.tuples(st.integers(0, 3), st.integers()), max_size=30),
    failing=st.sets(st.integers(0, 29), max_size=15),
)
def test_a_writer_makes_every_last_write_in_order_however_often_the_disk_fails(
    writes: list[tuple[int, int]], failing: set[int]
) -> None:
    made: dict[int, int] = {}
    failed: list[str] = []
    attempts = iter(range(10**6))

    def write(key: int, value: int) -> None:
        if next(attempts) in failing:
            raise OSError(28, "No space left on device")
        made[key] = value

    writer = Writer(failed.append)
    for key, value in writes:
        writer.submit(key, lambda key=key, value=value: write(key, value))  # type: ignore[misc]
    while writer.pending:
        writer.stop()
    assert made == dict(writes)
    assert len(failed) <= len(failing)


def test_a_writers_thread_tries_again_by_itself_and_ends_when_it_is_told_to() -> None:
    told: list[str] = []
    failing, made = [3], threading.Event()

    def write() -> None:
        if failing[0]:
            failing[0] -= 1
            raise sqlite3.OperationalError("database is locked")
        made.set()

    writer = Writer(told.append)
    writer.start()
    writer.submit("slot", write)
    assert made.wait(10)
    assert told == ["OperationalError: database is locked"] * 3
    failing[0] = 10**6
    writer.submit("slot", write)
    begin = time.perf_counter()
    writer.stop()
    assert time.perf_counter() - begin < 2.0
    assert writer.pending == 1  # it is known what was not written


def test_a_write_that_comes_while_one_of_its_key_is_made_is_made_too() -> None:
    made: list[str] = []
    done = threading.Event()
    writer = Writer(lambda _: None)

    def first() -> None:
        made.append("first")
        writer.submit("slot", second)

    def second() -> None:
        made.append("second")
        done.set()

    writer.start()
    writer.submit("slot", first)
    assert done.wait(10)
    writer.stop()
    assert made == ["first", "second"]
    assert writer.pending == 0


# --- files that are not what they should be ------------------------------------------------------

FILES = ("state.sqlite", "ledger.sqlite", "sources.npz", "campaigns", "tokens", "decisions", "calendar", "admin.token")
SHAPES = {
    "a folder": None,
    "empty": b"",
    "text": b"once upon a time",
    "bytes": bytes(range(256)) * 40,
    "half a database": b"SQLite format 3\x00" + b"\x10\x00\x01\x01" + b"\xff" * 500,
    "JSON of another kind": b'{"a": [1, 2]}',
    "deep JSON": b"[" * 50_000,
    "not UTF-8": b'[{"name": "\xff"}]',
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_what_it_should_be_is_a_named_error_or_does_no_harm(
    bundle_folder: Path, tmp_path: Path, name: str, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bidpilot.serving.server import applications

    monkeypatch.delenv("BIDPILOT_ADMIN_TOKEN", raising=False)
    monkeypatch.delenv("BIDPILOT_NOTICE_SECRET", raising=False)
    state = tmp_path / "s"
    state.mkdir()
    path, content = state / name, SHAPES[shape]
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    path.chmod(0o700)
    given = {name: path} if name in ("campaigns", "tokens", "decisions", "calendar") else {}
    config = ServeConfig(bundle=bundle_folder, state=state, **given)
    why = ""
    try:
        with open_bidder(config, ManualClock(START)) as bidder:
            applications(bidder, config, "http://x")
            bidder.bid(AUCTION)
            bidder.tick()
    except BidpilotError as error:
        why = str(error)
    assert not why or str(path) in why or name in why


def test_a_state_folder_that_is_a_file_is_a_named_error(bundle_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with pytest.raises(LedgerUnavailable, match="--state"):
        open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path / "s"), ManualClock(START))


def test_a_campaign_that_is_named_twice_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "campaigns.json"
    file.write_text('[{"name": "a"}, {"name": "b"}, {"name": "a", "paused": true}]')
    with pytest.raises(InvalidServing, match="has a more than once"):
        open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path / "s", campaigns=file), ManualClock(START))


def test_slots_that_were_damaged_count_as_forecast(tmp_path: Path) -> None:
    state = State(tmp_path / "state.sqlite")
    for slot in range(6):
        state.store_slot("c", slot, totals(slot))
    damaged = ["", "{", "[]", "null", json.dumps({"wins": "many"})]
    with sqlite3.connect(tmp_path / "state.sqlite") as db:
        for slot, text in enumerate(damaged):
            db.execute("UPDATE slots SET totals = ? WHERE slot = ?", (text, slot))
    db.close()
    assert list(state.slots("c", totals(0))) == [5]
    state.close()


# --- the decision log ----------------------------------------------------------------------------


def decision(at: int) -> Row:
    return Row("k", "c", "2026-01-01", 0, 48, float(at), "feed/head", 0, "video", 0.5, 0.1, 0.0, 0.0, False, 0.0, None,
               "lost", 0.0, None, 40.0, 1.0, "UTC")  # fmt: skip


@pytest.mark.parametrize("failures", [0, 1, 2, 3, 7])
def test_of_rows_that_cannot_be_written_each_is_tried_twice_and_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """Batches of 1, 2, 3 and 4 rows, while the first so many writes fail: what is not in a file is counted."""
    left = [failures]
    write = pl.DataFrame.write_parquet

    def failing(frame: pl.DataFrame, path: Path) -> None:
        if left[0]:
            left[0] -= 1
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(frame, path)

    monkeypatch.setattr(pl.DataFrame, "write_parquet", failing)
    log = DecisionLog(tmp_path, "p", ("feed/head",))
    for size in (1, 2, 3, 4):
        for at in range(size):
            log.add(decision(at))
        log.flush()
    log.close()
    files = sorted(tmp_path.glob("decisions-*"))
    assert all(file.suffix == ".parquet" for file in files)  # no half of a file is left
    written = sum(len(pl.read_parquet(file)) for file in files)
    # in turn: 1 | 1 again, 2 | 2 again, 3 | 3 again, 4 | 4 again: two failures running lose a batch
    expected = {0: 0, 1: 0, 2: 1, 3: 1, 7: 1 + 2 + 3}[failures]
    assert (written, log.lost) == (10 - expected, expected)


def test_lost_rows_are_an_event_and_in_the_metrics(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bidpilot.bidding.traffic.sources import Sources
    from bidpilot.serving.metrics import Metrics

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    config = ServeConfig(bundle=bundle_folder, state=tmp_path / "s", decisions=tmp_path / "d")
    with open_bidder(config, clock) as bidder:
        monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
        log, metrics = bidder.decisions, Metrics(bidder, Sources(bidder.desk.sources - 1))
        assert log is not None
        for slot in range(3):
            for _ in range(5):
                made = bidder.bid(AUCTION)
                assert isinstance(made, Bid)
                bidder.loss(made.ticket)
            clock.move(START + (slot + 1) * SLOT + 1)
            bidder.tick()
            log._writer.submit(lambda: None).result()
        bidder.tick()
        assert log.lost == 10  # of the first two slots; those of the third are tried once more
        assert bidder.events.counts[Cause.decisions_lost] >= 1
        assert b"bidpilot_decisions_lost_total 10.0" in metrics.text()


def test_a_folder_of_decisions_that_cannot_be_made_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidServing, match="Give another folder"):
        DecisionLog(tmp_path / "file" / "d", "p", ("feed/head",))


# --- ticks ---------------------------------------------------------------------------------------


def test_ticks_that_fail_are_counted_and_said_once_a_second(
    bidder: Bidder, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import asyncio

    def broken() -> None:
        clock.move(clock() + 0.05)
        raise RuntimeError("no day")

    monkeypatch.setattr(bidder, "tick", broken)
    monkeypatch.setattr("bidpilot.serving.server._TICK", 0.0005)

    async def run() -> None:
        task = asyncio.create_task(tick(bidder))
        while bidder.events.counts[Cause.tick_failed] < 200:
            await asyncio.sleep(0.001)
        task.cancel()

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert 8 <= caplog.text.count("tick_failed") <= 15  # 200 of them in 10 seconds
    assert "Traceback" not in caplog.text
    assert "no day" in caplog.text


# --- the clock -----------------------------------------------------------------------------------


class Wall:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("back", [0.5, 90.0, 3600.0, 2 * DAY])
def test_the_wall_going_back_is_said_and_no_day_begins_twice(bundle_folder: Path, tmp_path: Path, back: float) -> None:
    """Just after midnight the wall goes back: bids stay of the day that has begun, and their money is held in time."""
    wall = Wall(START - 10.0)
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), wall) as bidder:
        first = bidder.moment.day
        wall.now = START + 10.0
        bidder.tick()
        assert bidder.moment.day == first + 1
        begun = bidder.days["default"]
        wall.now -= back
        bidder.tick()
        assert bidder.events.counts[Cause.clock_back] == 1
        assert bidder.days["default"] is begun
        made = bidder.bid(AUCTION)
        assert isinstance(made, Bid)
        assert made.ticket.expires == START + 10.0 + bidder.desk.hold
        wall.now += 4 * bidder.desk.hold  # at half speed that is enough for the bid to run out
        bidder.tick()
        assert bidder.days["default"].wallet.outstanding == 0
        assert isinstance(bidder.bid(AUCTION), Bid)  # and for its lease to be renewed
        assert bidder.events.counts[Cause.clock_back] == 1  # said once


def test_the_amount_that_the_wall_went_back_is_said(
    bundle_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wall = Wall(START)
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), wall) as bidder:
        wall.now -= 12.25
        bidder.tick()
    assert "went back by 12.250 s" in caplog.text


@pytest.mark.parametrize("back", [1.0, 1.5, 24.0, 48.0, 480.0], ids=lambda slots: f"{slots} slots")
def test_a_start_before_what_was_stored_last_says_so_and_is_of_the_clocks_own_day(
    bundle_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, back: float
) -> None:
    """Six slots of a day were stored. The clock now lies before: its day goes on with what that day has left."""
    config = ServeConfig(bundle=bundle_folder, state=tmp_path)
    clock = ManualClock(START)
    with open_bidder(config, clock) as bidder:
        made = bidder.bid(AUCTION)
        assert isinstance(made, Bid)
        bidder.bill(made.ticket, made.amount / 1e6)
        for slot in range(6):
            clock.move(START + (slot + 1) * SLOT + 1)
            bidder.tick()
    now = START + 6 * SLOT - back * SLOT + 1
    with open_bidder(config, ManualClock(now)) as again:
        assert again.moment.start <= now < again.moment.end
        day = again.days["default"]
        assert day.account == f"default@{np.datetime64(int(now), 's').astype('datetime64[D]')}"
        assert day.slot == again.moment.slot
        assert day.wallet.state is not None
        assert day.wallet.state.settled == (made.amount if now >= START else 0)
        assert again.events.counts[Cause.clock_back] == 1
        assert f"{back * SLOT - 1:.0f} s before the end of the last slot" in caplog.text
        assert isinstance(again.bid(AUCTION), Bid)
        if now >= START:  # slots of the same day that lie ahead are not counted as past
            assert day._pilot.slot == again.moment.slot


def test_a_start_after_what_was_stored_last_says_nothing(bundle_folder: Path, tmp_path: Path) -> None:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path)
    clock = ManualClock(START)
    with open_bidder(config, clock) as bidder:
        clock.move(START + SLOT)
        bidder.tick()
    with open_bidder(config, clock) as again:
        assert again.events.counts[Cause.clock_back] == 0


# --- the whole server ----------------------------------------------------------------------------


def test_a_start_that_cannot_be_ends_with_one_line_and_no_traceback(bundle_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "state.sqlite").write_text("not a database, and longer than a header of one" * 10)
    with pytest.raises(RuntimeError) as failed:
        Served(bundle_folder, tmp_path / "s")
    assert "state.sqlite" in str(failed.value)
    assert "Traceback" not in str(failed.value)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device here")
def test_decisions_to_a_full_device_are_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "segments.json").symlink_to("/dev/full")
    with pytest.raises(InvalidServing, match="No space left"):
        DecisionLog(tmp_path / "d", "p", ("feed/head",))

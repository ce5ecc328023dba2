"""Backups of a running server lose no bill that was acknowledged before, and a restore spends no money twice."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidBackup, StateExists, StateInUse
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.backup.backup import backup
from bidpilot.serving.backup.backup import run as run_backup
from bidpilot.serving.backup.config import BackupConfig, RestoreConfig
from bidpilot.serving.backup.manifest import read_manifest
from bidpilot.serving.backup.restore import restore, run
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import MICRO, Settlement
from bidpilot.serving.privacy.audit import verify
from bidpilot.serving.served import ServedCampaign
from tests.serving.served import Served, imp, only_bid

NOW = 20_000 * DAY + 9 * 3600.0
TODAY, TOMORROW = "default@2024-10-04", "default@2024-10-05"
BUDGET = 0.5
RICH = Opportunity((1.0, 1.0, 0.05), 0)


class Market:
    """One budget over a server, its backup and what is restored of it; what was truly spent, micro-units."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.bundle, self.folder, self.spent = bundle, folder, 0
        self.clock, self.win_hold = ManualClock(NOW), 86_400.0

    def config(self, state: str) -> ServeConfig:
        rails = GuardrailConfig(slot_share=1.0)
        return ServeConfig(
            bundle=self.bundle, state=self.folder / state, budget=BUDGET, guardrails=rails, win_hold=self.win_hold
        )

    def serve(self, state: str) -> Bidder:
        return open_bidder(self.config(state), self.clock)

    def bids(self, bidder: Bidder, how: list[str]) -> int:
        """Bids whose notices come as `how` says; how many were made."""
        made = 0
        for way in how:
            bid = bidder.bid(RICH)
            if not isinstance(bid, Bid):
                continue
            made += 1
            if "win" in way:
                bidder.win(bid.ticket, bid.amount / MICRO)
            if "bill" in way:
                bidder.bill(bid.ticket, bid.amount / MICRO)
                self.spent += bid.amount
        return made

    def backup(self, state: str = "a", to: str = "backup") -> Path:
        backup(self.folder / state, self.folder / to, self.clock)
        return self.folder / to

    def restore(self, to: str = "b", **options: Any) -> Any:
        config = RestoreConfig(backup=self.folder / "backup", state=self.folder / to, **options)
        return restore(config, self.clock)


@pytest.fixture
def market(bundle_folder: Path, memory: Path) -> Market:
    return Market(bundle_folder, memory)


def account(folder: Path, name: str = TODAY) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as db:
        names = ("budget", "settled", "debt", "won")
        row = db.execute(f"SELECT {', '.join(names)} FROM accounts WHERE account = ?", (name,)).fetchone()
    return dict(zip(names, row, strict=True))


WAYS = st.lists(st.sampled_from(["bill", "win", "win bill", "nothing"]), max_size=8)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=WAYS, since=WAYS, after=WAYS, later=st.sampled_from([0.0, 3600.0, DAY, 2.2 * DAY]))
def test_what_was_spent_since_a_backup_is_not_spent_again(
    bundle_folder: Path, memory: Path, before: Any, since: Any, after: Any, later: float
) -> None:
    """However much it was, of whatever day, and nobody telling: each day's bills stay within its budget."""
    market = Market(bundle_folder, Path(tempfile.mkdtemp(dir=memory)))
    with market.serve("a") as bidder:
        market.bids(bidder, before)
        market.backup()
        spent_before = market.spent
        market.bids(bidder, since)
        market.clock.move(NOW + later)
        bidder.tick()
        if later:
            market.spent = 0 if later >= DAY else market.spent
            market.bids(bidder, since)
        spent_today = market.spent
    market.restore()
    with market.serve("b") as bidder:
        assert bidder.killed
        assert market.bids(bidder, after) == 0
        bidder.kill(False, "anna")
        market.bids(bidder, [*after, *["bill"] * 40])
        assert market.spent == spent_today  # not a bid was billed
        assert market.spent <= BUDGET * MICRO
        market.clock.move((int((NOW + later) / DAY) + 1) * DAY + 60)  # the day after, whose money is whole
        bidder.tick()
        assert market.bids(bidder, ["bill"]) == 1
    assert account(market.folder / "backup")["settled"] == spent_before


def test_money_of_wins_is_not_free_before_their_day_is_over(market: Market) -> None:
    """They may have been billed since the backup, and nobody tells it once more."""
    market.win_hold = 60.0
    with market.serve("a") as bidder:
        market.bids(bidder, ["win"] * 3)
        market.backup()
    won = account(market.folder / "a")["won"]
    market.restore()
    with market.serve("b") as bidder:
        bidder.kill(False, "anna")
        market.clock.move(NOW + 7200)
        bidder.tick()
        assert market.bids(bidder, ["bill"] * 3) == 0
        assert account(market.folder / "b")["won"] == won > 0


def test_what_is_known_to_be_billed_since_counts_alone(market: Market) -> None:
    with market.serve("a") as bidder:
        market.bids(bidder, ["bill"] * 2)
        market.backup()
        before = market.spent
        market.bids(bidder, ["bill"])
    since = market.spent - before
    told = market.folder / "spent.json"
    told.write_text(json.dumps({TODAY: since / MICRO}))
    _, counted = market.restore(spent=told)
    assert counted == [(TODAY, since)]
    assert account(market.folder / "b")["settled"] == market.spent
    with market.serve("b") as bidder:
        bidder.kill(False, "anna")
        assert market.bids(bidder, ["bill"] * 60) > 0  # the rest of the day's money is there
    assert BUDGET * MICRO * 0.6 < market.spent <= BUDGET * MICRO


def test_more_than_a_day_had_left_is_debt(market: Market) -> None:
    with market.serve("a"):
        market.backup()
    told = market.folder / "spent.json"
    told.write_text(json.dumps({TODAY: 2 * BUDGET}))
    market.restore(spent=told)
    assert account(market.folder / "b") == {"budget": 500_000, "settled": 500_000, "debt": 500_000, "won": 0}


def test_a_server_that_made_no_bid_since_has_all_its_money(market: Market) -> None:
    with market.serve("a") as bidder:
        market.bids(bidder, ["bill", "win"])
    market.backup()
    _, counted = market.restore(nothing_since=True)
    assert counted == []
    assert account(market.folder / "b") == account(market.folder / "a")
    with market.serve("b") as bidder:
        assert not bidder.killed
        assert market.bids(bidder, ["bill"]) == 1


def test_bills_that_come_after_the_restore_are_booked_and_those_of_before_count_once(market: Market) -> None:
    with market.serve("a") as bidder:
        bids = [bidder.bid(RICH) for _ in range(3)]
        tickets = [bid.ticket for bid in bids if isinstance(bid, Bid)]
        bidder.bill(tickets[0], 0.001)
        bidder.win(tickets[1], 0.001)
        market.backup()
    market.restore()
    with market.serve("b") as bidder:
        booked: list[Any] = []
        for ticket in (tickets[0], tickets[1], tickets[1], tickets[2]):
            bidder.bill(ticket, 0.001, None, booked.append)
        assert [one.value for one in booked] == ["duplicate", "settled", "duplicate", "debt"]


def test_what_is_acknowledged_before_a_backup_is_in_it_however_busy_the_ledger_is(memory: Path) -> None:
    """Batches are settled all the while; each copy holds all that was answered before it began, and is consistent."""
    store = SqliteStore(memory / "s" / "ledger.sqlite", lambda: NOW)
    store.open(TODAY, 10**9)
    store.lease(TODAY, "a" * 12, 10**9, NOW + 60)
    acknowledged: list[str] = []
    stop = threading.Event()

    def settle() -> None:
        for turn in itertools.count():
            keys = [f"{turn:012d}{k}" for k in range(5)]
            store.settle([Settlement(key, TODAY, "a" * 12, 7, NOW + 60, 0) for key in keys])
            acknowledged.extend(keys)
            if stop.is_set():
                return

    writer = threading.Thread(target=settle)
    writer.start()
    try:
        for turn in range(5):
            time.sleep(0.02)
            before = set(acknowledged)
            backup(memory / "s", memory / f"backup-{turn}")
            with closing(sqlite3.connect(memory / f"backup-{turn}" / "ledger.sqlite")) as db:
                bills = {key for (key,) in db.execute("SELECT key FROM notices")}
            assert before <= bills
            assert account(memory / f"backup-{turn}")["settled"] == 7 * len(bills)
    finally:
        stop.set()
        writer.join(30)
    store.close()
    assert len(acknowledged) > 50


def test_a_backup_holds_the_incidents_the_memory_and_the_secrets_and_no_half_line(market: Market) -> None:
    with market.serve("a"):
        pass
    state = market.folder / "a"
    (state / "incidents" / "worker-1").mkdir(parents=True)
    for name in ("sources.npz", "notice.secret", "incidents/x.json", "incidents/worker-1/x.json"):
        (state / name).write_text(name)
    (state / "audit.jsonl").write_text('{"a": 1}\n{"cut')
    os.utime(state / "incidents" / "x.json", (1e9, 1e9))
    out = market.backup()
    assert (out / "audit.jsonl").read_text() == '{"a": 1}\n'
    names = {one.name for one in read_manifest(out).files}
    assert names == {
        "sources.npz", "notice.secret", "incidents/x.json", "incidents/worker-1/x.json", "audit.jsonl", "ledger.sqlite",
        "state.sqlite",
    }  # fmt: skip
    assert out.stat().st_mode & 0o077 == 0
    assert (out / "notice.secret").stat().st_mode & 0o077 == 0
    market.restore()
    for name in ("sources.npz", "notice.secret", "incidents/x.json", "incidents/worker-1/x.json"):
        assert (market.folder / "b" / name).read_text() == name
    assert (market.folder / "b" / "incidents" / "x.json").stat().st_mtime == 1e9  # it ages on


def test_a_backup_replaces_nothing_and_copies_something(market: Market) -> None:
    with pytest.raises(InvalidBackup, match="Name a server's --state folder"):
        backup(market.folder / "nothing", market.folder / "out")
    with market.serve("a"):
        market.backup()
    with pytest.raises(InvalidBackup, match="is there already"):
        market.backup()
    assert sorted(path.name for path in market.folder.iterdir()) == ["a", "backup"]


@pytest.mark.parametrize("how", ["altered", "cut", "missing", "no manifest", "link"])
def test_a_backup_that_is_not_whole_is_a_named_error_and_changes_nothing(market: Market, how: str) -> None:
    with market.serve("a") as bidder:
        market.bids(bidder, ["bill"])
        out = market.backup()
    path = out / ("backup.json" if how == "no manifest" else "ledger.sqlite")
    if how == "altered":
        data = bytearray(path.read_bytes())
        data[5000] ^= 1
        path.write_bytes(data)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "link":
        path.rename(market.folder / "elsewhere")
        path.symlink_to(market.folder / "elsewhere")
    else:
        path.unlink()
    with pytest.raises(InvalidBackup):
        market.restore()
    assert not (market.folder / "b" / "ledger.sqlite").exists()


def test_nothing_is_restored_over_a_server_or_a_state_unasked(market: Market) -> None:
    with market.serve("a") as bidder:
        market.backup()
        with pytest.raises(StateInUse, match="Stop it to restore it"):
            market.restore(to="a", force=True)
        market.bids(bidder, ["bill"])
    settled = account(market.folder / "a")
    with pytest.raises(StateExists, match="--force"):
        market.restore(to="a")
    assert account(market.folder / "a") == settled
    market.restore(to="a", force=True)
    (kept,) = market.folder.glob("a/replaced-*")
    assert account(kept) == settled  # what knew of more money is kept
    assert account(market.folder / "a")["settled"] == BUDGET * MICRO
    verify(market.folder / "a" / "audit.jsonl")


@pytest.mark.parametrize("moved", range(3))
def test_a_server_does_not_start_on_half_a_restore_and_the_next_finishes_it(
    market: Market, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with market.serve("a"):
        market.backup()
    replace, calls = Path.replace, 0

    def cut(path: Path, target: Path) -> Path:
        nonlocal calls
        if path.parent.name == ".restore":
            calls += 1
            if calls > moved:
                raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", cut)
        if moved < 2:
            with pytest.raises(KeyboardInterrupt):
                market.restore()
            with pytest.raises(StateInUse, match="Run bidpilot restore again"):
                market.serve("b")
    market.restore(force=moved == 2)
    with market.serve("b") as bidder:
        assert bidder.killed
        assert bidder.days["default"].wallet.free == 0


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"a@b": -1}', '{"a@b": "x"}', '{"a@b": 1e300}', '{"nobody@2024-10-04": 1}']
)
def test_what_tells_no_amounts_is_a_named_error(market: Market, text: str) -> None:
    with market.serve("a"):
        market.backup()
    (market.folder / "spent.json").write_text(text)
    with pytest.raises(InvalidBackup):
        market.restore(spent=market.folder / "spent.json")
    assert not (market.folder / "b" / "ledger.sqlite").exists()
    with pytest.raises(InvalidBackup, match="Give one of them"):
        market.restore(spent=market.folder / "spent.json", nothing_since=True)


def test_a_campaign_that_ended_long_before_is_left_as_it_was(market: Market) -> None:
    with market.serve("a"):
        pass
    with closing(sqlite3.connect(market.folder / "a" / "ledger.sqlite")) as db:
        db.execute("INSERT INTO accounts (account, budget, settled) VALUES ('old@2024-09-01', 100, 40)")
        db.commit()
    market.backup()
    _, counted = market.restore()
    assert {one.account for one in counted} == {TODAY}
    assert account(market.folder / "b", "old@2024-09-01")["settled"] == 40


def test_the_commands_say_what_to_do_next(market: Market, capsys: pytest.CaptureFixture[str]) -> None:
    with market.serve("a") as bidder:
        market.bids(bidder, ["bill"])
        (market.folder / "a" / "notice.secret").write_text("s")
        run_backup(BackupConfig(state=market.folder / "a", out=market.folder / "backup"))
    assert "notice.secret are in it" in capsys.readouterr().out
    run(RestoreConfig(backup=market.folder / "backup", state=market.folder / "b"))
    out = capsys.readouterr().out
    for part in (
        "the kill switch is on",
        f"- {TODAY}: 0.",
        "POST /admin/revive",
        "--spent FILE",
        "ordered since are lost",
    ):
        assert part in out
    moved = RestoreConfig(backup=market.folder / "backup", state=market.folder / "c", nothing_since=True)
    run(moved)
    assert "kill switch" not in capsys.readouterr().out


def test_a_server_that_was_killed_and_restored_has_lost_no_bill_from_before_the_backup(
    bundle_folder: Path, tmp_path: Path
) -> None:
    """Real processes: bills, a backup under way, bills, kill -9, the disk lost, a restore elsewhere."""
    bills: dict[str, int] = {}
    options = ("--guardrails.slot-share", "1.0", "--budget", "5", "--bid-expiry", "60")
    with Served(bundle_folder, tmp_path / "s", *options) as server:
        with server.client() as client:
            for turn in range(24):
                if turn == 16:
                    run_backup(BackupConfig(state=tmp_path / "s", out=tmp_path / "backup"))
                    before = dict(bills)
                bid = only_bid(client.bid(imp())[1])
                assert client.notice(bid["burl"], bid["price"]) == 204
                bills[bid["id"]] = round(bid["price"] * 1000)
                last = bid
        server.kill()
    shutil.rmtree(tmp_path / "s")
    run(RestoreConfig(backup=tmp_path / "backup", state=tmp_path / "s"))
    with closing(sqlite3.connect(tmp_path / "s" / "ledger.sqlite")) as db:
        kept = dict(db.execute("SELECT key, amount FROM notices"))
        ((budget, settled),) = db.execute(
            "SELECT budget, settled FROM accounts WHERE account LIKE 'default@%'"
        ).fetchall()[:1]
    assert kept == before
    assert settled == budget == 5_000_000 > sum(bills.values())
    again = Served(bundle_folder, tmp_path / "s", *options)
    with again, again.client() as client, again.administrator() as admin:
        assert client.bid(imp())[0] == 204
        assert client.notice(last["burl"], last["price"]) == 204  # its bill is booked when it comes again
        assert admin.send("POST", "/admin/revive")[0] == 200
        assert client.bid(imp())[0] == 204
        assert admin.send("GET", "/admin/campaigns")[1]["default"]["money"]["free"] == 0


def test_a_budget_of_several_campaigns_is_counted_for_each(market: Market) -> None:
    with market.serve("a") as bidder:
        bidder.put(ServedCampaign(name="other", campaign=Campaign(budget=2.0)), "test", ["campaign.budget"])
        market.backup()
    market.clock.move(NOW + DAY)
    _, counted = market.restore()
    found = {one.account: one.amount for one in counted}
    assert found == {
        TODAY: 500_000, TOMORROW: 500_000, "other@2024-10-04": 2_000_000, "other@2024-10-05": 2_000_000
    }  # fmt: skip

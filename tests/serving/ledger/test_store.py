"""What every store of the ledger promises: SQLite, the ledger of the machine and Redis alike."""

from __future__ import annotations

import math
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.ledger.machine import MachineLedger, MachineStore
from bidpilot.serving.ledger.redis import RedisStore
from bidpilot.serving.ledger.shown_redis import RedisShown
from bidpilot.serving.ledger.shown_sqlite import SCHEMA as SHOWN_SCHEMA
from bidpilot.serving.ledger.shown_sqlite import ShownRows
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import (
    SLICE,
    AccountState,
    Booked,
    Held,
    LedgerStore,
    Order,
    Resolved,
    Settlement,
    Shown,
    Win,
    Wins,
)


@pytest.fixture(params=["sqlite", "machine", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LedgerStore]:
    made: LedgerStore
    if request.param == "redis":
        made = RedisStore(request.getfixturevalue("redis_server").url, prefix=secrets.token_hex(4))
    else:
        made = SqliteStore(tmp_path / "ledger.sqlite", time.time)
    if request.param != "machine":
        yield made
        made.close()
        return
    ledger = MachineLedger(made, tmp_path / "ledger.socket")
    ledger.start()
    remote = MachineStore(tmp_path / "ledger.socket")
    yield remote
    remote.close()
    ledger.stop()


def soon(seconds: float = 60.0) -> float:
    return time.time() + seconds


def bill(key: str, amount: int, lease: str = "a", deadline: float = math.inf) -> Settlement:
    return Settlement(key, "c", lease, amount, deadline)


def test_leases_never_hold_more_than_the_account_has(store: LedgerStore) -> None:
    store.open("c", 100)
    assert store.lease("c", "a", 60, soon()).granted == 60
    second = store.lease("c", "b", 60, soon())
    assert (second.granted, second.known, second.held) == (40, False, 40)
    assert store.lease("c", "a", 1, soon()).granted == 0
    assert store.state("c") == AccountState(budget=100, settled=0, held=100, debt=0)


def test_a_settlement_moves_money_from_the_lease_and_is_booked_once(store: LedgerStore) -> None:
    store.open("c", 100)
    store.lease("c", "a", 50, soon())
    assert store.settle([bill("k1", 20), bill("k1", 20), bill("k2", 5)]) == ["settled", "duplicate", "settled"]
    assert store.settle([bill("k2", 7)]) == [Booked.duplicate]
    assert store.state("c") == AccountState(100, 25, 25, 0)


def test_a_settlement_after_its_deadline_is_debt_and_is_covered_before_anything_is_leased(store: LedgerStore) -> None:
    store.open("c", 100)
    store.lease("c", "a", 95, soon())
    assert store.settle([bill("k", 10, deadline=time.time() - 1)]) == [Booked.debt]
    assert store.state("c") == AccountState(100, 0, 95, 10)
    grant = store.lease("c", "a", 50, soon())
    assert (grant.granted, grant.debt) == (0, 5)
    store.give_back("c", "a", 20)
    grant = store.lease("c", "a", 50, soon())
    assert (grant.granted, grant.debt, grant.held) == (15, 0, 90)
    assert store.state("c") == AccountState(100, 10, 90, 0)


def test_what_a_lease_does_not_hold_cannot_be_settled_from_it(store: LedgerStore) -> None:
    store.open("c", 100)
    store.lease("c", "a", 10, soon())
    assert store.settle([bill("k1", 8), bill("k2", 8), bill("k3", 1, lease="nobody")]) == ["settled", "debt", "debt"]
    assert store.state("c") == AccountState(100, 8, 2, 9)


def test_a_lease_that_ran_out_is_free_again(store: LedgerStore) -> None:
    store.open("c", 100)
    store.lease("c", "dead", 70, soon(0.05))
    assert store.lease("c", "live", 100, soon()).granted == 30
    time.sleep(0.1)
    grant = store.lease("c", "live", 100, soon())
    assert (grant.granted, grant.known) == (70, True)
    assert not store.lease("c", "dead", 0, soon()).known


def won(key: str, amount: int, lease: str = "a", deadline: float = math.inf, until: float | None = None) -> Win:
    return Win(key, "c", lease, amount, deadline, soon() if until is None else until)


def test_a_win_is_taken_out_of_its_lease_and_held_until_its_bill_frees_the_rest(store: LedgerStore) -> None:
    store.open("c", 100)
    store.lease("c", "a", 50, soon())
    assert store.win([won("k", 20), won("k", 20)]) == [Held.held, Held.repeated]
    assert store.state("c") == AccountState(100, 0, 50, 0, won=20)
    assert store.lease("c", "a", 0, soon()).held == 30
    assert store.settle([bill("k", 12, deadline=0.0)]) == [Booked.settled]  # however late the bid is by now
    assert store.state("c") == AccountState(100, 12, 38, 0)
    assert store.lease("c", "a", 0, soon()).held == 38
    assert store.win([won("k", 20)]) == [Held.billed]
    assert store.settle([bill("k", 20)]) == [Booked.duplicate]


def test_a_win_outlives_the_lease_of_its_bid(store: LedgerStore) -> None:
    """As after a kill: nobody renews the lease, and its money is free again but for what is known to be owed."""
    store.open("c", 100)
    store.lease("c", "dead", 70, soon(0.05))
    store.win([won("k", 20, "dead")])
    time.sleep(0.1)
    assert store.lease("c", "live", 100, soon()).granted == 80
    assert store.settle([bill("k", 15, "dead", deadline=0.0)]) == [Booked.settled]
    assert store.state("c") == AccountState(100, 15, 80, 0)


@pytest.mark.parametrize("told", ["after the deadline", "of a lease that is gone"])
def test_a_win_told_late_is_held_beyond_the_budget_where_nothing_is_left(store: LedgerStore, told: str) -> None:
    store.open("c", 100)
    store.lease("c", "a", 90, soon())
    win = won("k", 30, deadline=0.0) if told == "after the deadline" else won("k", 30, "gone")
    assert store.win([win]) == [Held.late]
    assert store.state("c") == AccountState(100, 0, 120, 0, won=30)
    grant = store.lease("c", "a", 10, soon())
    assert (grant.granted, grant.over, grant.held) == (0, 20, 90)
    store.give_back("c", "a", 20)
    assert store.lease("c", "a", 10, soon()).over == 0
    assert store.settle([bill("k", 30)]) == [Booked.settled]
    assert store.state("c") == AccountState(100, 30, 70, 0)


def test_a_win_that_nobody_bills_is_free_again_after_its_time(store: LedgerStore) -> None:
    store.open("c", 100)
    store.lease("c", "a", 40, soon())
    store.win([won("k", 40, until=soon(0.05))])
    time.sleep(0.1)
    assert store.lease("c", "a", 100, soon()).granted == 100
    assert store.state("c") == AccountState(100, 0, 100, 0)
    assert store.settle([bill("k", 40, deadline=0.0)]) == [Booked.debt]


def test_wins_are_counted_by_what_became_of_them(store: LedgerStore) -> None:
    store.open("c", 100)
    store.lease("c", "a", 100, soon())
    now = time.time()
    store.win([won("billed", 10), won("waits", 11, until=now + 500), won("late", 12, until=now + 100)])
    store.win([won("gone", 13, until=now + 0.05)])
    store.settle([bill("billed", 5)])
    assert store.wins("c", now + 200) == Wins(told=4, waiting=1, overdue=2, owed=25)
    time.sleep(0.1)
    store.lease("c", "a", 0, soon())
    assert store.wins("c", now + 200) == Wins(told=4, waiting=1, overdue=2, owed=25)  # gone for good is still overdue
    assert store.wins("nobody", now) == Wins()


def test_debt_moves_to_another_account_once_and_is_never_lost(store: LedgerStore) -> None:
    store.open("c", 100)
    store.settle([bill("k", 30, "gone")])
    assert store.move_debt("c", "d") == 0  # there is no d yet
    assert store.debts(["c", "d"]) == [30, 0]
    store.open("d", 100)
    assert store.move_debt("c", "d") == 30
    assert store.move_debt("c", "d") == 0
    assert store.move_debt("d", "d") == 0
    assert store.debts(["c", "d"]) == [0, 30]
    assert store.lease("d", "a", 100, soon()).granted == 70


@pytest.mark.parametrize("slot", [0, 7])
def test_what_a_slot_has_cost_is_what_was_billed_and_won_in_it(store: LedgerStore, slot: int) -> None:
    store.open("c", 100)
    store.lease("c", "a", 100, soon())
    store.win([replace(won(key, 20), slot=slot) for key in ("w1", "w2")])
    assert store.spent_in("c", slot) == 40
    store.settle([replace(bill(key, amount), slot=slot) for key, amount in (("w1", 12), ("b", 5))])
    store.settle([replace(bill("late", 3, "gone"), slot=slot), replace(bill("other", 9), slot=slot + 1)])
    assert store.spent_in("c", slot) == 20 + 12 + 5 + 3
    assert store.spent_in("c", slot + 2) == 0


def test_a_budget_lowered_below_what_is_held_leases_nothing_more(store: LedgerStore) -> None:
    store.open("c", 100)
    store.lease("c", "a", 80, soon())
    assert store.set_budget("c", 50).available == 0
    assert store.lease("c", "a", 10, soon()).granted == 0
    assert store.open("c", 999).budget == 50  # an account that is there keeps its budget


def test_an_account_that_was_never_opened_has_no_state(store: LedgerStore) -> None:
    assert store.state("nobody") is None


def test_large_amounts_are_exact(store: LedgerStore) -> None:
    large = 9_007_199_254_740_000  # nine billion in micro-units
    store.open("c", large)
    store.lease("c", "a", large, soon())
    store.settle([bill("k", large - 1)])
    assert store.state("c") == AccountState(large, large - 1, 1, 0)


def test_bidders_read_what_others_tell_of_a_slot(store: LedgerStore) -> None:
    assert store.told("c", 3) == {}
    store.tell("c", 3, "one", b"\x00\xff first")
    store.tell("c", 3, "two", b"")
    store.tell("c", 3, "one", b"\x00\xff again")
    store.tell("c", 4, "one", b"later")
    store.tell("d", 3, "one", b"of another")
    assert store.told("c", 3) == {"one": b"\x00\xff again", "two": b""}
    assert store.told("c", 4) == {"one": b"later"}
    assert store.told("d", 3) == {"one": b"of another"}
    assert store.state("c") is None  # it is no money


def test_a_store_tells_what_was_settled_of_a_reservation_that_has_run_out(store: LedgerStore) -> None:
    """Also of one that had run out when it was billed: that is owed, and the bid was won."""
    store.open("c", 100)
    store.lease("c", "a", 50, soon())
    store.settle([bill("k1", 7), bill("k6", 8, deadline=0.0)])
    past, future, later = time.time() - 1, soon(), soon(1000)
    asked = [bill("k1", 9, deadline=past), bill("k2", 9, deadline=past), bill("k3", 9, deadline=future)]
    assert store.resolve(asked) == [Resolved(settled=7), Resolved(), Resolved(pending=True)]
    assert store.resolve([bill("k6", 9, deadline=past)]) == [Resolved(settled=8)]
    store.win([won("k4", 9, until=later), won("k5", 9, until=later)])
    store.settle([bill("k5", 6)])
    kept, paid = store.resolve([bill("k4", 9, deadline=past), bill("k5", 9, deadline=past)])
    assert kept.won == pytest.approx(later)
    assert paid == Resolved(settled=6)


def test_redis_says_whether_it_writes_before_it_answers(redis_server: object) -> None:
    store = RedisStore(redis_server.url, prefix=secrets.token_hex(4))  # type: ignore[attr-defined]
    assert store.durable
    store.close()


def test_a_second_process_cannot_have_the_same_file(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "ledger.sqlite", time.time)
    with pytest.raises(LedgerUnavailable, match="another bidder"):
        SqliteStore(tmp_path / "ledger.sqlite", time.time)
    first.close()
    SqliteStore(tmp_path / "ledger.sqlite", time.time).close()


def test_redis_goes_by_a_clock_that_is_moved_by_hand(redis_server: object) -> None:
    """Of days long ago too: leases, deadlines and wins run out by it and by nothing else."""
    clock = ManualClock(1000.0)
    store = RedisStore(redis_server.url, prefix=secrets.token_hex(4), clock=clock)  # type: ignore[attr-defined]
    store.open("c", 100)
    store.lease("c", "a", 60, 1010.0)
    assert store.win([won("w", 20, deadline=1000.0, until=1050.0)]) == [Held.held]
    assert store.settle([bill("k", 10, deadline=1000.0), bill("late", 10, deadline=999.0)]) == ["settled", "debt"]
    assert store.resolve([bill("x", 1, deadline=1000.0), bill("y", 1, deadline=999.0)]) == [
        Resolved(pending=True),
        Resolved(),
    ]
    clock.move(1011.0)
    assert store.lease("c", "b", 0, 1100.0).debt == 0  # covered by what the lease that ran out had
    assert store.state("c") == AccountState(100, 20, 20, 0, won=20)
    clock.move(1051.0)
    assert store.lease("c", "b", 100, 1100.0).granted == 80
    store.close()


def test_redis_that_is_not_there_is_a_named_error() -> None:
    with pytest.raises(LedgerUnavailable, match="does not answer"):
        RedisStore("redis://127.0.0.1:1/0")


def test_accounts_of_days_gone_by_hold_only_what_may_still_be_billed(store: LedgerStore) -> None:
    """Nobody leases from them any more, so that nothing else lets go what has run out."""
    store.open("c", 100)
    store.open("d", 50)
    store.lease("c", "a", 40, soon())
    store.lease("c", "gone", 30, soon(0.05))
    store.win([won("k1", 10), won("k2", 5, "gone", until=soon(0.05))])
    store.settle([bill("k3", 7)])
    assert store.states(["c", "nobody", "d"]) == [
        AccountState(100, 7, 63, 0, won=15),
        None,
        AccountState(50, 0, 0, 0),
    ]
    time.sleep(0.1)
    assert store.states(["d", "c"]) == [AccountState(50, 0, 0, 0), AccountState(100, 7, 33, 0, won=10)]
    assert store.states([]) == []


def test_a_year_of_accounts_is_told_at_once(store: LedgerStore) -> None:
    names = [f"c@{k}" for k in range(700)]
    for name in names[::7]:
        store.open(name, 10)
    found = store.states(names)
    assert [state is not None for state in found] == [k % 7 == 0 for k in range(700)]


def test_of_each_name_the_last_order_is_kept_and_versions_grow(store: LedgerStore) -> None:
    assert store.orders(0) == []
    first, second = store.order("kill", "on"), store.order("campaign/a", "x")
    third = store.order("kill", "off")
    assert 0 < first < second < third
    assert store.orders(0) == [Order(second, "campaign/a", "x"), Order(third, "kill", "off")]
    assert store.orders(second) == [Order(third, "kill", "off")]
    assert store.orders(third) == []


@given(texts=st.lists(st.tuples(st.sampled_from("abc"), st.text(st.characters(codec="utf-8")))))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_who_asks_for_what_is_new_misses_nothing(store: LedgerStore, texts: list[tuple[str, str]]) -> None:
    """However often it is asked meanwhile, what was told adds up to the last text of every name."""
    known = {order.name: order.text for order in store.orders(0)}
    since = max((order.version for order in store.orders(0)), default=0)
    for at, (name, text) in enumerate(texts):
        version = store.order(name, text)
        assert version > since
        if at % 3 == 0:
            news = store.orders(since)
            known |= {order.name: order.text for order in news}
            since = news[-1].version
    known |= {order.name: order.text for order in store.orders(since)}
    assert known == {order.name: order.text for order in store.orders(0)}
    assert known.items() >= dict(texts).items()


def test_bidders_are_heard_of_until_they_say_farewell(store: LedgerStore) -> None:
    assert store.bidders() == {}
    store.acknowledge("host:/a", 3, '{"killed": true}')
    store.acknowledge("b", 0, "")
    store.acknowledge("b", 7, "ü")
    seen = store.bidders()
    assert {name: (one.version, one.what) for name, one in seen.items()} == {
        "host:/a": (3, '{"killed": true}'),
        "b": (7, "ü"),
    }
    assert all(0 <= one.age < 5 for one in seen.values())
    store.acknowledge("b", -1, "")
    assert list(store.bidders()) == ["host:/a"]


def test_orders_of_sqlite_are_on_disk_before_they_are_answered(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger.sqlite", time.time)
    store.order("kill", "on")
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: each commit is on disk
    with sqlite3.connect(tmp_path / "ledger.sqlite") as other:
        assert other.execute("SELECT name, text FROM orders").fetchall() == [("kill", "on")]
    store.close()


def test_redis_that_was_emptied_tells_everything_again(redis_server: object) -> None:
    store = RedisStore(redis_server.url, prefix=secrets.token_hex(4))  # type: ignore[attr-defined]
    for _ in range(5):
        store.order("kill", "on")
    since = store.orders(0)[-1].version
    store._redis.flushdb()
    store.order("kill", "off")
    assert [order.text for order in store.orders(since)] == ["off"]
    store.close()


def test_redis_publishes_each_version(redis_server: object) -> None:
    store = RedisStore(redis_server.url, prefix=secrets.token_hex(4))  # type: ignore[attr-defined]
    heard = store._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    heard.subscribe(f"{store._prefix}:{{orders}}:version")
    heard.get_message(timeout=1)
    version = store.order("kill", "on")
    message = heard.get_message(timeout=1)
    assert message is not None
    assert int(message["data"]) == version
    heard.close()
    store.close()


def test_exposures_are_told_once_and_erased_when_they_have_run_out(store: LedgerStore) -> None:
    now = time.time()
    batch = [Shown(2**63 - 1, "c", 2**32 - 1, now, now + 60, "me", count=2.5), Shown(7, "d", 0, now, now - 1)]
    store.show(batch)
    first, *rest = store.shown(0)
    assert replace(first, version=0) == batch[0]
    assert rest == []  # the other one has run out
    assert store.shown(first.version) == []
    store.show([Shown(8, "c", 1, now, now + 60)])
    (second,) = store.shown(first.version)
    assert second.user == 8
    assert second.version > first.version


def test_exposures_of_a_version_that_did_not_count_them_stand_for_one() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.executescript(SHOWN_SCHEMA.replace(", count REAL NOT NULL DEFAULT 1", ""))
        db.execute("INSERT INTO shown VALUES (3, 7, 'c', 0, 1.0, 60.0, 'me')")
        rows = ShownRows(db)
        rows.keep([Shown(8, "c", 0, 1.0, 60.0, count=5.0)], 2.0)
        assert [(one.user, one.count) for one in rows.read(0, 2.0)] == [(7, 1.0), (8, 5.0)]


def test_many_exposures_are_told_by_slices_each_once(store: LedgerStore) -> None:
    now = time.time()
    store.show([Shown(user, "c", 0, now, now + 600) for user in range(SLICE + 10)])
    first = store.shown(0)
    rest = store.shown(first[-1].version)
    assert (len(first), len(rest)) == (SLICE, 10)
    assert [one.user for one in (*first, *rest)] == list(range(SLICE + 10))


def test_a_key_is_that_of_whoever_was_first_until_it_runs_out(store: LedgerStore) -> None:
    assert store.user_key(3, "", soon()) == ""
    assert store.user_key(3, "aa", soon()) == "aa"
    assert store.user_key(3, "bb", soon()) == "aa"
    assert store.user_key(4, "bb", soon()) == "bb"


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_of_too_many_exposures_those_that_run_out_first_are_erased(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    now = time.time()
    made = [Shown(user, "c", 0, now, now + 60 + 7 * user % 10) for user in range(10)]
    if kind == "redis":
        client = redis.Redis.from_url(request.getfixturevalue("redis_server").url, decode_responses=True)
        shown = RedisShown(client, secrets.token_hex(4), most=4)
        shown.keep(made, "")
        found = shown.read(0, "")
    else:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
            db.executescript(SHOWN_SCHEMA)
            rows = ShownRows(db, most=4)
            rows.keep(made, now)
            found = rows.read(0, now)
    assert {one.until for one in found} == set(sorted(one.until for one in made)[-4:])

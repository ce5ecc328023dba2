"""Frequency caps: nobody is shown more than a cap allows, at whichever bidder, and what is remembered is erased."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.capping.capping import Capping
from bidpilot.serving.capping.keys import PERIOD, Keys
from bidpilot.serving.capping.table import Table
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.guardrails import Cause, GuardrailConfig
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import SLICE, Shown
from bidpilot.serving.notices import Kind, Signer, Ticket
from bidpilot.serving.server import applications
from tests.serving.openrtb.desks import NOW, URL, Answer, Desks, opened

HINTS = {"bidpilot": {"exposure": 0.6, "interaction": 0.25, "conversion": 0.006, "segment": "feed/head"}}
HOUR = 3600.0


@pytest.fixture
def desks(bundle_folder: Path, memory: Path) -> Iterator[Desks]:
    yield from opened(bundle_folder, memory)


def ask(
    desks: Desks,
    app: ExchangeApp,
    caps: list[dict[str, Any]],
    user: str,
    names: tuple[str, ...] = ("video",),
    count: float = 1.0,
    device: dict[str, Any] | None = None,
) -> Answer:
    person = {"user": {"id": user}} if device is None else {"device": device}
    request = {"id": user, "imp": [{"id": "1", "qty": {"multiplier": count}, "ext": HINTS}], **person}
    answer = desks.ask(app, {"creatives": names, "caps": caps}, request, lost=False)
    if "caps_unknown" in answer.reasons:  # the caps are new, and the next tick gets the key
        app.bidder.tick()
        answer = desks.ask(app, {"creatives": names, "caps": caps}, request, lost=False)
    return answer


def bill(desks: Desks, app: ExchangeApp, answer: Answer) -> str:
    """Bill the one bid of an answer; its creative."""
    (bid,) = answer.bids
    assert desks.notice(app, bid["burl"].replace("${AUCTION_PRICE}", "0.1")) == 204
    app.bidder.tick()
    return str(bid["crid"])


def move(app: ExchangeApp, seconds: float) -> None:
    clock = app.bidder.desk.clock
    assert isinstance(clock, ManualClock)
    clock.move(clock() + seconds)
    app.bidder.tick()


def test_somebody_who_has_seen_enough_is_not_bid_on_until_the_window_has_passed(desks: Desks) -> None:
    app, caps = desks.app({}), [{"most": 2, "hours": 5}, {"most": 3, "hours": 24}]
    bill(desks, app, ask(desks, app, caps, "anna"))
    move(app, HOUR)
    bill(desks, app, ask(desks, app, caps, "anna"))
    assert ask(desks, app, caps, "anna").reasons == {"capped": 1}
    assert ask(desks, app, caps, "ben").bids
    move(app, 4 * HOUR - 1)
    assert ask(desks, app, caps, "anna").reasons == {"capped": 1}
    move(app, 2)
    bill(desks, app, ask(desks, app, caps, "anna"))
    move(app, 12 * HOUR)  # three within the day: the longer window holds
    assert ask(desks, app, caps, "anna").reasons == {"capped": 1}
    move(app, 7 * HOUR)
    assert ask(desks, app, caps, "anna").bids


def test_bids_and_wins_are_no_exposures_and_a_bill_is_one_however_often_it_is_told(desks: Desks) -> None:
    app, caps = desks.app({}), [{"most": 2, "hours": 5}]
    first = ask(desks, app, caps, "anna")
    desks.notice(app, first.bids[0]["nurl"])
    ask(desks, app, caps, "anna")
    for _ in range(3):
        bill(desks, app, first)
    assert ask(desks, app, caps, "anna").bids


def test_a_cap_of_creatives_leaves_others_to_be_shown(desks: Desks) -> None:
    app, caps, names = desks.app({}), [{"most": 1, "hours": 5, "per": "creative"}], ("video", "video-plain")
    seen = [bill(desks, app, ask(desks, app, caps, "anna", names)) for _ in names]
    assert len(set(seen)) == 2
    assert ask(desks, app, caps, "anna", names).reasons == {"creative_capped": 1}


@pytest.mark.parametrize("per", ["campaign", "creative"])
def test_an_impression_of_several_exposures_counts_as_so_many(desks: Desks, per: str) -> None:
    app, caps = desks.app({}), [{"most": 5, "hours": 5, "per": per}]
    reason = {"capped" if per == "campaign" else "creative_capped": 1}
    assert ask(desks, app, caps, "anna", count=6.0).reasons == reason
    bill(desks, app, ask(desks, app, caps, "anna", count=3.5))
    assert ask(desks, app, caps, "anna", count=2.0).reasons == reason
    bill(desks, app, ask(desks, app, caps, "anna"))
    assert ask(desks, app, caps, "anna").reasons == reason
    assert ask(desks, app, caps, "anna", count=0.5).bids


def test_an_advertising_id_is_the_same_in_capitals(desks: Desks) -> None:
    app, caps = desks.app({}), [{"most": 1, "hours": 5}]
    bill(desks, app, ask(desks, app, caps, "r", device={"ifa": "AB12-CD"}))
    assert ask(desks, app, caps, "r", device={"ifa": "ab12-cd"}).reasons == {"capped": 1}
    assert ask(desks, app, caps, "r", device={"ifa": "ab12-ce"}).bids


def test_no_bid_is_made_under_a_cap_that_could_be_forgotten(desks: Desks) -> None:
    app, week, hour = desks.app({}), [{"most": 1, "hours": 168}], [{"most": 1, "hours": 1}]
    app.bidder.capping._table, events = Table(2), app.bidder.events.counts
    late = ask(desks, app, week, "cleo")
    for user in ("anna", "ben"):
        bill(desks, app, ask(desks, app, week, user))
    assert ask(desks, app, hour, "dora").reasons == {"caps_full": 1}
    assert ask(desks, app, week, "anna").reasons == {"capped": 1}
    for _ in range(3):
        app.bidder.tick()
    assert events[Cause.caps_full] == 1
    move(app, HOUR)
    assert events[Cause.caps_full] == 2  # once a slot
    bill(desks, app, late)  # what was bid before is billed, and remembered for longest
    assert ask(desks, app, week, "dora").reasons == {"caps_full": 1}
    assert b"bidpilot_exposures_remembered 2.0" in app.metrics.text()
    move(app, 167 * HOUR + 1)
    assert ask(desks, app, week, "cleo").reasons == {"capped": 1}
    assert ask(desks, app, hour, "dora").bids


def test_what_is_remembered_outlives_a_restart_and_holds_no_id(bundle_folder: Path, memory: Path) -> None:
    caps, user = [{"most": 1, "hours": 5}], "an-id-of-somebody"
    for turn in range(2):
        config = ServeConfig(bundle=bundle_folder, state=memory, budget=1e5, guardrails=GuardrailConfig(slot_share=1.0))
        with open_bidder(config, ManualClock(NOW)) as bidder:
            app, desks = applications(bidder, config, URL)[0], Desks(bundle_folder, memory)
            bidder.tick()
            answer = ask(desks, app, caps, user)
            assert bool(answer.bids) is (turn == 0), answer.reasons
            if answer.bids:
                bill(desks, app, answer)
    kept = b"".join(path.read_bytes() for path in memory.rglob("*") if path.is_file())
    assert user.encode() not in kept


def test_another_bidder_of_the_store_hears_of_what_was_shown(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    store = SqliteStore(tmp_path / "ledger.sqlite", clock, shared=True)
    keeper = Keeper(store)
    served: Any = {"c": _Served()}
    one, two = (Capping(keeper, lambda: served, name) for name in ("one", "two"))
    for capping in (one, two):
        capping.tend(NOW)
    marks = one.marks("anna", NOW)
    assert marks == two.marks("anna", NOW) != one.marks("ben", NOW)
    one.billed(_ticket(marks[0]), NOW)
    assert not two.reached(served["c"], marks, NOW)
    one.tend(NOW + 0.05)
    two.tend(NOW + 0.3)
    assert one.reached(served["c"], marks, NOW)
    assert two.reached(served["c"], marks, NOW)
    clock.move(NOW + HOUR + 1)
    for capping in (one, two):
        capping.tend(NOW + HOUR + 1)
        assert len(capping._table) == 0
    assert store.shown(0) == []
    store.close()


@pytest.mark.parametrize("count", [SLICE - 1, SLICE, 3 * SLICE + 5])
def test_what_was_shown_is_taken_in_by_slices_and_nobody_is_known_before_the_last(tmp_path: Path, count: int) -> None:
    store = SqliteStore(tmp_path / "ledger.sqlite", ManualClock(NOW), shared=True)
    store.show([Shown(1 + k, "c", 0, NOW, NOW + HOUR, "other") for k in range(count)])
    served: Any = {"c": _Served()}
    capping = Capping(Keeper(store), lambda: served, "one")
    for turn in range(count // SLICE + 1):
        assert not capping.marks("anna", NOW)
        before = capping.remembered
        capping.tend(NOW + 0.05 * turn)
        assert capping.remembered - before <= SLICE
    assert capping.remembered == count
    assert capping.marks("anna", NOW)
    assert capping.reached(served["c"], (count,), NOW)
    end, ticks = NOW + HOUR + 1, 0
    while capping.remembered:
        before, ticks = capping.remembered, ticks + 1
        capping.tend(end)
        assert before - capping.remembered <= SLICE
    assert ticks == -(-count // SLICE)
    store.close()


def test_exposures_that_the_store_does_not_take_are_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path / "ledger.sqlite", ManualClock(NOW), shared=True)
    served: Any = {"c": _Served()}
    capping = Capping(Keeper(store), lambda: served, "one")
    capping.tend(NOW)
    capping.billed(_ticket(5), NOW)

    def away(batch: object) -> None:
        raise LedgerUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "show", away)
        capping.tend(NOW + 1)
    assert store.shown(0) == []
    capping.tend(NOW + 2)
    assert [shown.user for shown in store.shown(0)] == [5]
    store.close()


class _Cap:
    per, most, seconds = "campaign", 1, HOUR


class _Served:
    name, caps = "c", (_Cap,)


def _ticket(user: int) -> Ticket:
    return Ticket("0" * 18, "0" * 12, "c@2024-10-04", 1, NOW, 0, 0, 0, (0.5, 0.0, 0.0), user=user, creative=9)


def test_marks_of_two_periods_cannot_be_joined_and_old_keys_are_forgotten(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    store = SqliteStore(tmp_path / "ledger.sqlite", clock)
    keys, start = Keys(Keeper(store)), (NOW // PERIOD) * PERIOD
    seen = []
    for turn in range(4):
        now = start + turn * PERIOD + 1
        clock.move(max(now, NOW))
        keys.tend(now - 30)  # a minute ahead the next key is there
        keys.tend(now)
        seen.append(keys.marks("anna", now))
    assert [len(marks) for marks in seen] == [2, 2, 2, 2]
    assert all(after[1] == before[0] for before, after in pairwise(seen))
    assert len({marks[0] for marks in seen}) == 4
    assert store.user_key(int(start // PERIOD), "", 0.0) == ""
    store.close()


@pytest.mark.parametrize("missing", [0, -1])
def test_nobody_is_known_while_a_key_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: int) -> None:
    clock = ManualClock(NOW)
    store = SqliteStore(tmp_path / "ledger.sqlite", clock)
    keys, told, gone = Keys(Keeper(store)), store.user_key, int(NOW // PERIOD) + missing
    store.user_key(int(NOW // PERIOD) - 1, "ab" * 32, NOW + PERIOD)

    def away(period: int, offered: str, until: float) -> str:
        if period == gone:
            raise LedgerUnavailable("away")
        return told(period, offered, until)

    with monkeypatch.context() as patch:
        patch.setattr(store, "user_key", away)
        keys.tend(NOW)
        assert keys.marks("anna", NOW) == ()
    keys.tend(NOW + 2)
    assert len(keys.marks("anna", NOW + 2)) == 2
    store.close()


@given(user=st.integers(0, 2**63 - 1), creative=st.integers(0, 2**32 - 1), scale=st.sampled_from([1.0, 0.5]))
def test_a_ticket_brings_back_who_and_what_was_shown(user: int, creative: int, scale: float) -> None:
    signer = Signer(b"s" * 32)
    ticket = Ticket(
        "ab" * 9, "0" * 12, "c@d", 5, NOW, 1, 2, 3, (0.5, 0.0, 0.0), scale=scale, user=user, creative=creative
    )
    assert signer.open(signer.sign(signer.pack(ticket), Kind.bill), Kind.bill) == ticket


@given(
    bills=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([2, 9, 30])), max_size=60),
    most=st.integers(1, 6),
)
def test_a_table_that_is_not_full_has_forgotten_nobody(bills: list[tuple[int, int, int]], most: int) -> None:
    table, now = Table(most), 0
    made: list[Shown] = []
    for wait, user, window in bills:
        now += wait
        table.erase(now)
        if not table.full:  # something is bid on: each person's count is whole
            for known in range(3):
                alive = sum(one.user == known and one.until > now for one in made)
                assert table.count([known], "c", -1.0) == alive
        made.append(Shown(user, "c", 0, float(now), float(now + window)))
        table.add(made[-1])  # bills come whenever they come


EXPOSURES = st.lists(
    st.builds(Shown, user=st.integers(0, 3), campaign=st.sampled_from("ab"), creative=st.integers(0, 2),
              at=st.integers(0, 50).map(float), until=st.integers(20, 100).map(float)), max_size=40,
)  # fmt: skip


@given(exposures=EXPOSURES, now=st.integers(0, 120), most=st.sampled_from([5, 1000]))
def test_a_table_counts_what_has_not_run_out_in_bounded_memory(exposures: list[Shown], now: int, most: int) -> None:
    table = Table(most)
    for shown in exposures:
        table.add(shown)
        assert len(table) <= most
    table.erase(now)
    kept = [shown for shown in exposures if shown.until > now]
    counts = [(u, c, n, table.count([u], c, 10.0, n)) for u in range(4) for c in "ab" for n in (None, 0, 1, 2)]
    for user, campaign, creative, count in counts:
        alike = [s for s in kept if (s.user, s.campaign) == (user, campaign) and s.at > 10]
        expected = sum(creative is None or s.creative == creative for s in alike)
        assert count == expected if most > 40 else count <= expected
    table.erase(200)
    assert len(table) == 0
    assert table._by_user == {}

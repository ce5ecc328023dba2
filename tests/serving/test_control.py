"""What operators order holds at once whatever the disk does, and after a restart as the file and the orders say."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.bidding.errors import BidpilotError, InvalidServing, LedgerUnavailable
from bidpilot.envs.markets.defaults import preset_campaign
from bidpilot.serving.auction import Bid, NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.ledger.store import MICRO, MOST, Booked, Order
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.settings import FIELDS, flat, unflat
from bidpilot.serving.told import Told

O = Opportunity((0.6, 0.2, 0.004), 0)  # noqa: E741
START = 20_000 * DAY


class Desk:
    """A state folder, a campaign file, and bidders that are opened on them one after the other."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.folder, self.clock = folder, ManualClock(START)
        self.config = ServeConfig(bundle=bundle, state=folder / "state")
        self.bidder: Bidder | None = None

    def open(self, entries: list[dict[str, Any]] | None = None, **options: Any) -> Bidder:
        if self.bidder is not None:
            self.bidder.close()
        if entries is not None:
            file = self.folder / "campaigns.json"
            file.write_text(json.dumps(entries))
            options["campaigns"] = file
        self.bidder = open_bidder(self.config.model_copy(update=options), self.clock)
        return self.bidder

    def budget(self, name: str = "default") -> float:
        assert self.bidder is not None
        state = self.bidder.desk.keeper.store.state(self.bidder.days[name].account)
        assert state is not None
        return state.budget / MICRO


@pytest.fixture
def desk(bundle_folder: Path, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(bundle_folder, tmp_path)
    yield made
    if made.bidder is not None:
        made.bidder.close()


def entry(name: str, budget: float = 40.0, **fields: Any) -> dict[str, Any]:
    return {"name": name, "campaign": {"budget": budget}} | fields


def serving(name: str, budget: float) -> ServedCampaign:
    return ServedCampaign(name=name, campaign=preset_campaign().model_copy(update={"budget": budget}))


# --- in force at once, whatever the disk does ----------------------------------------------------


def full(*_: object) -> Any:
    raise sqlite3.OperationalError("database or disk is full")


DISKS: dict[str, Exception] = {
    "full": LedgerUnavailable("database or disk is full"),
    "locked": LedgerUnavailable("database is locked"),
    "io": OSError(5, "Input/output error"),
    "damaged": sqlite3.DatabaseError("database disk image is malformed"),
}
ORDERS: dict[str, tuple[Callable[[Bidder], Any], Callable[[Bidder], object], object]] = {
    "kill": (lambda b: b.kill(True), lambda b: isinstance(b.bid(O), NoBid), True),
    "pause": (
        lambda b: b.put(b.served["default"].model_copy(update={"paused": True})),
        lambda b: isinstance(b.bid(O), NoBid),
        True,
    ),
    "budget": (
        lambda b: b.put(b.served["default"].model_copy(update={"campaign": serving("default", 7.0).campaign})),
        lambda b: b.served["default"].campaign.budget,
        7.0,
    ),
    "put": (lambda b: b.put(serving("other", 9.0)), lambda b: sorted(b.served), ["default", "other"]),
    "delete": (lambda b: b.remove("default"), lambda b: (list(b.served), isinstance(b.bid(O), NoBid)), ([], True)),
}


@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize("order", ORDERS)
def test_an_order_holds_on_any_disk_and_is_durable_when_the_disk_is_well(
    desk: Desk, order: str, disk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give, look, expected = ORDERS[order]
    bidder = desk.open()
    assert isinstance(bidder.bid(O), Bid)
    now = [0.0]
    bidder.control.orders._monotonic = lambda: now[0]
    with monkeypatch.context() as broken:

        def refuse(*_: object) -> int:
            raise DISKS[disk]

        broken.setattr(bidder.desk.keeper.store, "order", refuse)
        (pending,) = give(bidder)
        assert look(bidder) == expected
        for _ in range(20):
            now[0] += 0.5
            bidder.tick()
        assert pending.version is None
        assert look(bidder) == expected
    now[0] += 1.0
    bidder.tick()
    assert pending.version is not None
    assert look(desk.open()) == expected


def test_an_order_that_was_never_durable_is_lost_by_a_restart(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said so: `version` is None, and the answer is `durable: false`."""
    bidder = desk.open()
    with monkeypatch.context() as broken:
        broken.setattr(bidder.desk.keeper.store, "order", full)
        (pending,) = bidder.kill(True)
        assert bidder.killed
        assert pending.version is None
        bidder.close()
    desk.bidder = None
    assert not desk.open().killed


def test_a_budget_cut_while_the_store_is_away_holds_here_at_once_and_in_the_store_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 are cut to 1 while nothing can be written: no more than 1 is ever spent and promised."""
    bidder = desk.open(guardrails=desk.config.guardrails.model_copy(update={"slot_share": 1.0}))
    store, now = bidder.desk.keeper.store, [0.0]
    bidder.control.orders._monotonic = lambda: now[0]
    first = bidder.bid(O)
    assert isinstance(first, Bid)
    bidder.bill(first.ticket, first.amount / MICRO)
    free = bidder.days["default"].wallet.free
    assert free > MICRO
    with monkeypatch.context() as broken:
        for name in ("order", "orders", "lease", "open", "set_budget", "give_back", "settle"):
            broken.setattr(store, name, _away)
        bidder.put(serving("default", 1.0))
        promised = bidder.days["default"].wallet.promised
        for _ in range(3000):
            made = bidder.bid(O)
            promised += made.amount if isinstance(made, Bid) else 0
            bidder.tick()
        assert 0 < first.amount + promised <= MICRO  # what the cut leaves may be bid
    now[0] += 2.0
    bidder.tick()
    assert desk.budget() == 1.0
    state = store.state(bidder.days["default"].account)
    assert state is not None
    assert state.settled + state.held <= MICRO
    assert json.loads(next(o.text for o in store.orders(0) if o.name.endswith("budget")))["value"] == 1.0
    for _ in range(3000):
        made = bidder.bid(O)
        promised += made.amount if isinstance(made, Bid) else 0
    assert first.amount + promised <= MICRO


def _away(*_: object) -> Any:
    raise LedgerUnavailable("away")


def test_whoever_hears_that_a_campaign_is_to_go_on_forgives_what_stopped_it(desk: Desk) -> None:
    """Here and where it was ordered elsewhere: a campaign may have been stopped on each bidder by itself."""
    bidder = desk.open([entry("a")])
    forgiven: list[str] = []
    bidder.control.on_resume = forgiven.append
    bidder.put(bidder.served["a"], fields=["paused"])
    assert forgiven == ["a"]
    bidder.put(bidder.served["a"].model_copy(update={"paused": True}))
    for name, value in (("campaign/a/paused", True), ("campaign/a/paused", False), ("campaign/a/campaign.budget", 3.0)):
        text = json.dumps({"by": "x", "at": 0.0, "value": value, "file": flat(serving("a", 40.0))[name.split("/")[2]]})
        bidder.control.orders._take([Order(10**6, name, text)])
        bidder.control._obey({name})
    assert forgiven == ["a", "a"]
    assert bidder.served["a"].campaign.budget == 3.0


# --- one source of truth -------------------------------------------------------------------------

WEIGHTS = {"comment": 1.0, "share": 1.0, "follow": 1.0, "completion": 0.0}
VALUES: dict[str, tuple[Any, Any, Any]] = {  # the file's, what is ordered, the file's later
    "paused": (False, True, None),
    "creative": ({"crid": "a"}, {"crid": "b"}, {"crid": "c"}),
    "weights": (WEIGHTS | {"like": 1.0}, WEIGHTS | {"like": 2.0}, WEIGHTS | {"like": 3.0}),
    "campaign.budget": (40.0, 30.0, 5.0),
    "campaign.conversion_value": (20.0, 21.0, 22.0),
    "campaign.preference": ([0.2, 0.3, 0.5], [0.1, 0.4, 0.5], [1.0, 0.0, 0.0]),
    "campaign.delays": ({"wins": 1}, {"wins": 2}, {"wins": 3}),
    "campaign.auction": ("second", "first", None),
    "campaign.channel_caps": ({}, {"feed": 9.0}, {"feed": 5.0}),
}


def with_value(field: str, value: Any) -> dict[str, Any]:
    outer, _, inner = field.rpartition(".")
    made = entry("c")
    if outer:
        made["campaign"][inner] = value
    else:
        made[inner] = value
    return made


def value_of(bidder: Bidder, field: str) -> Any:
    return flat(bidder.served["c"])[field]


def shown(field: str, value: Any) -> Any:
    return flat(ServedCampaign.model_validate(_whole(with_value(field, value))))[field]


def _whole(made: dict[str, Any]) -> dict[str, Any]:
    return made | {"campaign": preset_campaign().model_dump(mode="json") | made["campaign"]}


@pytest.mark.parametrize("field", VALUES)
def test_an_order_holds_over_restarts_until_the_files_own_value_changes(
    desk: Desk, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    before, ordered, later = VALUES[field]
    bidder = desk.open([with_value(field, before)])
    settings = flat(bidder.served["c"]) | {field: ordered}
    bidder.put(unflat("c", settings), by="anna")
    for _ in range(2):
        assert value_of(desk.open([with_value(field, before)]), field) == shown(field, ordered)
    assert any("anna" in r.message and "holds" in r.message and field in r.message for r in caplog.records)
    # another setting of the file changes: the order still holds
    other = with_value(field, before) | {"name": "c"}
    other["campaign"] = other["campaign"] | {"min_tail_share": 0.125}
    bidder = desk.open([other])
    assert value_of(bidder, field) == shown(field, ordered)
    assert bidder.served["c"].campaign.min_tail_share == 0.125
    if later is None:
        return
    caplog.clear()
    assert value_of(desk.open([with_value(field, later)]), field) == shown(field, later)
    assert any("holds no longer" in r.message and field in r.message for r in caplog.records)
    # and an order that has ended does not come back with the file's old value
    assert value_of(desk.open([with_value(field, before)]), field) == shown(field, before)


def test_every_setting_can_be_ordered_by_itself() -> None:
    assert set(flat(serving("c", 1.0))) == set(FIELDS)


def test_a_budget_on_the_command_line_takes_effect_on_the_running_day(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.open(budget=40.0)
    assert desk.budget() == 40.0
    made = desk.open(budget=5.0).bid(O)
    assert isinstance(made, Bid)
    assert desk.budget() == 5.0
    assert "campaign.budget is 5.0 in the file, and was 40.0" in caplog.text
    desk.open(budget=40.0)
    assert desk.budget() == 40.0


def test_a_start_without_a_change_says_nothing_and_writes_nothing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    version = desk.open([entry("a"), entry("b")]).desk.keeper.store.orders(0)[-1].version
    with caplog.at_level(logging.INFO):
        bidder = desk.open([entry("a"), entry("b")])
    assert "campaign a" not in caplog.text
    assert bidder.desk.keeper.store.orders(0)[-1].version == version


def test_a_campaign_that_is_removed_from_the_file_stops_with_all_its_orders(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    bidder = desk.open([entry("a"), entry("b")])
    bidder.put(bidder.served["b"].model_copy(update={"paused": True}))
    assert list(desk.open([entry("a")]).served) == ["a"]
    assert "campaign b: the file has it no longer" in caplog.text
    again = desk.open([entry("a"), entry("b")])
    assert not again.served["b"].paused  # it is a new one


def test_a_campaign_that_was_put_is_served_until_the_file_says_otherwise(desk: Desk) -> None:
    desk.open([entry("a")]).put(serving("b", 9.0))
    bidder = desk.open([entry("a")])
    assert bidder.served["b"].campaign.budget == 9.0
    bidder.put(serving("b", 8.0))
    assert desk.open([entry("a")]).served["b"].campaign.budget == 8.0
    assert desk.open([entry("a"), entry("b", 7.0)]).served["b"].campaign.budget == 7.0
    assert list(desk.open([entry("a")]).served) == ["a"]


@pytest.mark.parametrize("restarts", [0, 1, 2])
@pytest.mark.parametrize("in_file", [True, False])
def test_a_deleted_campaign_stops_and_stays_away_until_the_file_changes(
    desk: Desk, in_file: bool, restarts: int
) -> None:
    entries = [entry("a"), entry("b")] if in_file else [entry("a")]
    bidder = desk.open(entries)
    if not in_file:
        bidder.put(serving("b", 9.0))
    bidder.put(bidder.served["b"].model_copy(update={"paused": True}))
    bidder.remove("b")
    assert list(bidder.served) == ["a"]
    assert all(bidder.bid(O).campaign.name == "a" for _ in range(3))  # type: ignore[union-attr]
    for _ in range(restarts):
        assert list(desk.open(entries).served) == ["a"]
    again = desk.open([entry("a"), entry("b", 11.0)])
    assert again.served["b"].campaign.budget == 11.0
    assert not again.served["b"].paused  # what was ordered of the deleted one is gone with it


def test_a_deleted_campaign_can_be_put_again_the_same_day(desk: Desk) -> None:
    bidder = desk.open([entry("a")])
    bidder.put(unflat("a", flat(bidder.served["a"]) | {"campaign.conversion_value": 21.0}))
    bidder.remove("a")
    with pytest.raises(InvalidServing, match="GET /admin/campaigns"):
        bidder.remove("a")
    assert isinstance(bidder.bid(O), NoBid)
    bidder.put(serving("a", 12.0))
    assert isinstance(bidder.bid(O), Bid)
    assert desk.budget("a") == 12.0
    again = desk.open([entry("a")]).served["a"].campaign
    assert (again.budget, again.conversion_value) == (12.0, preset_campaign().conversion_value)


@pytest.mark.parametrize("when", ["at once", "after a restart", "after midnight"])
def test_what_is_told_of_a_deleted_campaigns_bids_is_booked(desk: Desk, when: str) -> None:
    """Of three bids one is billed, one is lost and of one an event is told, all after the deletion."""
    bidder = desk.open([entry("a")])
    billed, lost, won = (bidder.bid(O) for _ in range(3))
    assert isinstance(billed, Bid)
    assert isinstance(lost, Bid)
    assert isinstance(won, Bid)
    account = billed.ticket.account
    bidder.remove("a")
    if when == "after a restart":
        bidder = desk.open([entry("a")])
    elif when == "after midnight":
        desk.clock.move(START + DAY - 10.0)  # the bids are of the last seconds of a day
        bidder = desk.open([entry("a", 41.0)])
        billed, lost, won = (bidder.bid(O) for _ in range(3))
        assert isinstance(billed, Bid)
        assert isinstance(lost, Bid)
        assert isinstance(won, Bid)
        bidder.remove("a")
        desk.clock.move(START + DAY + 5.0)
        bidder.tick()
        assert list(bidder.days) == []
    booked: list[Booked | None] = []
    bidder.bill(billed.ticket, 0.5 * billed.amount / MICRO, None, booked.append)
    bidder.loss(lost.ticket)
    bidder.bill(won.ticket, won.amount / MICRO, None, booked.append)
    bidder.outcome(won.ticket, Told("like"))
    assert booked == [Booked.settled, Booked.settled]
    assert bidder.notices["event_unheard"] == 0
    state = bidder.desk.keeper.store.state(account)
    assert state is not None
    assert state.settled == round(0.5 * billed.amount) + won.amount
    bidder.tick()
    assert list(bidder.served) == []


def test_other_campaigns_go_on_over_midnight_when_one_is_deleted(desk: Desk) -> None:
    bidder = desk.open([entry("a"), entry("b")])
    bidder.remove("b")
    desk.clock.move(START + DAY + 1.0)
    bidder.tick()
    assert list(bidder.days) == ["a"]
    assert isinstance(bidder.bid(O), Bid)


def test_the_kill_switch_outlives_restarts_and_says_who_pressed_it(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.open().kill(True, by="anna")
    assert desk.open().killed
    assert "the kill switch is on, by anna" in caplog.text
    desk.open().kill(False)
    assert not desk.open().killed


# --- what is stored from before ------------------------------------------------------------------


def old_state(desk: Desk, campaigns: dict[str, str], switches: dict[str, int]) -> None:
    """The state file of a version that kept orders in it."""
    path = desk.config.state / "state.sqlite"
    path.parent.mkdir(exist_ok=True)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE campaigns (name TEXT PRIMARY KEY, text TEXT NOT NULL)")
        db.execute("CREATE TABLE switches (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
        db.executemany("INSERT INTO campaigns VALUES (?, ?)", campaigns.items())
        db.executemany("INSERT INTO switches VALUES (?, ?)", switches.items())
    db.close()


def test_orders_of_an_earlier_version_move_once_and_hold_as_others_do(desk: Desk) -> None:
    stored = {"a": serving("a", 30.0).model_dump_json(), "new": serving("new", 9.0).model_dump_json()}
    old_state(desk, stored, {"kill": 1})
    bidder = desk.open([entry("a")])
    assert bidder.killed
    assert {name: served.campaign.budget for name, served in bidder.served.items()} == {"a": 30.0, "new": 9.0}
    bidder.kill(False)
    bidder.remove("new")
    bidder = desk.open([entry("a")])
    assert not bidder.killed
    assert {name: served.campaign.budget for name, served in bidder.served.items()} == {"a": 30.0}
    assert desk.open([entry("a", 20.0)]).served["a"].campaign.budget == 20.0
    assert desk.bidder is not None
    assert desk.bidder.desk.state.orders_before() == ({}, {})


def test_orders_of_an_earlier_version_are_kept_until_they_are_durable(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bidpilot.serving.ledger.sqlite import SqliteStore

    old_state(desk, {}, {"kill": 1})
    with monkeypatch.context() as broken:
        broken.setattr(SqliteStore, "order", full)
        bidder = desk.open()
        assert bidder.killed
        assert bidder.desk.state.orders_before() == ({}, {"kill": True})
        bidder.close()
        desk.bidder = None
    assert desk.open().killed


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"name": "a"}', serving("a", 1.0).model_dump_json().replace("1.0", "1e13", 1), "\u0000"],
)
def test_what_an_earlier_version_stored_and_cannot_be_served_is_a_named_error(desk: Desk, text: str) -> None:
    old_state(desk, {"a": text}, {})
    with pytest.raises(InvalidServing, match=r"campaign 'a'.*Move state.sqlite away"):
        desk.open([entry("a")])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("campaign/a/campaign.budget", '{"by": "x", "at": 0.0, "value": 1e13, "file": 40.0}'),
        ("campaign/a/campaign.budget", '{"by": "x", "at": 0.0, "value": "much", "file": 40.0}'),
        ("campaign/a/creative", '{"by": "x", "at": 0.0, "value": null, "file": FILE}'),
        ("campaign/a/paused", "no JSON"),
        ("campaign/b", '{"by": "x", "at": 0.0, "value": {"campaign.budget": -1}}'),
        ("kill", "[]"),
    ],
)
def test_a_stored_order_that_cannot_be_obeyed_is_a_named_error_with_its_remedy(
    desk: Desk, name: str, text: str
) -> None:
    bidder = desk.open([entry("a")])
    text = text.replace("FILE", json.dumps(flat(bidder.served["a"])["creative"]))
    bidder.desk.keeper.store.order(name, text)
    with pytest.raises(InvalidServing, match=r"(Change what the file|another --state)"):
        desk.open([entry("a")])
    desk.bidder = None


def test_a_budget_that_was_stored_too_large_is_put_right_by_the_file(desk: Desk) -> None:
    bidder = desk.open([entry("a")])
    order = '{"by": "x", "at": 0.0, "value": 1e13, "file": 40.0}'
    bidder.desk.keeper.store.order("campaign/a/campaign.budget", order)
    with pytest.raises(InvalidServing, match="Change what the file"):
        desk.open([entry("a")])
    desk.bidder = None
    assert desk.open([entry("a", 39.0)]).served["a"].campaign.budget == 39.0


# --- amounts -------------------------------------------------------------------------------------


@given(budget=st.one_of(st.floats(1e-12, 1e-7), st.floats(MOST / MICRO * 1.0001, 1e308)))
def test_a_budget_beyond_the_ledgers_range_is_refused_at_the_door(budget: float) -> None:
    with pytest.raises(InvalidServing, match="the ledger cannot keep a budget"):
        serving("a", 1.0).model_validate(
            {"name": "a", "campaign": preset_campaign().model_dump(mode="json") | {"budget": budget}}
        )


@pytest.mark.parametrize("budget", [1 / MICRO, MOST / MICRO])
def test_the_ledgers_whole_range_is_served(desk: Desk, budget: float) -> None:
    desk.open([entry("a", budget)])
    assert desk.budget("a") == pytest.approx(budget, abs=1e-6)


AMOUNTS = st.one_of(st.floats(0, 1e-300), st.floats(0, 1e12), st.floats(1e12, 1e308), st.just(5e-324))


@given(
    field=st.sampled_from(["conversion_value", "max_cpa", "min_roi", "budget", "reserve", "kpi_floors"]),
    amounts=st.tuples(AMOUNTS, AMOUNTS, AMOUNTS),
    name=st.sampled_from(["default", "other"]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_numbers_of_any_size_are_served_or_refused_and_nothing_in_between(
    lasting: Desk, field: str, amounts: tuple[float, float, float], name: str
) -> None:
    """A campaign that cannot be planned is refused by name, and the one that is served goes on."""
    bidder = lasting.bidder
    assert bidder is not None
    value = amounts if field == "kpi_floors" else amounts[0]
    fields = preset_campaign().model_dump(mode="json") | {field: value}
    before = bidder.served
    try:
        bidder.put(ServedCampaign.model_validate({"name": name, "campaign": fields}))
    except BidpilotError:
        assert bidder.served == before
    assert isinstance(bidder.bid(O), Bid | NoBid)
    bidder.tick()
    if "other" in bidder.served:
        bidder.remove("other")
    bidder.put(ServedCampaign(name="default", campaign=preset_campaign()))


@pytest.fixture(scope="module")
def lasting(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(bundle_folder, tmp_path_factory.mktemp("lasting"))
    made.open()
    yield made
    assert made.bidder is not None
    made.bidder.close()

"""Campaigns of several time zones: each has its own days, slots and midnight, however long its days are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from bidpilot.bidding.day.features import POSITION
from bidpilot.bidding.errors import BidpilotError, InvalidZone
from bidpilot.bidding.zone import Cut
from bidpilot.envs.logs.decisions import import_decisions
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.spend import passed
from bidpilot.serving.swap import Swap
from tests.serving.conftest import write_controller_bundle

VALUE = (0.6, 0.2, 0.004)
BUDGET = 20.0


def moment(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def opened(
    bundle: Path, folder: Path, now: float, *entries: dict[str, Any], **config: Any
) -> tuple[Bidder, ManualClock]:
    clock = ManualClock(now)
    path = folder / "campaigns.json"
    folder.mkdir(exist_ok=True)
    path.write_text(json.dumps([{"campaign": {"budget": BUDGET}} | entry for entry in entries]))
    return open_bidder(ServeConfig(bundle=bundle, state=folder / "state", campaigns=path, **config), clock), clock


def to(bidder: Bidder, clock: ManualClock, until: float, step: float = 600.0) -> Iterator[float]:
    """Move the clock there, with a tick at every step."""
    while clock() < until:
        clock.move(min(clock() + step, until))
        bidder.tick()
        yield clock()


def buy(bidder: Bidder, times: int = 1) -> list[str]:
    """Bid, win and bill; the accounts that have paid."""
    paid = []
    for _ in range(times):
        bid = bidder.bid(Opportunity(value=VALUE, segment=0))
        if isinstance(bid, Bid):
            bidder.win(bid.ticket, bid.ticket.amount / MICRO)
            bidder.bill(bid.ticket, bid.ticket.amount / MICRO)
            paid.append(bid.ticket.account)
    return paid


def test_each_campaign_begins_its_days_at_its_own_midnight(bundle_folder: Path, tmp_path: Path) -> None:
    zones = {"here": "UTC", "east": "Asia/Shanghai", "west": "America/New_York"}
    entries = [{"name": name, "timezone": zone} for name, zone in zones.items()]
    bidder, clock = opened(bundle_folder, tmp_path, moment("2026-11-20 12:10"), *entries)
    with bidder:
        for now in to(bidder, clock, moment("2026-11-22 13:00"), 900.0):
            for name, zone in zones.items():
                wall, at = datetime.fromtimestamp(now, ZoneInfo(zone)), bidder.moment_of(name)
                assert (at.date, at.slot) == (wall.date().isoformat(), wall.hour * 2 + wall.minute // 30)
                assert bidder.days[name].account == f"{name}@{wall.date()}"
                assert bidder.days[name].slot == at.slot
                assert passed(bidder, name) == pytest.approx((wall.hour * 60 + wall.minute) / 1440)
        assert not bidder.responder.open
        assert not bidder._days.failed


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_on_which_the_clock_is_put_has_one_budget_and_all_its_slots(
    bundle_folder: Path, tmp_path: Path, day: str, hours: int
) -> None:
    """It is bought in every quarter of an hour, over both of its midnights, and no incident is opened."""
    begin = moment(day, "Europe/Berlin")
    bidder, clock = opened(bundle_folder, tmp_path, begin - 1800, {"name": "c"}, timezone="Europe/Berlin")
    with bidder:
        slots, accounts = [], []
        for now in to(bidder, clock, begin + (hours + 1) * 3600, 900.0):
            accounts += buy(bidder, 3)
            if begin <= now < begin + hours * 3600:
                slots.append(bidder.days["c"].slot)
        assert slots == sorted(slots)
        assert set(slots) == set(range(48)) - ({4, 5} if hours == 23 else set())
        assert len(slots) == hours * 4
        dates = [datetime.fromisoformat(day).date() + timedelta(days=k) for k in (-1, 0, 1)]
        assert set(accounts) == {f"c@{one}" for one in dates}
        assert accounts == sorted(accounts)
        for one in dates[:2]:
            spent = bidder.desk.keeper.store.state(f"c@{one}")
            assert spent is not None
            assert 0 < spent.settled <= BUDGET * MICRO
        assert not bidder.responder.all


def test_an_hour_that_is_skipped_is_no_shock(bundle_folder: Path, tmp_path: Path) -> None:
    """Two slots of no time count as forecast: with its traffic before and after, the day is one as any other."""
    felt = []
    for day in ("2026-03-28", "2026-03-29"):
        begin = moment(day, "Europe/Berlin")
        bidder, clock = opened(bundle_folder, tmp_path / day, begin, {"name": "c"}, timezone="Europe/Berlin")
        with bidder:
            for _ in to(bidder, clock, moment(f"{day} 04:00", "Europe/Berlin"), 1800.0):
                for _ in range(int(bidder.desk.forecast.auctions[bidder.days["c"].slot])):
                    bidder.bid(Opportunity(value=VALUE, segment=0))
            seen = bidder.days["c"].decision.observation
            felt.append([float(seen[at]) for name, at in POSITION.items() if name.startswith("traffic_")])
    assert felt[1] == pytest.approx(felt[0], abs=0.02)


ELSEWHERE = [
    (Cut("Asia/Shanghai"), {}, "Give it `timezone: Asia/Shanghai`, or serve with --timezone Asia/Shanghai"),
    (Cut("Asia/Shanghai"), {"timezone": "Asia/Tokyo"}, "0:00 in Asia/Tokyo"),
    (Cut("UTC", 4), {}, "`day_starts: 0`"),
]


@pytest.mark.parametrize(("cut", "entry", "said"), ELSEWHERE)
def test_a_forecast_of_days_that_begin_elsewhere_is_not_served(
    tmp_path: Path, cut: Cut, entry: dict[str, Any], said: str
) -> None:
    bundle = write_controller_bundle(tmp_path / "bundle", cut=cut)
    with pytest.raises(InvalidZone, match="one hour for another") as refused:
        opened(bundle, tmp_path / "s", moment("2026-11-20"), {"name": "c"} | entry)
    assert said in str(refused.value)


def test_nor_does_it_come_by_an_order_or_a_swap(bundle_folder: Path, tmp_path: Path) -> None:
    """What is refused changes nothing."""
    cut = write_controller_bundle(tmp_path / "bundle", cut=Cut("Asia/Shanghai"))
    bidder, _ = opened(cut, tmp_path / "s", moment("2026-11-20"), {"name": "c", "timezone": "Asia/Shanghai"})
    with bidder:
        with pytest.raises(InvalidZone, match="one hour for another"):
            bidder.put(bidder.served["c"].model_copy(update={"name": "d", "timezone": None}))
        assert set(bidder.served) == set(bidder.days) == {"c"}
    bidder, _ = opened(bundle_folder, tmp_path / "t", moment("2026-11-20"), {"name": "c"})
    with bidder:
        with pytest.raises(BidpilotError, match="one hour for another"):
            Swap(bidder, ServeConfig(bundle=bundle_folder, state=tmp_path / "t")).now(cut)
        assert bidder.desk.origin.cut is None


def test_a_running_day_keeps_its_zone(bundle_folder: Path, tmp_path: Path) -> None:
    """The money of its date would be another day's."""
    bidder, _ = opened(bundle_folder, tmp_path, moment("2026-11-20"), {"name": "c"})
    with bidder:
        with pytest.raises(InvalidZone, match="another time zone than Asia/Tokyo"):
            bidder.put(bidder.served["c"].model_copy(update={"timezone": "Asia/Tokyo"}))
        assert bidder.served["c"].timezone is None
        bidder.put(bidder.served["c"].model_copy(update={"timezone": "UTC"}))  # the same zone by its name
        bidder.put(bidder.served["c"].model_copy(update={"name": "d", "timezone": "Asia/Tokyo"}))
        assert bidder.moment_of("d").date == "2026-11-20"
        assert bidder.moment_of("d").slot == 18


@pytest.mark.parametrize(("later", "told"), [(60.0, 0), (-3600.0, 1)])
def test_a_restart_goes_by_the_clock_of_each_campaign(
    bundle_folder: Path, tmp_path: Path, later: float, told: int
) -> None:
    """What was stored last is of tomorrow by the server's clock, and of a slot gone by at the campaign's."""
    begin = moment("2026-11-20 20:00")
    bidder, clock = opened(bundle_folder, tmp_path, begin, {"name": "east", "timezone": "Asia/Shanghai"})
    with bidder:
        list(to(bidder, clock, begin + 3600.0))
    again, _ = opened(bundle_folder, tmp_path, clock() + later, {"name": "east", "timezone": "Asia/Shanghai"})
    with again:
        assert again.events.counts[Cause.clock_back] == told


def test_a_decision_log_says_of_which_zone_its_days_are(bundle_folder: Path, tmp_path: Path) -> None:
    """A log of one zone is cut there; one of several is no log; one of a server of before is cut nowhere."""
    for names in (["east"], ["east", "here"]):
        folder = tmp_path / names[-1]
        entries = [{"name": name} | ({"timezone": "Asia/Shanghai"} if name == "east" else {}) for name in names]
        bidder, clock = opened(bundle_folder, folder, moment("2026-11-20 20:00"), *entries, decisions=folder / "log")
        with bidder:
            for _ in names:
                bid = bidder.bid(Opportunity(value=VALUE, segment=0))
                assert isinstance(bid, Bid)
                bidder.loss(bid.ticket, 0.5)
                bidder.put(bidder.served[bid.ticket.account.partition("@")[0]].model_copy(update={"paused": True}))
            clock.move(clock() + 3600)
            bidder.tick()
    log = import_decisions([tmp_path / "east" / "log"]).log
    assert log.cut == Cut("Asia/Shanghai")
    assert [day.unit for day in log.days] == ["2026-11-21"]
    with pytest.raises(InvalidZone, match="Asia/Shanghai, UTC"):
        import_decisions([tmp_path / "here" / "log"])
    for path in (tmp_path / "here" / "log").glob("decisions-*.parquet"):
        pl.read_parquet(path).drop("timezone").write_parquet(path)
    assert import_decisions([tmp_path / "here" / "log"]).log.cut is None


def test_the_clock_is_utc_where_nobody_says_otherwise() -> None:
    config = ServeConfig(bundle=Path("b"))
    assert config.timezone == "UTC"
    assert datetime.fromtimestamp(0, UTC).hour == 0

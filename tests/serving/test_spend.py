"""What the administration tells of a campaign's days, and how it takes budgets of days to come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.day_results import DayResults
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.server import applications
from bidpilot.serving.spend import read_range
from bidpilot.serving.told import Told
from tests.serving.doors import Given

TODAY = "2024-10-04"  # 20,000 days after 1970-01-01
VALUE = (0.5, 0.25, 0.125)
TOKEN = "a-token-of-tests"

Open = Callable[[], tuple[Bidder, ManualClock]]


@pytest.fixture
def again(bundle_folder: Path, tmp_path: Path) -> Iterator[Open]:
    """Opens the same bidder anew, at the time that it was at."""
    made: list[Bidder] = []
    clock = ManualClock(20_000 * DAY)

    def opened() -> tuple[Bidder, ManualClock]:
        for bidder in made:
            bidder.close()
        made[:] = [open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path, budget=40.0), clock)]
        return made[0], clock

    yield opened
    for bidder in made:
        bidder.close()


def ask(
    bidder: Bidder, method: str, path: str, query: str = "", body: Any = None, token: str = TOKEN
) -> tuple[int, Any]:
    """One request straight into the application."""

    async def read(most: int, seconds: float) -> bytes:
        return b"" if body is None else json.dumps(body).encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIDPILOT_ADMIN_TOKEN", TOKEN)
        patch.setenv("BIDPILOT_NOTICE_SECRET", "s" * 40)
        config = ServeConfig(bundle=Path(), currency="EUR")
        app: AdminApp = applications(bidder, config, "http://127.0.0.1")[1]
    response = asyncio.run(app(Given(method, path, query, f"Bearer {token}", read)))
    return response.status, json.loads(response.body) if response.body else None


def spend(bidder: Bidder, query: str = "") -> dict[str, Any]:
    status, found = ask(bidder, "GET", "/admin/campaigns/default/spend", query)
    assert status == 200, found
    return dict(found)


def buy(bidder: Bidder, segment: int, price: float) -> Bid:
    made = bidder.bid(Opportunity(VALUE, segment))
    assert isinstance(made, Bid), made
    bidder.bill(made.ticket, min(price, made.amount / MICRO))
    return made


def test_a_day_is_told_by_channel_with_what_it_brought(again: Open) -> None:
    bidder, clock = again()
    clock.move(clock() + 6 * 3600)
    bidder.tick()
    won = [buy(bidder, segment, 0.001) for segment in (0, 0, 1, 2)]
    bidder.outcome(won[0].ticket, Told(interaction=2.0, conversion=1.0))
    found = spend(bidder)
    assert (found["campaign"], found["currency"], found["today"], found["passed"]) == ("default", "EUR", TODAY, 0.25)
    assert list(found["days"]) == [TODAY]
    day = found["days"][TODAY]
    assert day["budget"] == 40.0
    assert day["settled"] == pytest.approx(0.004)
    assert day["debt"] == 0.0
    segments = bidder.bundle.manifest.segments
    expected: dict[str, float] = dict.fromkeys((name.partition("/")[0] for name in segments), 0.0)
    for segment in (0, 0, 1, 2):
        expected[segments[segment].partition("/")[0]] += 0.001
    assert day["channels"] == pytest.approx(expected)
    assert day["predicted"] == pytest.approx([2.0, 1.0, 0.5])
    assert day["realised"] == pytest.approx([2.0, 2.0, 1.0])


def test_what_comes_after_its_slot_counts_in_its_day_also_after_a_restart(again: Open) -> None:
    """What bids of a slot cost and bring is mostly told later: the day's sums have it, whatever slot is under way."""
    bidder, clock = again()
    first = buy(bidder, 0, 0.001)
    clock.move(clock() + 20.0)
    made = bidder.bid(Opportunity(VALUE, 0))
    assert isinstance(made, Bid)
    clock.move(20_000 * DAY + 1800.0)
    bidder.tick()
    bidder.bill(made.ticket, 0.002)
    bidder.outcome(first.ticket, Told(interaction=4.0, conversion=0.0))
    clock.move(20_000 * DAY + 3600.0)
    bidder.tick()
    before = spend(bidder)["days"][TODAY]
    bidder, clock = again()
    after = spend(bidder)["days"][TODAY]
    assert after["channels"] == before["channels"]
    assert sum(after["channels"].values()) == pytest.approx(before["settled"] + before["debt"])
    assert after["realised"] == before["realised"] == pytest.approx([1.0, 4.0, 0.0])


def test_days_gone_by_are_told_as_they_ended(again: Open) -> None:
    bidder, clock = again()
    buy(bidder, 0, 0.001)
    clock.move(clock() + DAY - 60)
    bidder.tick()
    last = buy(bidder, 0, 0.003)  # in the day's last slot, which no other follows
    clock.move(20_001 * DAY + 60)
    bidder.tick()
    buy(bidder, 1, 0.005)
    found = spend(bidder, f"from=2024-09-01&to={TODAY}")
    assert found["today"] == "2024-10-05"
    assert list(found["days"]) == [TODAY]
    assert sum(found["days"][TODAY]["channels"].values()) == pytest.approx(0.001 + min(0.003, last.amount / MICRO))
    assert list(spend(bidder, "from=2024-10-01")["days"]) == [TODAY, "2024-10-05"]
    assert spend(bidder, "from=2024-12-01")["days"] == {}


@pytest.mark.parametrize(
    "query", ["from=yesterday", "to=2024-13-01", "from=2020-01-01", "since=2024-01-01", "from=", "from=2024-10-04&x"]
)
def test_a_range_that_cannot_be_says_how_to_ask(again: Open, query: str) -> None:
    bidder, _ = again()
    status, found = ask(bidder, "GET", "/admin/campaigns/default/spend", query)
    assert status == 400
    assert "Ask" in found["error"]


def test_a_range_is_both_ends_included() -> None:
    today = date(2024, 10, 4)
    assert read_range("", today) == (today, today)
    assert read_range("from=2024-09-30&to=2024-10-02", today) == (date(2024, 9, 30), date(2024, 10, 2))
    with pytest.raises(InvalidServing, match="more than 400 days"):
        read_range("from=2023-08-31", today)


def test_it_needs_the_token_and_a_campaign_that_is_served(again: Open) -> None:
    bidder, _ = again()
    assert ask(bidder, "GET", "/admin/campaigns/default/spend", token="another")[0] == 401
    assert ask(bidder, "GET", "/admin/campaigns/nobody/spend")[0] == 404


def test_a_budget_is_planned_shown_and_kept_over_a_restart(again: Open) -> None:
    bidder, clock = again()
    path = "/admin/campaigns/default/budget"
    status, found = ask(bidder, "POST", path, body={"budget": 12.5, "from": "2024-10-05"})
    assert status in (200, 202)
    assert found["planned"] == {"instead_of": 40.0, "days": [{"since": "2024-10-05", "budget": 12.5}]}
    assert found["money"]["budget"] == 40.0
    bidder, clock = again()
    clock.move(20_001 * DAY)
    bidder.tick()
    assert ask(bidder, "GET", "/admin/campaigns")[1]["default"]["money"]["budget"] == 12.5
    assert ask(bidder, "POST", path, body={"budget": 15.0, "from": "2024-10-05"})[0] == 400
    assert ask(bidder, "POST", path, body={"budget": 30.0})[1]["planned"] is None
    assert ask(bidder, "GET", "/admin/campaigns")[1]["default"]["money"]["budget"] == 30.0


@pytest.mark.parametrize("body", [{"from": "2024-10-05"}, {"budget": "much"}, {"budget": None}, {"budget": -1.0}, []])
def test_a_budget_that_is_none_is_refused(again: Open, body: Any) -> None:
    bidder, _ = again()
    assert ask(bidder, "POST", "/admin/campaigns/default/budget", body=body)[0] == 400
    assert bidder.served["default"].campaign.budget == 40.0


def test_a_flight_is_put_and_tells_what_is_left(again: Open) -> None:
    bidder, clock = again()
    flight = {"start": "2024-10-01", "end": "2024-10-31", "total": 100.0, "days_off": ["saturday"], "hours": [[6, 22]]}
    status, found = ask(bidder, "PUT", "/admin/campaigns/default", body={"flight": flight})
    assert status in (200, 202), found
    assert found["money"]["flight_left"] == 100.0
    explained = bidder.explain(Opportunity(VALUE, 0))["default"]
    assert (explained["offered"], explained["reason"]) == (0.0, "not_in_flight")
    clock.move(clock() + 7 * 3600)
    bidder.tick()
    buy(bidder, 0, 0.001)
    clock.move(clock() + 1800)
    bidder.tick()
    left = ask(bidder, "GET", "/admin/campaigns")[1]["default"]["money"]["flight_left"]
    assert left == pytest.approx(100.0 - spend(bidder)["days"][TODAY]["settled"])
    status, found = ask(bidder, "PUT", "/admin/campaigns/default", body={"flight": flight | {"end": "2024-09-01"}})
    assert status == 400
    assert "Turn them round" in found["error"]


def test_results_that_were_kept_for_other_segments_are_none() -> None:
    kept = DayResults.none(2)
    kept.win(VALUE, 1, 5)
    assert DayResults.read(kept.text(), 2) == kept
    assert DayResults.read(kept.text(), 3) == DayResults.none(3)
    assert DayResults.read("damaged", 2) == DayResults.read(None, 2) == DayResults.none(2)

"""What the page is told is what the bidder has: money, the day slot by slot, the rule, and why a campaign is silent."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bidpilot.bidding.errors import LinkLost
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.drain import Drain
from bidpilot.serving.incidents.incident import Target
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.page import campaign
from bidpilot.serving.page.kept import Kept
from bidpilot.serving.page.snapshot import Snapshots
from bidpilot.serving.slot_gate import SlotGate
from tests.serving.conftest import write_controller_bundle
from tests.serving.page.board import START, Desk, in_memory, incident, matrix, play

SLOTS = 4


def config_of(folder: Path, bundle: Path) -> ServeConfig:
    return ServeConfig(bundle=bundle, shadow=folder / "shadow", state=folder / "state", budget=40.0, sources=64)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with in_memory() as made:
        write_controller_bundle(made / "shadow", "adaptive")
        yield made


@pytest.fixture(scope="module")
def bidder(folder: Path, bundle_folder: Path) -> Iterator[Bidder]:
    clock = ManualClock(START)
    with open_bidder(config_of(folder, bundle_folder), clock) as made:
        play(made, clock, SLOTS, every=4)
        yield made


def snapshot(bidder: Bidder, **parts: Any) -> dict[str, Any]:
    made = Snapshots(bidder, "USD", Drain())
    for name, value in parts.items():
        setattr(made, name, value)
    found: dict[str, Any] = json.loads(msgspec.json.encode(asyncio.run(made.take())))
    return found


def test_the_row_has_the_money_of_the_ledger_and_the_rule_that_bids(bidder: Bidder) -> None:
    row, day = snapshot(bidder)["campaigns"]["default"], bidder.days["default"]
    state = day.wallet.state
    assert state is not None
    assert row["moving"]["money"]["settled"] == state.settled / MICRO > 0.0
    assert row["moving"]["money"]["budget"] == 40.0
    assert row["moving"]["spent"] == pytest.approx(state.settled / MICRO)
    assert row["steady"]["alpha"] == list(day.pricer.alpha)
    assert row["steady"]["shadow"] != row["steady"]["alpha"]
    assert row["steady"]["spend"][-1] == pytest.approx(state.settled / MICRO, rel=1e-5)
    assert len(row["steady"]["plan"]) == 49
    assert row["steady"]["plan"] == sorted(row["steady"]["plan"])


def test_the_slots_of_the_day_add_up_to_the_row(bidder: Bidder) -> None:
    told, moving = campaign.detail(bidder, "default"), campaign.moving(bidder, "default")
    assert told["slot"] == told["closed"] == SLOTS
    assert sum(told["spend"]) == pytest.approx(moving["spent"], rel=1e-4)
    assert sum(told["wins"]) == moving["wins"] > 0
    assert sum(told["auctions"]) == moving["auctions"]
    for j in range(3):
        assert sum(row[j] for row in told["predicted"]) == pytest.approx(moving["predicted"][j], rel=1e-4)
        assert sum(row[j] for row in told["realised"]) == pytest.approx(moving["realised"][j], rel=1e-4)
    assert told["cpa"]["predicted"][-1] == pytest.approx(moving["spent"] / moving["predicted"][2], rel=1e-4)
    assert sum(told["channels"].values()) == pytest.approx(moving["spent"])
    assert sum(told["planned_spend"]) == pytest.approx(snapshot(bidder)["campaigns"]["default"]["steady"]["plan"][-1])


def test_rules_of_slots_that_have_passed_are_back_after_a_restart(folder: Path, bundle_folder: Path) -> None:
    folder = folder / "again"
    write_controller_bundle(folder / "shadow", "adaptive")
    clock = ManualClock(START)
    with open_bidder(config_of(folder, bundle_folder), clock) as first:
        play(first, clock, SLOTS, every=4)
        before = campaign.detail(first, "default")
    with open_bidder(config_of(folder, bundle_folder), clock) as second:
        after = campaign.detail(second, "default")
    for name in ("alpha", "shadow", "multiplier"):  # what was outstanding when a slot began is not played again
        for now, then in zip(after["rule"][name], before["rule"][name], strict=True):
            assert now == pytest.approx(then, rel=0.01)
    assert len({tuple(alpha) for alpha in before["rule"]["alpha"]}) > 1
    assert all(alpha is not None for alpha in (*after["rule"]["alpha"], *after["rule"]["shadow"]))
    for name in ("spend", "wins", "auctions", "refused"):
        assert after[name] == before[name]


def paused(bidder: Bidder) -> Callable[[], object]:
    served = bidder.served["default"]
    bidder.put(served.model_copy(update={"paused": True}))
    return lambda: bidder.put(served)


def killed(bidder: Bidder) -> Callable[[], object]:
    bidder.kill(True)
    return lambda: bidder.kill(False)


def failed(bidder: Bidder) -> Callable[[], object]:
    day = bidder.days["default"]
    day.stopped = "campaign_failed"
    return lambda: setattr(day, "stopped", "")


def indebted(bidder: Bidder) -> Callable[[], object]:
    wallet = bidder.days["default"].wallet
    wallet.debt = 5
    return lambda: setattr(wallet, "debt", 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [(paused, "paused"), (killed, "kill_switch"), (failed, "campaign_failed"), (indebted, "debt")],
)
def test_why_a_campaign_is_silent_is_told(bidder: Bidder, change: Callable[[Bidder], Any], told: str) -> None:
    assert snapshot(bidder)["campaigns"]["default"]["moving"]["state"] == "bidding"
    back = change(bidder)
    found = snapshot(bidder)
    back()
    assert found["campaigns"]["default"]["moving"]["state"] == told
    assert found["server"]["killed"] == (told == "kill_switch")


def test_the_rule_is_told_anew_only_where_it_may_have_changed(bidder: Bidder) -> None:
    made = Snapshots(bidder, "USD", Drain())

    async def twice() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        first, second = await made.take(), await made.take()
        back = paused(bidder)
        third = await made.take()
        back()
        return first, second, third

    first, second, third = (one["campaigns"]["default"] for one in asyncio.run(twice()))
    assert second["steady"] is first["steady"]
    assert json.loads(bytes(third["steady"]))["paused"]


def test_incidents_and_risks_come_from_who_keeps_them(bidder: Bidder) -> None:
    assert snapshot(bidder)["incidents"] == snapshot(bidder)["risks"] == []
    held = incident(slots=({"requests": 1},) * 48)
    found = snapshot(bidder, operations=Desk([held], (matrix(),)))
    assert found["incidents"] == [held.model_dump(mode="json", exclude={"slots"})]
    assert found["risks"][0]["cells"][4] == [None, 2, 3, 1]


@pytest.mark.parametrize("what", ["incidents", "risks", "default"])
def test_what_cannot_be_told_keeps_nothing_else_back_and_is_logged_once(
    bidder: Bidder, what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise KeyError("window")

    desk = Desk([incident()], (matrix(),))
    whose, name = (campaign, "moving") if what == "default" else (desk, what)
    monkeypatch.setattr(whose, name, fails)
    made = Snapshots(bidder, "USD", Drain())
    made.operations = desk
    found: dict[str, Any]
    for _ in range(3):
        found = asyncio.run(made.take())
        assert found["server"]["untold"] == [what]
        there = {"incidents": found["incidents"], "risks": found["risks"], "default": found["campaigns"].get("default")}
        assert {name for name, told in there.items() if not told} == {what}
    assert caplog.text.count(f"the control page cannot tell of {what}") == 1
    monkeypatch.undo()
    assert asyncio.run(made.take())["server"]["untold"] == []


def test_hours_and_channels_that_incidents_hit_are_counted(bidder: Bidder) -> None:
    kept, responder = Kept(bidder), bidder.responder
    assert kept.risks() == ()
    explained = "Bills are above bids."
    responder.notice(Risk.budget_overrun, "default", Target(kind="campaign"), explained, {})  # of no window
    responder.notice(Risk.invalid_traffic, "default", Target(kind="segment", index=2), "Views stay away.", {})
    channel, risk = kept.risks()
    hour = bidder.moment.slot // 2
    assert {row: cells[hour] for row, cells in zip(channel.rows, channel.cells, strict=True)} == {
        "feed": 1, "search": 2, "challenge": 1, "external": 1,
    }  # fmt: skip
    assert risk.rows == ("invalid_traffic", "budget_overrun")
    assert [sum(filter(None, cells)) for cells in risk.cells] == [1, 1]
    assert kept.risks() is kept.risks()
    assert [one.explanation for one in kept.incidents()] != []


def test_sources_that_are_held_back_are_told_the_worst_first(bidder: Bidder) -> None:
    day = bidder.days["default"]
    usual = day.gate
    multiplier, quota = np.ones((1, day.desk.sources)), np.full((1, day.desk.sources), np.inf)
    multiplier[0, [3, 7]], quota[0, 5] = (0.4, 0.0), 2.0
    day.gate = SlotGate(Gate(multiplier, quota))
    for source in (3, 5, 5, 5, 7, 7):
        day.gate.admit(source)
    found = campaign.detail(bidder, "default")["sources"]
    day.gate = usual
    told = [(one["source"], one["multiplier"], one["quota"], one["refused"], one["requests"]) for one in found]
    assert told == [(7, 0.0, None, 2, 2), (3, pytest.approx(0.4), None, 0, 1), (5, 1.0, 2, 1, 3)]


def test_the_money_of_all_workers_is_asked_for_now_and_then(bidder: Bidder) -> None:
    asked: list[dict[str, Any]] = []

    async def together(own: dict[str, Any]) -> dict[str, Any]:
        asked.append(own)
        return {name: {"money": {"budget": 40.0, "settled": 7.0, "promised": 1.0}, "outstanding": 3} for name in own}

    made = Snapshots(bidder, "USD", Drain())
    made.ask = together

    async def twice() -> list[dict[str, Any]]:
        return [await made.take(), await made.take()]

    for one in asyncio.run(twice()):
        assert one["campaigns"]["default"]["moving"]["money"]["settled"] == 7.0
        assert one["server"]["workers"]
    assert asked == [{"default": {}}]  # five seconds have not passed


def test_a_worker_whose_siblings_do_not_answer_tells_what_it_knows(bidder: Bidder) -> None:
    async def together(own: dict[str, Any]) -> dict[str, Any]:
        raise LinkLost("nobody is there")

    found = snapshot(bidder, ask=together)["campaigns"]["default"]["moving"]["money"]
    assert found == campaign.moving(bidder, "default")["money"]


def test_numbers_of_curves_are_short_and_what_is_none_is_null() -> None:
    assert campaign.short([1 / 3, math.inf, math.nan, 0.0, 1234567.0]) == [0.333333, None, None, 0.0, 1234570.0]

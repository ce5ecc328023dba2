"""Responses to incidents in a bidder: what bids become, what undo restores, and what a restart knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidIncident, UnknownIncident
from bidpilot.bidding.watch.alarm import Alarm, Risk
from bidpilot.serving.auction import Bid, NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.incidents.files import read_incident
from bidpilot.serving.incidents.incident import Action, Incident, Level, Target
from bidpilot.serving.ledger.store import MICRO

BEGIN = 20_000 * DAY
SLOT = DAY / 48
AUCTION = Opportunity((0.6, 0.2, 0.004), 0)
ALARM = Alarm(Risk.tracking_outage, "conversions", 3, 4, 0.0, 6.0, 2.0, 11.0, 9.0, 4.0, "no conversions are told")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(BEGIN)


@pytest.fixture
def opened(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Callable[[], Bidder]]:
    made: list[Bidder] = []
    rules = tmp_path / "responses.json"
    rules.write_text('{"certain": 1.5}')

    def open_again() -> Bidder:
        for one in made:
            one.close()
        made[:] = [open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path, responses=rules), clock)]
        return made[0]

    yield open_again
    for one in made:
        one.close()


@pytest.fixture
def bidder(opened: Callable[[], Bidder]) -> Bidder:
    return opened()


def go(
    bidder: Bidder, clock: ManualClock, slots: int, alarm: Alarm | None = None, target: Target | None = None
) -> None:
    """So many slots, with an alarm at the end of each."""
    for _ in range(slots):
        clock.move(clock() + SLOT)
        bidder.tick()
        if alarm is not None:
            told = replace(alarm, slot=(bidder.moment.slot - 1) % 48)
            bidder.responder.alarm("default", told, target or Target(kind="campaign"))
            bidder.responder.hold()


def bid(bidder: Bidder, segment: int = 0, source: int = 0) -> Bid | NoBid:
    answer = bidder.bid(Opportunity((0.6, 0.2, 0.004), segment, source))
    if isinstance(answer, Bid):
        bidder.take_back(answer)
    return answer


def amount(answer: Bid | NoBid) -> float:
    return answer.amount if isinstance(answer, Bid) else 0.0


def only(bidder: Bidder) -> Incident:
    (incident,) = bidder.responder.incidents.values()
    return incident


@pytest.mark.parametrize("kind", ["segment", "source"])
def test_what_is_hit_is_throttled_or_paused_and_undone_exactly(bidder: Bidder, clock: ManualClock, kind: str) -> None:
    target = Target.model_validate({"kind": kind, "index": 2})
    hit = {kind: 2}
    go(bidder, clock, 3)
    before, other = amount(bid(bidder, **hit)), amount(bid(bidder))
    day = bidder.days["default"]
    rule, decision = day.pricer.rule, day.decision
    bidder.responder.alarm("default", ALARM, target)
    bidder.responder.hold()
    assert amount(bid(bidder, **hit)) == pytest.approx(before / 2, abs=1)
    assert amount(bid(bidder)) == other
    bidder.responder.notice(ALARM.risk, "default", target, "worse", {}, Level.pause)
    bidder.responder.hold()
    assert only(bidder).level == Level.pause
    assert isinstance(bid(bidder, **hit), NoBid)
    for level in (Level.throttle, Level.none):
        bidder.responder.undo(only(bidder).id, "anna")
        assert only(bidder).level == level
    for array in ("alpha", "multiplier", "beta"):
        np.testing.assert_array_equal(getattr(day.pricer.rule, array), getattr(rule, array))
    np.testing.assert_array_equal(day.decision.action, decision.action)
    assert amount(bid(bidder, **hit)) == before


def test_a_throttled_campaigns_slot_costs_at_most_a_multiple_of_its_plan(bidder: Bidder, clock: ManualClock) -> None:
    go(bidder, clock, 20, None)
    go(bidder, clock, 1, ALARM)
    day = bidder.days["default"]
    most = 4.0 * day.pilots.policy.due(day.slot)
    spent = 0.0
    for _ in range(5000):
        answer = bidder.bid(AUCTION)
        if isinstance(answer, NoBid):
            assert answer.reason == "throttled"
            break
        price = answer.amount / MICRO
        bidder.bill(answer.ticket, price, price)
        spent += price
    assert most <= spent <= most + day.cap
    go(bidder, clock, 1, ALARM)
    assert isinstance(bid(bidder), Bid)  # the next slot has its own


def test_at_level_two_the_plan_takes_the_policys_place_until_it_is_undone(bidder: Bidder, clock: ManualClock) -> None:
    go(bidder, clock, 6)
    go(bidder, clock, 5, ALARM)
    day = bidder.days["default"]
    assert only(bidder).level == Level.pause
    assert day.decision.planned
    np.testing.assert_array_equal(day.decision.action, 0.0)
    bidder.responder.close(only(bidder).id, "anna")
    assert not day.decision.planned
    assert np.abs(day.decision.action).max() > 0
    assert day.effects.level == Level.none


def test_eight_hours_nobody_looks_and_the_campaign_is_paused_by_an_order_that_undo_takes_back(
    opened: Callable[[], Bidder], clock: ManualClock
) -> None:
    bidder = opened()
    go(bidder, clock, 18, ALARM)
    assert only(bidder).level == Level.stop
    assert bidder.served["default"].paused
    assert bid(bidder) == NoBid("paused")
    go(bidder, clock, 30)  # nothing is seen of what makes no bids: it does not clear by itself
    assert only(bidder).open
    bidder = opened()
    assert (only(bidder).level, bidder.served["default"].paused) == (Level.stop, True)
    bidder.responder.undo(only(bidder).id, "anna")
    assert not bidder.served["default"].paused
    assert isinstance(bid(bidder), Bid)
    assert only(bidder).level == Level.pause


def test_whom_an_operator_has_paused_no_undo_lets_go_on(bidder: Bidder, clock: ManualClock) -> None:
    bidder.put(bidder.served["default"].model_copy(update={"paused": True}), "anna")
    go(bidder, clock, 18, ALARM)
    assert only(bidder).level == Level.stop
    bidder.responder.close(only(bidder).id, "anna")
    assert bidder.served["default"].paused


def test_who_resumes_a_stopped_campaign_has_undone_the_stop(bidder: Bidder, clock: ManualClock) -> None:
    go(bidder, clock, 18, ALARM)
    bidder.put(bidder.served["default"].model_copy(update={"paused": False}), "anna")
    bidder.tick()
    assert only(bidder).level == Level.pause
    assert isinstance(bid(bidder), Bid)


def test_one_incident_for_a_campaign_risk_and_target(bidder: Bidder, clock: ManualClock) -> None:
    go(bidder, clock, 4, ALARM)
    go(bidder, clock, 4, ALARM, Target(kind="source", index=3))
    go(bidder, clock, 4, replace(ALARM, risk=Risk.platform_shock))
    assert len(bidder.responder.incidents) == 3
    go(bidder, clock, 1, ALARM)  # again, after eight slots
    assert len(bidder.responder.incidents) == 3
    go(bidder, clock, 40)
    assert not bidder.responder.open
    go(bidder, clock, 1, ALARM)
    assert len(bidder.responder.incidents) == 4


def test_what_is_told_once_goes_on_as_long_as_its_score_says(bidder: Bidder, clock: ManualClock) -> None:
    go(bidder, clock, 1, ALARM)
    for _ in range(16):
        go(bidder, clock, 1)
        bidder.responder.goes_on("default", {"conversions": 9.0, "requests": 7.0})
    bidder.tick()
    assert only(bidder).level == Level.stop
    bidder.responder.undo(only(bidder).id, "anna")
    go(bidder, clock, 2)
    bidder.responder.goes_on("default", {"requests": 7.0})
    go(bidder, clock, 2)
    assert not only(bidder).open
    bidder.responder.goes_on("default", {"conversions": 9.0})
    assert not only(bidder).open  # an operator took it back


def test_what_clears_under_its_response_opens_again_where_it_goes_on(bidder: Bidder, clock: ManualClock) -> None:
    """A metric of what is bid is not looked at while the campaign does not bid as it would."""
    go(bidder, clock, 1, replace(ALARM, risk=Risk.platform_shock, metric="spend"))
    go(bidder, clock, 4)
    assert not only(bidder).open
    bidder.responder.goes_on("default", {"spend": 3.9})  # near its threshold, and not beyond
    assert not only(bidder).open
    bidder.responder.goes_on("default", {"spend": 5.0})
    assert (only(bidder).open, only(bidder).level, only(bidder).reopened) == (True, Level.throttle, 1)


def test_what_was_left_out_is_heard_once_it_is_worse(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> None:
    rules = tmp_path / "responses.json"
    rules.write_text(json.dumps({"factors": {"tracking_outage/conversions": 2.5}}))
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path / "state", responses=rules), clock) as bidder:
        go(bidder, clock, 1, ALARM)
        bidder.responder.goes_on("default", {"conversions": 9.9})
        assert not bidder.responder.incidents
        bidder.responder.goes_on("default", {"conversions": 10.1})
        assert only(bidder).alarms[0]["score"] == 10.1


def test_a_restart_knows_what_holds(opened: Callable[[], Bidder], clock: ManualClock, tmp_path: Path) -> None:
    bidder = opened()
    go(bidder, clock, 7, ALARM, Target(kind="source", index=2))
    before = only(bidder)
    assert before.level == Level.pause
    path = tmp_path / "incidents" / f"{before.id}.json"
    assert read_incident(path) == before
    assert path.stat().st_mode & 0o077 == 0
    bidder = opened()
    assert only(bidder) == before
    bidder.tick()
    assert isinstance(bid(bidder, source=2), NoBid)
    assert bidder.days["default"].decision.planned
    deadline = before.deadline
    assert deadline is not None
    while clock() < deadline:
        go(bidder, clock, 1, ALARM, Target(kind="source", index=2))
    assert only(bidder).level == Level.stop


def test_a_file_that_is_damaged_is_said_and_left(
    opened: Callable[[], Bidder], clock: ManualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go(opened(), clock, 1, ALARM)
    (path,) = (tmp_path / "incidents").glob("*.json")
    path.write_text(path.read_text()[:100])
    assert not opened().responder.incidents
    assert "is no incident" in caplog.text
    with pytest.raises(InvalidIncident):
        read_incident(path)


def test_a_day_that_begins_holds_what_the_day_before_held(bidder: Bidder, clock: ManualClock) -> None:
    go(bidder, clock, 47)
    go(bidder, clock, 1, ALARM, Target(kind="segment", index=2))
    assert bidder.moment.slot == 0
    day = bidder.days["default"]
    assert day.effects.segments == ((2, 0.5),)
    assert (only(bidder).day.isoformat(), only(bidder).slot) == (day.moment.date_before(1), 47)


def test_the_file_has_the_slots_around_and_no_request(bidder: Bidder, clock: ManualClock) -> None:
    for _ in range(12):
        bid(bidder)
        go(bidder, clock, 1)
    go(bidder, clock, 2, ALARM)
    go(bidder, clock, 1)
    incident = only(bidder)
    assert [row["slot"] for row in incident.slots] == list(range(15))
    assert {row["requests"] for row in incident.slots} == {0, 1}
    assert set(incident.slots[0]) == {
        "date", "slot", "requests", "refused", "expected_requests", "wins", "spend", "budget", "planned_spend",
        "predicted_exposure", "predicted_interaction", "predicted_conversion", "realised_exposure",
        "realised_interaction", "realised_conversion",
    }  # fmt: skip


def test_alarms_that_reviews_have_taught_to_leave_out_open_nothing(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock
) -> None:
    rules = tmp_path / "responses.json"
    rules.write_text(json.dumps({"factors": {"tracking_outage/conversions": 2.5}}))
    config = ServeConfig(bundle=bundle_folder, state=tmp_path / "state", responses=rules)
    with open_bidder(config, clock) as bidder:
        assert bidder.responder.alarm("default", ALARM) is None
        assert bidder.responder.alarm("default", replace(ALARM, score=11.0)) is not None
        assert bidder.responder.unheard == 1


def test_who_only_watches_does_nothing(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> None:
    rules = tmp_path / "responses.yaml"
    rules.write_text("acts: false\n")
    config = ServeConfig(bundle=bundle_folder, state=tmp_path / "state", responses=rules)
    with open_bidder(config, clock) as bidder:
        go(bidder, clock, 40, ALARM)
        assert (only(bidder).level, only(bidder).open) == (Level.none, True)
        assert isinstance(bid(bidder), Bid)


@pytest.mark.parametrize("text", ["[]", "{", '{"nothing": 1}', '{"throttle_hours": 0}', '{"factors": {"a/b": 0.5}}'])
def test_a_policy_that_cannot_be_read_says_so(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock, text: str
) -> None:
    rules = tmp_path / "responses.json"
    rules.write_text(text)
    with pytest.raises(InvalidIncident):
        open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path / "state", responses=rules), clock)


def test_there_is_no_incident_of_another_name(bidder: Bidder) -> None:
    with pytest.raises(UnknownIncident):
        bidder.responder.acknowledge("none", "anna")


# --- events of the server ------------------------------------------------------------------------


def test_one_event_is_no_incident_and_many_of_a_kind_are_one(bidder: Bidder, clock: ManualClock) -> None:
    log = bidder.campaign_events("default")
    assert log is not None
    for _ in range(2):
        log.record(Cause.policy_failed, "ValueError")
        go(bidder, clock, 1)
    assert not bidder.responder.incidents
    log.record(Cause.policy_slow, "0.1 s")
    for _ in range(3):
        bidder.tick()
        clock.move(clock() + 60)
    incident = only(bidder)
    assert (incident.risk, incident.level) == (Risk.policy_failure, Level.throttle)
    assert incident.alarms[0]["events"] == 3
    go(bidder, clock, 12)
    assert not only(bidder).open


def test_bills_above_the_bid_are_the_bidders_incident_and_hold_for_all_campaigns(
    bidder: Bidder, clock: ManualClock
) -> None:
    for _ in range(25):
        bidder.events.record(Cause.overpriced, "billed 2 for a bid of 1")
    clock.move(clock() + 60)
    bidder.tick()
    incident = only(bidder)
    assert (incident.campaign, incident.target.kind, incident.risk) == ("", "bidder", Risk.budget_overrun)
    assert bidder.days["default"].effects.share == 4.0


def test_wins_that_are_not_billed_are_an_incident_and_past_the_limit_a_stop_that_lifts_itself(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock
) -> None:
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), clock) as bidder:
        tickets = []
        for _ in range(40):
            answer = bidder.bid(Opportunity((0.6, 0.2, 0.0004), 0))
            assert isinstance(answer, Bid)
            bidder.win(answer.ticket, 0.01, 0.01)
            tickets.append(answer.ticket)
        for _ in range(3):
            go(bidder, clock, 1)
            clock.move(clock() + 60)
            bidder.tick()
        incident = only(bidder)
        assert (incident.risk, incident.level) == (Risk.exchange_not_billing, Level.stop)
        assert bid(bidder) == NoBid("unbilled")
        assert not bidder.served["default"].paused  # the reconciliation stops it
        for ticket in tickets:
            bidder.bill(ticket, 0.0001)
        go(bidder, clock, 6)
        assert not only(bidder).open
        assert isinstance(bid(bidder), Bid)


def test_what_holds_for_all_campaigns_reaches_each_within_some_ticks(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock
) -> None:
    names = [f"c{k:02d}" for k in range(20)]
    campaigns = tmp_path / "campaigns.json"
    campaigns.write_text(json.dumps([{"name": name} for name in names]))
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path / "state", campaigns=campaigns), clock) as bidder:
        bidder.tick()
        days = [bidder.days[name] for name in names]
        rules = [day.pricer for day in days]
        bidder.tick()
        assert [day.pricer for day in days] == rules  # where nothing holds, nothing is made anew
        bidder.responder.notice(Risk.store_failure, "", Target(kind="bidder"), "the ledger fails", {}, Level.pause)
        for _ in range(3):
            bidder.tick()
        assert all(day.effects.planned for day in days)
        made = bidder.put(bidder.served["c00"].model_copy(update={"name": "late"}))
        bidder.tick()
        assert made
        assert bidder.days["late"].effects.planned


def test_every_step_is_an_event(bidder: Bidder, clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    go(bidder, clock, 6, ALARM)
    go(bidder, clock, 4)
    incident = only(bidder)
    assert bidder.events.counts[Cause.incident] == len(incident.steps)
    assert all(f"{incident.id}: {step.action}" in caplog.text for step in incident.steps)
    assert incident.steps[-1].action is Action.cleared

"""The state machine of responses: what deadlines, alarms and operators may bring, in any order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidIncident
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.incidents.incident import Action, Incident, Level, Role, Target
from bidpilot.serving.incidents.machine import Machine, Noticed
from bidpilot.serving.incidents.policy import DEFAULTS, HOUR, Response, ResponsePolicy

SLOT = 1800.0
CLEAR = 3.1 * SLOT  # without its alarm
NOW = 1_700_000_000.0
CAMPAIGN = Target(kind="campaign")
MACHINE = Machine(ResponsePolicy(certain=1.5), SLOT)  # so that alarms may stop
ROLES = (Role.watcher, Role.lead, Role.director)


def noticed(risk: Risk = Risk.tracking_outage, score: float = 9.0, least: Level = Level.none) -> Noticed:
    evidence = {"score": score, "threshold": 4.0}
    return Noticed(risk, "a", CAMPAIGN, 3, "no conversions are told", evidence, least)


def opened(risk: Risk = Risk.tracking_outage, machine: Machine = MACHINE, score: float = 9.0) -> Incident:
    return machine.open(noticed(risk, score), NOW, "i", date(2023, 11, 14))


def going_on(incident: Incident, hours: float, machine: Machine = MACHINE, score: float = 9.0) -> Incident:
    """The alarm goes on for hours, slot by slot, and nobody acknowledges."""
    begun = max(incident.seen, incident.steps[-1].at)
    for k in range(1, round(hours * HOUR / SLOT) + 1):
        now = begun + k * SLOT
        incident = machine.tend(machine.hear(incident, noticed(incident.risk, score), now), now)
    return incident


def test_an_outage_throttles_for_two_hours_pauses_for_six_and_then_stops() -> None:
    incident = opened()
    assert (incident.level, incident.role, incident.deadline) == (Level.throttle, Role.watcher, NOW + 2 * HOUR)
    incident = going_on(incident, 2)
    assert (incident.level, incident.role, incident.deadline) == (Level.pause, Role.lead, NOW + 8 * HOUR)
    incident = going_on(incident, 6)
    assert (incident.level, incident.role, incident.deadline) == (Level.stop, Role.director, NOW + 20 * HOUR)
    incident = going_on(incident, 12)
    assert (incident.level, incident.role, incident.deadline) == (Level.stop, Role.director, None)
    assert [s.action for s in incident.steps if s.level > Level.none][:6] == [
        Action.throttled, Action.escalated, Action.paused, Action.fell_back, Action.escalated, Action.stopped,
    ]  # fmt: skip


@pytest.mark.parametrize("risk", Risk)
def test_an_alarm_that_is_barely_one_never_stops_a_campaign(risk: Risk) -> None:
    """What an honest day may bring is just beyond its threshold, however long it lasts."""
    incident = going_on(opened(risk, score=5.0), 72, score=5.0)
    assert incident.level < Level.stop
    assert all(step.level < Level.stop for step in incident.steps)


@pytest.mark.parametrize("risk", Risk)
def test_no_band_stops_a_campaign_however_far_it_was_left(risk: Risk) -> None:
    built_in = Machine(ResponsePolicy(), SLOT)
    assert going_on(opened(risk, built_in, 1e9), 72, built_in, 1e9).level < Level.stop


def test_what_is_no_bands_alarm_stops_after_its_deadlines() -> None:
    """Bills above the bids are the server's own to see."""
    built_in = Machine(ResponsePolicy(), SLOT)
    bills = Noticed(Risk.budget_overrun, "", Target(kind="bidder"), 3, "bills are above what was bid", {"events": 20})
    incident = built_in.open(bills, NOW, "i", date(2023, 11, 14))
    for k in range(1, 17):
        incident = built_in.tend(built_in.hear(incident, bills, NOW + k * SLOT), NOW + k * SLOT)
    assert incident.level == Level.stop


@pytest.mark.parametrize("risk", [r for r in Risk if DEFAULTS[r].last < Level.stop])
def test_risks_of_honest_days_never_stop_however_certain(risk: Risk) -> None:
    assert going_on(opened(risk), 72).level == DEFAULTS[risk].last


@pytest.mark.parametrize("risk", [Risk.regime_change, Risk.miscalibration])
def test_what_asks_for_another_forecast_is_told_and_nothing_else(risk: Risk) -> None:
    incident = going_on(opened(risk), 48)
    assert [s.action for s in incident.steps] == [Action.opened]
    assert (incident.level, incident.deadline) == (Level.none, None)


def test_who_acknowledges_keeps_the_level_until_the_alarm_is_away() -> None:
    incident = MACHINE.acknowledge(opened(), NOW + 60, "anna", "looking at it")
    incident = going_on(incident, 24)
    assert (incident.level, incident.acknowledged, incident.role) == (Level.throttle, True, Role.watcher)
    incident = MACHINE.tend(incident, incident.seen + CLEAR)
    assert (incident.open, incident.level) == (False, Level.none)
    assert incident.steps[-1].action is Action.cleared


def test_a_worse_notice_takes_an_acknowledgement_back() -> None:
    """Wins without bills pass the limit at which the campaign stops."""
    incident = MACHINE.open(noticed(Risk.exchange_not_billing), NOW, "i", date(2023, 11, 14))
    incident = MACHINE.acknowledge(incident, NOW + 60, "anna")
    worse = noticed(Risk.exchange_not_billing, least=Level.stop)
    incident = MACHINE.hear(incident, worse, NOW + 120)
    assert (incident.level, incident.acknowledged, incident.deadline) == (Level.stop, False, NOW + 120 + 12 * HOUR)
    assert not MACHINE.tend(incident, NOW + 120 + CLEAR).open  # the bills have come


def test_an_alarm_that_is_away_for_one_slot_does_not_clear_and_a_deadline_waits_for_it() -> None:
    incident = opened()
    assert MACHINE.tend(incident, NOW + 2.9 * SLOT) == incident
    slow = Machine(ResponsePolicy(clear_slots=8), SLOT)
    away = slow.tend(opened(machine=slow), NOW + 2 * HOUR)
    assert away.level == Level.throttle
    back = slow.tend(slow.hear(away, noticed(), NOW + 2.5 * HOUR), NOW + 2.5 * HOUR)
    assert back.level == Level.pause


def test_a_flapping_alarm_reopens_its_incident_at_its_level_and_clears_more_slowly() -> None:
    incident, now = going_on(opened(), 2), NOW + 2 * HOUR
    for k in range(1, 5):
        now += MACHINE.clears_after(incident)
        incident = MACHINE.tend(incident, now)
        assert not incident.open
        assert MACHINE.reopens(incident, now + SLOT)
        now += SLOT
        incident = MACHINE.hear(incident, noticed(), now)
        assert (incident.open, incident.level, incident.reopened) == (True, Level.pause, k)
        assert MACHINE.clears_after(incident) == (3 * 2 ** min(k, 3) + 0.1) * SLOT
        assert incident.deadline == now + 6 * HOUR
    assert not MACHINE.reopens(incident, now)  # it is open


def test_an_incident_long_over_is_not_reopened() -> None:
    incident = MACHINE.tend(opened(), NOW + CLEAR)
    assert MACHINE.reopens(incident, NOW + CLEAR + 16 * SLOT)
    assert not MACHINE.reopens(incident, NOW + CLEAR + 16.1 * SLOT)


def test_undo_takes_back_one_level_after_the_other_and_the_alarm_does_not_bring_them_again() -> None:
    incident = going_on(opened(), 2)
    incident = MACHINE.undo(incident, NOW + 2 * HOUR, "anna", "a false alarm")
    assert (incident.level, incident.deadline, incident.acknowledged) == (Level.throttle, None, True)
    incident = MACHINE.undo(incident, NOW + 2 * HOUR, "anna")
    assert incident.level == Level.none
    with pytest.raises(InvalidIncident, match="no response that could be undone"):
        MACHINE.undo(incident, NOW + 2 * HOUR, "anna")
    assert going_on(incident, 24).level == Level.none


def test_closed_by_an_operator_it_stays_quiet_where_the_alarm_goes_on() -> None:
    incident = MACHINE.close(going_on(opened(), 2), NOW + 2 * HOUR, "anna", "the tracker is back")
    assert (incident.open, incident.level) == (False, Level.none)
    assert incident.review_due == datetime.fromtimestamp(NOW + 2 * HOUR, UTC).date() + timedelta(days=60)
    again = MACHINE.hear(incident, noticed(), NOW + 2 * HOUR + SLOT)
    assert (again.open, again.level) == (True, Level.none)


def test_an_extension_counts_from_the_deadline() -> None:
    incident = MACHINE.extend(opened(), NOW + 60, "anna", 3.0)
    assert incident.deadline == NOW + 5 * HOUR
    for hours in (0.0, -1.0, 169.0, float("nan")):
        with pytest.raises(InvalidIncident, match="extension"):
            MACHINE.extend(incident, NOW, "anna", hours)


@pytest.mark.parametrize("act", ["acknowledge", "undo", "close"])
def test_what_is_over_cannot_be_acted_on(act: str) -> None:
    over = MACHINE.tend(opened(), NOW + CLEAR)
    with pytest.raises(InvalidIncident, match="is over"):
        getattr(MACHINE, act)(over, NOW, "anna")


# --- in any order ----------------------------------------------------------------------------------

events = st.lists(
    st.tuples(
        st.sampled_from(["hear", "worse", "tend", "acknowledge", "undo", "extend", "close"]),
        st.sampled_from([0.0, 1.0, 600.0, SLOT, 3 * SLOT, 2 * HOUR, 7 * HOUR]),
    ),
    max_size=40,
)


@pytest.mark.parametrize(
    ("kind", "level"), [("campaign", Level.none), ("segment", Level.throttle), ("source", Level.throttle)]
)
def test_invalid_traffic_that_the_gate_refuses_already_is_told_alone(kind: str, level: Level) -> None:
    target = Target.model_validate({"kind": kind, "index": None if kind == "campaign" else 2})
    bots = Noticed(Risk.invalid_traffic, "a", target, 3, "the gate refuses a third", {"score": 9.0, "threshold": 4.0})
    assert MACHINE.open(bots, NOW, "i", date(2023, 11, 14)).level == level


def play(risk: Risk, told: list[tuple[str, float]], machine: Machine = MACHINE) -> list[tuple[str, float, Incident]]:
    incident, now = opened(risk, machine), NOW
    seen = [("open", now, incident)]
    for what, passed in told:
        now += passed
        try:
            match what:
                case "hear":
                    incident = machine.hear(incident, noticed(risk), now)
                case "worse":
                    incident = machine.hear(incident, noticed(risk, least=Level.pause), now)
                case "tend":
                    incident = machine.tend(incident, now)
                case "extend":
                    incident = machine.extend(incident, now, "anna", 1.0)
                case _:
                    incident = getattr(machine, what)(incident, now, "anna")
        except InvalidIncident:
            pass
        seen.append((what, now, incident))
    return seen


@settings(deadline=None)
@given(risk=st.sampled_from(Risk), told=events)
def test_whatever_comes_the_machine_keeps_its_word(risk: Risk, told: list[tuple[str, float]]) -> None:
    most = max(DEFAULTS[risk].last, DEFAULTS[risk].first, Level.pause)
    for (_, _, before), (what, now, after) in pairwise(play(risk, told)):
        assert after.steps[: len(before.steps)] == before.steps  # nothing that was told is taken back
        assert all(step.at == now for step in after.steps[len(before.steps) :])
        assert after.level <= most
        assert after.open == (after.ended is None) == (after.review_due is None)
        assert after.open or (after.level is Level.none and after.deadline is None)
        if what == "tend":  # time alone: one level and one role at once, and never before the deadline
            assert after.level <= before.level + 1
            assert ROLES.index(after.role) <= ROLES.index(before.role) + 1
            if after.level > before.level:
                assert before.deadline is not None
                assert now >= before.deadline
                assert not before.acknowledged
        else:
            assert after.role == before.role
        if what in ("acknowledge", "undo", "extend", "close", "tend") or before.undone:
            assert after.open <= before.open or what not in ("acknowledge", "undo", "extend", "close", "tend")
        if before.undone:
            assert after.level <= before.level  # what an operator took back no alarm brings again
        if after.acknowledged:
            assert after.deadline is None
        assert Incident.model_validate_json(after.model_dump_json()) == after


@settings(deadline=None)
@given(told=events)
def test_steps_tell_the_level_that_holds(told: list[tuple[str, float]]) -> None:
    """Who reads the steps in order knows the level at each time."""
    for _, _, incident in play(Risk.tracking_outage, told):
        assert incident.steps[-1].level == incident.level
        raised = [s for s in incident.steps if s.action in (Action.throttled, Action.paused, Action.stopped)]
        assert all(s.undo is not None and s.undo["level"] < s.level for s in raised)


def test_the_table_can_be_changed_by_risk() -> None:
    risks = {Risk.platform_shock: Response(first=Level.none, last=Level.none)}
    policy = ResponsePolicy(risks=risks, pause_hours=1, certain=1.5)
    machine = Machine(policy, SLOT)
    assert going_on(opened(Risk.platform_shock, machine), 24, machine).level == Level.none
    incident = going_on(opened(machine=machine), 3, machine)
    assert incident.level == Level.stop

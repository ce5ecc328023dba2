"""Slots and days of many campaigns: all change over at once, each decides in its turn, one that fails stops alone."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.bidding.traffic.detector import Detector
from bidpilot.bidding.traffic.filter import TrafficFilter
from bidpilot.bidding.traffic.memory import SourceMemory
from bidpilot.envs.markets.defaults import preset_campaign
from bidpilot.serving import build
from bidpilot.serving.auction import Bid, NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import Cause, GuardrailConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.ledger.wallet import Wallet
from bidpilot.serving.pilot import Pilot
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.tomorrow import AHEAD
from tests.serving.test_bidder import made
from tests.serving.traffic import Open, Told

START, SLOT = 20_000 * DAY, DAY / 48
VALUE = (0.6, 0.2, 0.004)
NAMES = ("default", "second", "third")

Opened = Callable[..., Bidder]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def opened(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Opened]:
    """Opens a bidder of three campaigns."""
    bidders: list[Bidder] = []

    def made_(state: str = "s", other: ManualClock | None = None, **given: Any) -> Bidder:
        guard = GuardrailConfig(patience=30.0)  # a busy machine is no slow policy
        config = ServeConfig(bundle=bundle_folder, state=tmp_path / state, guardrails=guard, **given)
        bidder = open_bidder(config, other or clock)
        bidders.append(bidder)
        for name in NAMES[1:]:
            bidder.put(ServedCampaign(name=name, campaign=preset_campaign()))
        return bidder

    yield made_
    for bidder in bidders:
        bidder.close()


def only(bidder: Bidder, name: str) -> Bid | NoBid:
    """What a campaign answers where the others are paused."""
    for other, served in bidder.served.items():
        if served.paused != (other != name):
            bidder.put(served.model_copy(update={"paused": other != name}))
    answer = bidder.bid(Opportunity(VALUE, 0))
    return answer if isinstance(answer, Bid) else NoBid(why_not(bidder, name))


def why_not(bidder: Bidder, name: str) -> str:
    """Why a campaign makes no bid."""
    return bidder.days[name].offer(VALUE, 0, 0, False, 0, bidder.desk.clock())[1]


def play(step: Callable[[], bool]) -> int:
    """Make all steps that are due; how many."""
    count = 0
    while step():
        count += 1
    return count


def wait_for(step: Callable[[], bool], clock: ManualClock, until: Callable[[], bool]) -> None:
    """Let the bidder's thread of plans work, and time pass."""
    for _ in range(5000):
        play(step)
        if until():
            return
        clock.move(clock() + 0.02)
        time.sleep(0.001)
    raise AssertionError("it does not end")


# --- slots ---------------------------------------------------------------------------------------


def test_at_a_boundary_all_count_in_the_new_slot_and_hold_their_rules_until_each_has_decided(
    opened: Opened, clock: ManualClock
) -> None:
    bidder = opened()
    step = bidder.pace()
    made(bidder.bid(Opportunity(VALUE, 0)))
    before = {name: day.alpha for name, day in bidder.days.items()}
    clock.move(START + SLOT)
    made(bidder.bid(Opportunity(VALUE, 0)))  # late by no more than this
    assert {day.slot for day in bidder.days.values()} == {1}
    assert {day.collector.auctions for day in bidder.days.values()} == {1}
    assert {name: day.alpha for name, day in bidder.days.items()} == before
    assert {day.decision.slot for day in bidder.days.values()} == {0}
    decided = []
    while step():
        decided.append([day.decision.slot for day in bidder.days.values()])
        made(bidder.bid(Opportunity(VALUE, 0)))
    assert [1, 0, 0] in decided  # one after the other
    assert decided[-1] == [1, 1, 1]
    assert all(bidder.days[name].alpha != before[name] for name in NAMES)
    stored = bidder.days["default"].desk.state.slots(bidder.days["default"].account, like(bidder))
    assert stored[0].auctions[0] == 1
    assert bidder.days["default"].collector.auctions == 1 + len(decided)


def like(bidder: Bidder) -> Any:
    return bidder.days["default"].collector.totals()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_paced_or_not_the_same_facts_make_the_same_decisions(
    data: st.DataObject, bundle_folder: Path, tmp_path_factory: Any
) -> None:
    """Bids, bills and losses in any order, bills also between a boundary and the decision."""
    plan = data.draw(st.lists(st.tuples(st.sampled_from(["bid", "bill", "lose"]), st.integers(0, 3)), max_size=12))
    late = data.draw(st.booleans())
    seen = []
    for paced in (False, True):
        clock = ManualClock(START)
        guard = GuardrailConfig(patience=30.0)
        folder = tmp_path_factory.mktemp("s")
        config = ServeConfig(bundle=bundle_folder, state=folder, guardrails=guard, bid_expiry=4 * SLOT)
        with open_bidder(config, clock) as bidder:
            step = bidder.pace() if paced else lambda: False
            open_: list[Bid] = []
            for slot in range(1, 4):
                for what, which in plan:
                    if what == "bid":
                        open_.append(made(bidder.bid(Opportunity(VALUE, 0, which))))
                    elif open_ and what == "bill":
                        bidder.bill(open_.pop(which % len(open_)).ticket, 0.01, 0.01)
                    elif open_:
                        bidder.loss(open_.pop(which % len(open_)).ticket, 0.02)
                clock.move(START + slot * SLOT)
                bidder.tick()
                if late and open_:
                    bidder.bill(open_.pop().ticket, 0.005, 0.005)
                play(step)
                clock.move(clock() + 1.0)
                bidder.tick()
                seen.append((paced, slot, bidder.days["default"].decision))
            assert bidder.days["default"]._pilot.spend == pytest.approx(
                state(bidder).settled / MICRO - bidder.days["default"].collector.spend
            )
    for (_, slot, a), (_, _, b) in zip(seen[:3], seen[3:], strict=True):
        if not late:
            np.testing.assert_array_equal(a.observation, b.observation, f"slot {slot}")
            np.testing.assert_array_equal(a.rule.alpha, b.rule.alpha)


def state(bidder: Bidder, name: str = "default") -> Any:
    found = bidder.desk.keeper.store.state(bidder.days[name].account)
    assert found is not None
    return found


def test_what_is_left_of_a_slots_work_is_done_before_the_next_begins(opened: Opened, clock: ManualClock) -> None:
    bidder = opened()
    step = bidder.pace()
    for slot in range(1, 6):  # nobody makes steps
        made(bidder.bid(Opportunity(VALUE, 0)))
        clock.move(START + slot * SLOT)
        bidder.tick()
    assert {day.decision.slot for day in bidder.days.values()} == {4}
    assert {day._pilot.slot for day in bidder.days.values()} == {4}
    play(step)
    assert {day.decision.slot for day in bidder.days.values()} == {5}
    assert [int(t.auctions[0]) for t in stored(bidder).values()] == [1] * 5


def stored(bidder: Bidder) -> dict[int, Any]:
    day = bidder.days["default"]
    return bidder.desk.state.slots(day.account, like(bidder))


def test_no_step_keeps_bids_waiting(opened: Opened, clock: ManualClock) -> None:
    """30 campaigns over boundaries and midnight: the event loop's own time at a stretch, whatever else is running."""
    bidder = opened()
    for k in range(27):
        bidder.put(ServedCampaign(name=f"more{k}", campaign=preset_campaign()))
    step = bidder.pace()
    gc.collect()
    gc.freeze()  # what other tests have left is not for this one to go through
    longest = {}
    moments = {"first": START + SLOT, "slot": START + 2 * SLOT, "ahead": START + DAY - 60.0, "midnight": START + DAY}
    for name, to in moments.items():
        clock.move(to)
        spent = [cpu(bidder.tick)]
        for _ in range(20_000):
            spent.append(cpu(step))
            if len(bidder._days._own.tomorrow._ready) == 30 or (name != "ahead" and not bidder._days.agenda):
                break
            clock.move(clock() + 0.005)
            time.sleep(0.0005)
        longest[name] = max(spent[1:] if name == "ahead" else spent)  # the first of it is 45 slots at once
    assert len(bidder.days) == 30
    assert max(longest.values()) < 0.05, longest


def cpu(call: Callable[[], Any]) -> float:
    """Seconds of this thread that a call takes."""
    begun = time.thread_time()
    call()
    return time.thread_time() - begun


# --- midnight ------------------------------------------------------------------------------------


def to_the_evening(bidder: Bidder, clock: ManualClock) -> Callable[[], bool]:
    """The last slot is under way, and days to come are prepared."""
    step = bidder.pace()
    clock.move(START + DAY - AHEAD - 60.0)
    bidder.tick()
    play(step)
    assert not bidder._days._own.tomorrow._ready
    clock.move(START + DAY - AHEAD)
    bidder.tick()
    wait_for(step, clock, lambda: len(bidder._days._own.tomorrow._ready) == len(bidder.days))
    return step


def test_a_day_that_was_prepared_begins_at_midnight_with_money_and_a_rule(opened: Opened, clock: ManualClock) -> None:
    bidder = opened()
    step = to_the_evening(bidder, clock)
    assert all(day.moment.slot == 47 for day in bidder.days.values())
    clock.move(START + DAY)
    answer = made(bidder.bid(Opportunity(VALUE, 0)))  # the first request of the day, before any step is made
    assert {day.account.partition("@")[2] for day in bidder.days.values()} == {bidder.moment.date}
    assert answer.ticket.account.endswith(bidder.moment.date)
    play(step)
    clock.move(clock() + 1.0)
    bidder.tick()
    play(step)
    assert not bidder._days.agenda
    bidder.bill(answer.ticket, 0.001)
    assert state(bidder, answer.campaign.name).settled == 1000
    assert set(bidder.event_counts()) <= {Cause.order}


class Learns:
    """A book whose filters refuse source 2 once a day has been learnt from."""

    def __init__(self, sources: int) -> None:
        self._sources, self.days = sources, 0

    def filter(self) -> TrafficFilter:
        return Told(self._sources) if self.days else Open(self._sources)

    def learn(self, day: Sequence[TrafficFilter]) -> None:
        self.days += 1


def test_a_prepared_day_is_the_one_that_would_be_begun_at_midnight(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what the day before has told of sources by its end is in it, once its steps are made."""
    found = []
    for ahead in (True, False):
        clock = ManualClock(START)
        monkeypatch.setattr(build, "SourceBook", lambda bundle, sources, *_: Learns(sources))
        bidder = opened(str(ahead), clock)
        if ahead:
            step = to_the_evening(bidder, clock)
        else:
            step = bidder.pace()
            clock.move(START + DAY - AHEAD - 60.0)
            bidder.tick()
            play(step)
        first = bidder._days._own.tomorrow._ready["default"][1] if ahead else None
        clock.move(START + DAY)
        answer = bidder.bid(Opportunity(VALUE, 0, 2))
        assert isinstance(answer, Bid) == ahead
        wait_for(step, clock, lambda bidder=bidder: not bidder._days.agenda)  # type: ignore[misc]
        day = bidder.days["default"]
        assert day.moment.slot == 0
        assert first in (None, day)
        assert bidder.bid(Opportunity(VALUE, 0, 2)) == NoBid("refused_source")
        if ahead:
            assert day.explain_source(2)["requests"] == 2  # what was counted before is not forgotten
        found.append(day)
    a, b = found
    np.testing.assert_array_equal(a.decision.observation, b.decision.observation)
    assert a.decision.rule.gate is not None
    assert b.decision.rule.gate is not None
    np.testing.assert_array_equal(a.decision.rule.gate.multiplier, b.decision.rule.gate.multiplier)
    assert a.alpha == b.alpha


def test_a_campaign_that_changes_before_midnight_is_planned_anew(opened: Opened, clock: ManualClock) -> None:
    """Its account, which was opened with the budget of before, has the new one; one that was paused alone is taken."""
    bidder = opened()
    step = to_the_evening(bidder, clock)
    ready = {name: day for name, (_, day) in bidder._days._own.tomorrow._ready.items()}
    richer = preset_campaign().model_copy(update={"budget": 90.0})
    bidder.put(ServedCampaign(name="second", campaign=richer))
    bidder.put(ServedCampaign(name="third", campaign=preset_campaign(), paused=True))
    clock.move(START + DAY)
    bidder.tick()
    assert bidder.days["third"] is ready["third"]
    assert why_not(bidder, "third") == "paused"
    wait_for(step, clock, lambda: not bidder._days.agenda)
    second = bidder.days["second"]
    assert second is not ready["second"]
    assert (state(bidder, "second").budget, state(bidder).budget) == (90 * MICRO, 40 * MICRO)
    assert state(bidder, "second").held == second.wallet.free  # what was leased ahead is not held twice
    assert second.alpha[2] > 1.2 * bidder.days["default"].alpha[2]


def test_days_that_were_not_prepared_begin_one_after_the_other_and_bid_then(opened: Opened, clock: ManualClock) -> None:
    bidder = opened(traffic_filter=False)
    step = bidder.pace()
    clock.move(START + DAY)
    assert bidder.bid(Opportunity(VALUE, 0)) == NoBid("day_begins")
    begun = []
    for _ in range(1000):
        clock.move(clock() + 0.01)
        if not step():
            bidder.tick()
        begun.append(sum(day.moment.day == bidder.moment.day for day in bidder.days.values()))
        if begun[-1]:
            made(bidder.bid(Opportunity(VALUE, 0)))
    assert set(begun) == {0, 1, 2, 3}


def test_a_bill_of_yesterday_goes_to_yesterdays_account_also_while_days_begin(
    opened: Opened, clock: ManualClock
) -> None:
    bidder = opened()
    step = to_the_evening(bidder, clock)
    answers = [made(bidder.bid(Opportunity(VALUE, 0))) for _ in range(3)]
    clock.move(START + DAY)
    for answer in answers:
        bidder.bill(answer.ticket, 0.001)
        bidder.tick()
        if step():
            clock.move(clock() + 0.3)
    wait_for(step, clock, lambda: not bidder._days.agenda)
    store = bidder.desk.keeper.store
    account = answers[0].ticket.account
    found = store.state(account)
    assert found is not None
    assert (found.settled, state(bidder, answers[0].campaign.name).settled) == (3000, 0)
    clock.move(clock() + 200.0)
    bidder.tick()
    found = store.state(account)
    assert found is not None
    assert found.held in (0, found.budget - found.settled)  # nothing of it is taken any more


def test_closing_gives_back_what_days_to_come_had_taken(opened: Opened, clock: ManualClock) -> None:
    bidder = opened()
    to_the_evening(bidder, clock)
    accounts = [day.account for _, day in bidder._days._own.tomorrow._ready.values()]
    store = bidder.desk.keeper.store
    assert all(store.state(account).held > 0 for account in accounts)  # type: ignore[union-attr]
    bidder._days.close()
    assert all(store.state(account).held == 0 for account in accounts)  # type: ignore[union-attr]


# --- what fails ----------------------------------------------------------------------------------


def break_(monkeypatch: pytest.MonkeyPatch, kind: type, method: str, bad: Callable[[Any], bool]) -> None:
    """Let a method raise for some of its objects, once it is asked of."""
    real = getattr(kind, method)

    def broken(self: Any, *arguments: Any, **named: Any) -> Any:
        if bad(self):
            raise ZeroDivisionError(f"{method} fails")
        return real(self, *arguments, **named)

    monkeypatch.setattr(kind, method, broken)


def of(bidder: Bidder, name: str) -> Callable[[Any], bool]:
    """Whether an object belongs to a campaign's running day."""
    return lambda one: one in (bidder.days[name], bidder.days[name]._pilot, bidder.days[name].wallet)


@pytest.mark.parametrize("paced", [False, True])
@pytest.mark.parametrize(
    ("kind", "method"),
    [(Pilot, "close_slot"), (CampaignDay, "switch"), (CampaignDay, "_next"), (Wallet, "tend")],
)
def test_a_campaign_that_fails_at_a_boundary_stops_alone_and_goes_on_at_the_next(
    kind: type, method: str, paced: bool, opened: Opened, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bidder = opened()
    step = bidder.pace() if paced else lambda: False
    billed = made(only(bidder, "second"))
    bidder.bill(billed.ticket, 0.01)
    with monkeypatch.context() as patch:
        break_(patch, kind, method, of(bidder, "second"))
        for seconds in (0.0, 1.0):
            clock.move(START + SLOT + seconds)
            bidder.tick()
            play(step)
        assert only(bidder, "second") == NoBid("campaign_failed")
        for name in ("default", "third"):
            assert made(only(bidder, name)).campaign.name == name
            assert bidder.days[name].decision.slot == 1
        events = bidder._days.events["second"].counts
        assert events[Cause.campaign_failed] == 1
    clock.move(START + 2 * SLOT)
    bidder.tick()
    play(step)
    made(only(bidder, "second"))
    day = bidder.days["second"]
    assert (day.slot, day.decision.slot, events[Cause.campaign_failed]) == (2, 2, 1)
    assert day._pilot.spend == pytest.approx(0.01)  # what it had spent is known
    assert day.wallet.free + day.wallet.promised + state(bidder, "second").settled <= 40 * MICRO
    assert state(bidder, "second").held >= day.wallet.free + day.wallet.promised


def test_a_bid_that_was_made_before_its_campaign_failed_is_billed_after(
    opened: Opened, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bidder = opened()
    clock.move(START + SLOT - 5.0)
    answer = made(only(bidder, "second"))
    with monkeypatch.context() as patch:
        break_(patch, Pilot, "close_slot", of(bidder, "second"))
        clock.move(START + SLOT)
        bidder.tick()
        assert only(bidder, "second") == NoBid("campaign_failed")
    bidder.bill(answer.ticket, 0.01)
    assert state(bidder, "second").settled == 10_000
    assert bidder.days["second"].wallet.promised == 0


def test_one_that_fails_again_is_told_of_once(
    opened: Opened, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bidder = opened()
    with monkeypatch.context() as patch:
        patch.setattr(Pilot, "begin", lambda self: 1 / 0)
        break_(patch, Pilot, "close_slot", of(bidder, "second"))
        for slot in (1, 2, 3):
            clock.move(START + slot * SLOT)
            bidder.tick()
            assert only(bidder, "second") == NoBid("campaign_failed")
            made(only(bidder, "third"))
    assert bidder._days.events["second"].counts[Cause.campaign_failed] == 1
    clock.move(START + 4 * SLOT)
    bidder.tick()
    made(only(bidder, "second"))


@pytest.mark.parametrize("paced", [False, True])
@pytest.mark.parametrize("method", ["begin", "prepare"])
def test_a_campaign_whose_day_cannot_begin_stops_alone_and_begins_at_the_next_slot(
    method: str, paced: bool, opened: Opened, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bidder = opened()
    richer = preset_campaign().model_copy(update={"budget": 50.0})
    bidder.put(ServedCampaign(name="second", campaign=richer))
    with monkeypatch.context() as patch:
        break_(patch, Pilot, method, lambda pilot: pilot.campaign.budget == 50.0)
        if paced:
            step = bidder.pace()
            clock.move(START + DAY - AHEAD)
            bidder.tick()
            wait_for(step, clock, lambda: len(bidder._days._own.tomorrow._ready) == 2 and not bidder._days.agenda)
        clock.move(START + DAY)
        bidder.tick()
        if paced:
            wait_for(step, clock, lambda: not bidder._days.agenda)
        assert only(bidder, "second") == NoBid("campaign_failed")
        for name in ("default", "third"):
            assert made(only(bidder, name)).ticket.account == f"{name}@{bidder.moment.date}"
        assert bidder._days.events["second"].counts[Cause.campaign_failed] == 1
    clock.move(START + DAY + SLOT)
    bidder.tick()
    if paced:
        wait_for(step, clock, lambda: not bidder._days.agenda)
    assert made(only(bidder, "second")).ticket.account == f"second@{bidder.moment.date}"


def test_a_campaign_that_cannot_end_its_day_begins_the_next_all_the_same(
    opened: Opened, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bidder = opened()
    with monkeypatch.context() as patch:
        patch.setattr(Detector, "update", lambda *_: 1 / 0)
        patch.setattr(SourceMemory, "after", lambda *_: 1 / 0)
        clock.move(START + DAY)
        bidder.tick()
    for name in NAMES:
        assert made(only(bidder, name)).ticket.account == f"{name}@{bidder.moment.date}"

"""One campaign's day in micro-units: what may be bid and why not, what a win counts, how limits hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.state import State
from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.bidding.day.features import POSITION
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.serving.agenda import Agenda
from bidpilot.serving.calendar import Calendar, ManualClock
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.deciders import Decider, Deciders
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import Cause, EventLog, GuardrailConfig
from bidpilot.serving.ledger.keeper import Deliver, Keeper, Work, at_once
from bidpilot.serving.ledger.reservations import Reservation
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import Booked
from bidpilot.serving.pilots import PilotMaker
from bidpilot.serving.pricer import ShadingTable
from bidpilot.serving.reconciliation import ReconciliationConfig
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.state import State as Kept
from bidpilot.serving.told import Told

CONVERSION = (0.0, 0.0, 1.0)
SLOT = 21_600.0  # seconds: a day of `even` has four


class Level:
    """Moves the scale to one level of its range, 0 being the plan."""

    name = "level"
    replan = Replan.FORECAST

    def __init__(self, level: float = 0.0) -> None:
        self.level = level

    def check(self, segments: int) -> None:
        """Fits any market."""

    def start(self, rows: int) -> State:
        return {}

    def act(self, observation: NDArray[np.float32], state: State) -> tuple[NDArray[np.float64], State]:
        action = np.zeros((len(observation), 5))
        action[:, 0] = self.level
        return action, state


Begin = Callable[..., CampaignDay]


@pytest.fixture
def begin(even: Forecast, tmp_path: Path) -> Iterator[Begin]:
    """Begins a day with a budget of 50, at a bid cap of 0.2 where no other is given; alpha is (0, 0, about 0.5)."""
    clock = ManualClock(0.0)
    store, state = SqliteStore(tmp_path / "ledger.sqlite", clock), Kept(tmp_path / "state.sqlite")
    days: list[CampaignDay] = []

    def made(
        bidders: int = 1,
        now: float = 0.0,
        paused: bool = False,
        shadow: bool = False,
        agent: Level | None = None,
        delay: int = 0,
        deliver: Deliver = at_once,
        **guardrails: Any,
    ) -> CampaignDay:
        clock.move(now)
        planner = Planner(even)
        desk = Desk(
            planner=planner,
            shade=ShadingTable(planner),
            keeper=Keeper(store, deliver),
            state=state,
            clock=clock,
            guardrails=GuardrailConfig(**{"bid_cap": 0.2, "patience": 10.0} | guardrails),
            sources=3,
            bidders=bidders,
            expiry=7.0,
            grace=3.0,
            win_hold=100.0,
            settle_on_win=frozenset(),
            reconciliation=ReconciliationConfig(),
        )
        delays = Delays(wins=delay)
        campaign = Campaign(budget=50.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0), delays=delays)
        served = ServedCampaign(name="c", campaign=campaign, paused=paused)
        events, moment = EventLog(clock, "c"), Calendar(4).at(now)
        decider = Decider(desk, agent or Level())
        pilots = PilotMaker(Deciders(decider), Level() if shadow else None).make(served, moment.day, events)
        day = CampaignDay(desk, served, moment, pilots, events)
        days.append(day)
        return day

    yield made
    for day in days:
        day.close()
    store.close()
    state.close()


def close_slot(day: CampaignDay, now: float) -> None:
    """The slot of `now` begins."""
    agenda = Agenda()
    day.switch(Calendar(4).at(now))
    agenda.add(day.closing(agenda))
    agenda.drain(now)
    assert not agenda


def offer(day: CampaignDay, floor: int = 0) -> tuple[int, str]:
    return day.offer(CONVERSION, 0, 0, False, floor, day.desk.clock())


def win(day: CampaignDay, cost: int, bid: int = 200_000, slot: int = 0, key: str = "k") -> None:
    """A bid is made, billed at `cost` and booked."""
    now = day.desk.clock()
    assert day.wallet.reserve(key, bid, now, None)
    day.wallet.settle(key, day.wallet.lease, cost, now + 10, lambda _: None)
    day.book(slot, CONVERSION, 0, 1, cost, bid)


def test_a_bid_is_cut_at_the_cap_to_the_micro_unit(begin: Begin) -> None:
    day = begin()
    assert offer(day) == (200_000, "")
    assert day.events.counts == {Cause.bid_cap: 1}


def test_below_the_cap_the_bid_is_the_rules(begin: Begin) -> None:
    day = begin(bid_cap=5.0)
    amount, reason = offer(day)
    assert (amount, reason) == (int(day.alpha[2] * 1_000_000), "")
    assert amount == pytest.approx(500_000, rel=0.02)
    assert day.events.counts == {}


@pytest.mark.parametrize(("floor", "answer"), [(200_000, (200_000, "")), (200_001, (0, "below_floor"))])
def test_the_floor_may_be_met_and_not_missed(begin: Begin, floor: int, answer: tuple[int, str]) -> None:
    assert offer(begin(), floor) == answer


def test_a_paused_campaign_does_not_bid(begin: Begin) -> None:
    assert offer(begin(paused=True)) == (0, "paused")


def test_one_slot_gets_a_quarter_of_the_budget_and_the_next_another(begin: Begin) -> None:
    """12.5 of 50: after 12.3 another 0.2 may be promised, after one micro-unit more it may not."""
    day = begin(bid_cap=0.2)
    for k in range(61):
        win(day, 200_000, key=f"a{k}")
    win(day, 100_000, key="b")
    assert offer(day) == (200_000, "")  # 12.2 + 0.1 + 0.2
    win(day, 1, key="c")
    assert offer(day) == (0, "spend_rate")
    assert day.events.counts[Cause.spend_rate] == 1
    close_slot(day, SLOT)
    assert offer(day) == (200_000, "")


def test_what_is_promised_counts_towards_the_slots_share(begin: Begin) -> None:
    """A share of 0.01 is 0.5: two open bids of 0.2 leave 0.1."""
    day = begin(slot_share=0.01)
    for key in ("a", "b"):
        assert offer(day) == (200_000, "")
        day.wallet.reserve(key, 200_000, day.desk.clock(), None)
    assert offer(day) == (0, "spend_rate")
    day.wallet.release("a")
    assert offer(day) == (200_000, "")


def test_bids_of_an_earlier_slot_leave_the_slots_share_alone_and_wins_of_this_one_do_not(begin: Begin) -> None:
    day = begin(slot_share=0.01)
    for key in ("a", "b"):
        day.wallet.reserve(key, 200_000, day.desk.clock(), None, day.slot)
    day.wallet.win("a", day.wallet.lease, 200_000, 10.0, 1e6, lambda _: None, day.slot)
    assert offer(day) == (0, "spend_rate")
    close_slot(day, SLOT)
    assert offer(day) == (200_000, "")
    day.wallet.reserve("c", 200_000, day.desk.clock(), None, day.slot)
    day.wallet.reserve("d", 200_000, day.desk.clock(), None, day.slot)
    assert offer(day) == (0, "spend_rate")


@pytest.mark.parametrize("told", ["billed", "won", "promised", "won by the next", "billed by the next"])
def test_four_restarts_in_one_slot_spend_its_share_once(begin: Begin, told: str) -> None:
    """A share of 0.1 is 5.0. Each process has billed, won or only promised what it bid, or the next one is told so."""
    bids: list[Reservation] = []
    for process in range(4):
        day = begin(slot_share=0.1, now=float(process))
        for bid in bids:
            if told == "won by the next":
                day.wallet.win(bid.key, bid.lease, bid.amount, bid.expires, 1e6, lambda _: None, day.slot)
            elif told == "billed by the next":
                bill(day, bid)
        day.wallet.set_budget(50_000_001 + process)  # so that it hears anew what the dead processes hold
        while offer(day) == (200_000, ""):
            held = day.wallet.reserve(f"{process}-{len(bids)}", 200_000, float(process), None, day.slot)
            assert held is not None
            bids.append(held)
            if told == "billed":
                bill(day, held)
            elif told == "won":
                day.wallet.win(held.key, held.lease, 200_000, held.expires, 1e6, lambda _: None, day.slot)
    assert len(bids) * 200_000 <= 5_000_000
    # a share that was only promised is held with what a dead process had not bid
    assert len(bids) * 200_000 > 4_000_000 - (told == "promised") * 2_500_000


def bill(day: CampaignDay, held: Reservation) -> None:
    """The bid's price is its amount."""
    billed: list[Booked | None] = []
    day.wallet.settle(held.key, held.lease, held.amount, held.expires, billed.append, day.slot)
    if billed == [Booked.settled]:
        day.book(day.slot, (0.5, 0.2, 0.1), 0, 0, held.amount, held.amount)


def test_what_was_won_before_a_restart_is_planned_with_and_billed_after_it(begin: Begin) -> None:
    """2 of 50 were won and not billed; the next process holds as much, until the bill says 0.8."""
    day = begin(slot_share=1.0)
    held = day.wallet.reserve("a", 2_000_000, 0.0, None, 0)
    assert held is not None
    day.wallet.win("a", held.lease, 2_000_000, held.expires, 1e6, lambda _: None, 0)
    close_slot(day, SLOT)
    again = begin(slot_share=1.0, now=SLOT + 100.0)
    assert (again.wallet.promised, again.wallet.won) == (2_000_000, 2_000_000)
    assert again._pilot.money == (0.0, 2.0)
    bill(again, Reservation("a", held.lease, 800_000, held.expires, None))
    assert (again.wallet.promised, again.wallet.won) == (0, 0)
    close_slot(again, 2 * SLOT)
    assert again._pilot.money == pytest.approx((0.8, 0.0))


def test_until_the_ledger_says_what_the_slot_has_cost_nothing_is_bid(begin: Begin) -> None:
    answers: list[Work] = []
    day = begin(deliver=answers.extend)
    assert offer(day)[0] == 0
    while answers:
        answers.pop(0)()
    assert offer(day) == (200_000, "")


def test_each_of_several_bidders_has_its_part_of_the_slots_share(begin: Begin) -> None:
    """0.01 of 50 among two: 0.25, of which 0.2 may be promised once."""
    day = begin(bidders=2, slot_share=0.01)
    assert offer(day) == (200_000, "")
    day.wallet.reserve("a", 200_000, day.desk.clock(), None)
    assert offer(day) == (0, "spend_rate")


def test_a_new_budget_moves_the_slots_share_at_once(begin: Begin) -> None:
    day = begin(slot_share=0.01)
    day.wallet.reserve("a", 200_000, day.desk.clock(), None)
    day.wallet.reserve("b", 200_000, day.desk.clock(), None)
    assert offer(day) == (0, "spend_rate")
    bigger = day.served.campaign.model_copy(update={"budget": 60.0})
    day.change(day.served.model_copy(update={"campaign": bigger}))
    assert offer(day) == (200_000, "")  # 0.6, of which 0.4 are promised
    state = day.wallet.keeper.store.state(day.account)
    assert state is not None
    assert state.budget == 60_000_000


@pytest.mark.parametrize(
    ("cap", "chunk"),
    [
        (0.2, 2_500_000),  # a twentieth of 50, more than eight bids of 0.2
        (5.0, 40_000_000),  # eight bids of 5
        (10.0, 50_000_000),  # eight bids of 10 would pass the budget
    ],
)
def test_a_lease_takes_a_twentieth_of_the_budget_or_eight_bids_and_never_more_than_all(
    begin: Begin, cap: float, chunk: int
) -> None:
    assert begin(bid_cap=cap).wallet.chunk.most == chunk


def test_debt_stops_bids(begin: Begin) -> None:
    day = begin()
    day.wallet.settle("gone", day.wallet.lease, 60_000_000, 0.0, lambda _: None)
    assert offer(day) == (0, "debt")


def test_the_last_money_of_the_day_is_bid_in_part(begin: Begin) -> None:
    """All of the budget but 0.15 is spent, and the slot may have it all: a bid of 0.2 becomes one of 0.15."""
    day = begin(slot_share=1.0)
    for k in range(249):
        win(day, 200_000, key=f"a{k}")
    win(day, 50_000, key="b")
    assert offer(day) == (150_000, "")
    assert offer(day, floor=150_001) == (0, "below_floor")
    win(day, 150_000, bid=150_000, key="c")
    assert offer(day) == (0, "no_money")


def stored(day: CampaignDay, slot: int = 0) -> SlotTotals:
    like = SlotTotals.zeros(1, 2, 3)
    return day.desk.state.slots(day.account, like)[slot]


@pytest.mark.parametrize("bidders", [1, 2])
def test_a_closed_slot_is_kept_as_all_bidders_saw_it(begin: Begin, bidders: int) -> None:
    day = begin(bidders=bidders)
    for _ in range(3):
        day.collector.request(CONVERSION, 1, 0)
    win(day, 125_000, bid=200_000)
    day.outcome(0, 1, Told(interaction=2.0, conversion=1.0))
    close_slot(day, SLOT)
    kept = stored(day)
    assert (kept.auctions[0], kept.wins[0]) == (3 * bidders, bidders)
    assert (kept.spend[0], kept.committed[0]) == (0.125 * bidders, 0.2 * bidders)
    np.testing.assert_array_equal(kept.requested, [[0, 0, 3 * bidders]])
    np.testing.assert_array_equal(kept.realised, [[0, 2 * bidders, bidders]])
    np.testing.assert_array_equal(kept.source_wins, [[0, bidders, 0]])
    assert day.slot == 1


def told(day: CampaignDay) -> tuple[float, float, float]:
    """Wins, spend and realised conversions that the pilot counts after the slots that have passed."""
    s = day._pilot._statistics
    return float(s.wins[s.t, 0]), float(s.spend[s.t, 0]), float(s.realised[s.t, 0, 2])


def test_a_win_billed_in_a_later_slot_is_counted_in_its_own(begin: Begin) -> None:
    day = begin()
    close_slot(day, SLOT)
    assert told(day) == (0.0, 0.0, 0.0)
    win(day, 125_000, slot=0)
    day.outcome(0, 1, Told(conversion=1.0))
    assert told(day) == (1.0, 0.125, 1.0)
    assert day.collector.spend == 0.0


def test_a_day_joined_late_counts_the_slots_nobody_watched_as_forecast(begin: Begin) -> None:
    """Two slots and a half have passed: 100 auctions each, and half of them in the slot under way."""
    day = begin(now=2.5 * SLOT)
    assert day.slot == 2
    assert day.events.counts[Cause.unwatched] == 1
    np.testing.assert_array_equal(day._pilot._statistics.auctions[:3, 0], [0.0, 100.0, 200.0])
    close_slot(day, 3 * SLOT)
    assert stored(day, 2).auctions[0] == 50


def test_a_restart_goes_on_with_the_slots_and_the_money_it_has_seen(begin: Begin) -> None:
    """0.125 in a slot that was closed; 0.075 in the one under way, which is known from the ledger alone."""
    day = begin()
    win(day, 125_000, key="a")
    close_slot(day, SLOT)
    win(day, 75_000, slot=1, key="b")
    day.close()
    again = begin(now=SLOT + 100.0)
    assert told(again)[:2] == pytest.approx((1.0, 0.2))


def test_the_first_decision_after_a_restart_knows_what_late_bills_have_settled(begin: Begin) -> None:
    """1 of 50, billed two slots after theirs: no stored slot has it, and slots are reported two late."""
    day = begin(delay=2)
    for t in (1, 2, 3):
        close_slot(day, t * SLOT)
    win(day, 1_000_000, bid=1_000_000, slot=0)
    day.close()
    again = begin(now=3 * SLOT, delay=2, shadow=True)
    assert again._pilot.money == (1.0, 0.0)
    for decision in (again.decision, again.pilots.shadow_decision):
        assert decision is not None
        assert decision.observation[POSITION["budget_left"]] == pytest.approx(0.98)


def test_what_was_settled_before_a_restart_is_told_as_soon_as_the_ledger_has_answered(begin: Begin) -> None:
    """1 of 50, and 2 more since: a server's ledger answers when the day has begun."""
    day = begin()
    close_slot(day, SLOT)
    win(day, 1_000_000, bid=1_000_000, slot=0)
    day.close()
    answers: list[Work] = []
    again = begin(now=SLOT, deliver=answers.extend)
    assert again._pilot.money == (0.0, 0.0)
    at_once(answers)
    win(again, 2_000_000, bid=2_000_000, slot=1, key="since")
    for t in (2, 3):
        at_once(answers)
        close_slot(again, t * SLOT)
        assert again._pilot.spend == pytest.approx(3.0)


def test_a_step_of_the_rule_is_held_to_the_limit(begin: Begin) -> None:
    """The policy goes from the middle of its range to its top: exp(1.5) = 4.48 times the plan, held to twice."""
    agent = Level()
    day = begin(bid_cap=5.0, step_limit=2.0, agent=agent)
    before = day.alpha[2]
    agent.level = 1.0
    close_slot(day, SLOT)
    assert day.alpha[2] == pytest.approx(2 * before)
    assert day.events.counts[Cause.step_limit] == 1


def test_a_shadow_says_what_it_would_bid(begin: Begin) -> None:
    assert begin().shadow_bid(CONVERSION, 0, 0, False) is None


def test_the_shadows_bid_is_cut_at_the_cap_too(begin: Begin) -> None:
    assert begin(shadow=True).shadow_bid(CONVERSION, 0, 0, False) == 0.2

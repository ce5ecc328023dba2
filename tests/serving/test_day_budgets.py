"""A flight's days share its total, whatever comes late; budgets of days to come hold from their midnight on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import BidpilotError, InvalidServing
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.serving.calendar import DAY, Calendar, ManualClock, date_of
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.day_budgets import account_of
from bidpilot.serving.days import Days
from bidpilot.serving.desk import Desk
from bidpilot.serving.flight import Flight
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.keeper import Deliver, Keeper, Work, at_once
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.planned import Planned, PlannedBudget, budget_order
from bidpilot.serving.pricer import ShadingTable
from bidpilot.serving.reconciliation import ReconciliationConfig
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.state import State
from tests.serving.test_campaign_day import CONVERSION, SLOT, Level

FIRST = date(1970, 1, 2)
EXPIRY = 10.0  # seconds for which a bid's money is held


class Served:
    """One campaign that is served from 1970-01-02 on; `again` is its process after a restart."""

    def __init__(self, folder: Path, even: Forecast, deliver: Deliver = at_once, **fields: Any) -> None:
        self.folder, self.even, self.deliver = folder, even, deliver
        self.clock = ManualClock(DAY)
        campaign = Campaign(budget=40.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0))
        self.campaign = ServedCampaign.model_validate({"name": "c", "campaign": campaign, **fields})
        self.keys = 0
        self.open()

    def open(self) -> None:
        self.store = SqliteStore(self.folder / "ledger.sqlite", self.clock)
        self.state = State(self.folder / "state.sqlite")
        planner = Planner(self.even)
        self.desk = Desk(
            planner=planner,
            shade=ShadingTable(planner),
            keeper=Keeper(self.store, self.deliver),
            state=self.state,
            clock=self.clock,
            guardrails=GuardrailConfig(bid_cap=30.0, patience=10.0, slot_share=1.0),
            sources=3,
            bidders=1,
            expiry=EXPIRY,
            grace=0.0,
            win_hold=100.0,
            settle_on_win=frozenset(),
            reconciliation=ReconciliationConfig(),
        )
        self.days = Days(self.desk, Calendar(4), Level(), None, lambda *_: None)
        self.days.begin(self.campaign)

    def again(self) -> None:
        self.close()
        self.open()

    def close(self) -> None:
        self.days.close()
        self.store.close()
        self.state.close()

    @property
    def day(self) -> CampaignDay:
        return self.days.running["c"]

    def move(self, seconds: float) -> None:
        """Let time pass, and what follows."""
        self.clock.move(self.clock() + seconds)
        if self.clock() >= self.days.moment.end:
            self.days.advance(self.clock(), {"c": self.campaign})
        self.days.tend(self.clock(), {"c": self.campaign})

    def change(self, **fields: Any) -> None:
        self.campaign = ServedCampaign.model_validate(self.campaign.model_dump(mode="json") | fields)
        self.day.change(self.campaign)

    def order(self, body: bytes) -> None:
        """What POST /admin/campaigns/c/budget does."""
        given = budget_order(self.campaign, body, date_of(self.days.moment.day))
        campaign = self.campaign.campaign.model_dump(mode="json") | given.pop("campaign", {})
        self.change(campaign=campaign, **({"planned": None} | given))

    def reserve(self, amount: int) -> tuple[CampaignDay, str] | None:
        """A bid of so much, or of what is left; None where none may be made. The day, and the bid's key."""
        day = self.day
        offered, _ = day.offer(CONVERSION, 0, 0, False, 0, self.clock())
        amount = min(amount, day.wallet.free)
        if not offered or amount <= 0:
            return None
        self.keys += 1
        key = f"k{self.keys}"
        return (day, key) if day.wallet.reserve(key, amount, self.clock(), None) else None

    def bill(self, bid: tuple[CampaignDay, str], amount: int) -> None:
        day, key = bid
        day.wallet.settle(key, day.wallet.lease, amount, self.clock(), lambda _: None)

    def spend(self, amount: int) -> int:
        """Bid and be billed, up to so much at once; what was billed."""
        left = amount
        while left > 0 and (bid := self.reserve(left)):
            held = bid[0].wallet.find(bid[1])
            assert held is not None
            self.bill(bid, held.amount)
            left -= held.amount
        return amount - left

    def money(self) -> tuple[int, int]:
        """Settled and owed over all days, by the ledger."""
        accounts = [account_of("c", FIRST + timedelta(k)) for k in range(60)]
        states = [state for state in self.store.states(accounts) if state is not None]
        return sum(state.settled for state in states), sum(state.debt for state in states)


Make = Callable[..., Served]


@pytest.fixture
def serve(even: Forecast, memory: Path) -> Iterator[Make]:
    made: list[Served] = []

    def one(**fields: Any) -> Served:
        made.append(Served(memory / str(len(made)), even, **fields))
        return made[-1]

    yield one
    for served in made:
        served.close()


def flight(**fields: Any) -> Flight:
    return Flight.model_validate({"start": FIRST, "end": FIRST + timedelta(29), **fields})


# --- flights ---------------------------------------------------------------------------------------


def test_a_total_is_shared_by_days_that_could_each_spend_their_budget(serve: Make) -> None:
    """Of 100 at 40 a day: 40, 40, 20, and nothing; each day is planned for what it may spend."""
    served = serve(flight=flight(total=100.0))
    billed, planned = [], []
    for _ in range(4):
        planned.append(served.day._pilot.campaign.budget)
        billed.append(served.spend(50 * MICRO))
        served.move(DAY)
    assert billed == [40 * MICRO, 40 * MICRO, 20 * MICRO, 0]
    assert planned == [40.0, 40.0, 20.0, 40.0]  # the last is a day as any other, without money
    assert served.desk.budgets.left(served.campaign, served.days.moment) == 0


def test_what_a_day_has_left_is_the_flights(serve: Make) -> None:
    served = serve(flight=flight(total=50.0))
    assert served.spend(15 * MICRO) == 15 * MICRO
    served.move(DAY)
    assert served.spend(50 * MICRO) == 35 * MICRO


def test_a_restart_counts_the_days_before(serve: Make) -> None:
    served = serve(flight=flight(total=60.0))
    served.spend(40 * MICRO)
    served.move(DAY)
    served.again()
    assert served.spend(40 * MICRO) == 20 * MICRO
    served.again()
    assert served.spend(40 * MICRO) == 0


def test_days_before_the_flight_do_not_count(serve: Make) -> None:
    served = serve()
    served.spend(40 * MICRO)
    served.move(DAY)
    served.change(flight=flight(start=FIRST + timedelta(1), total=30.0).model_dump(mode="json"))
    assert served.spend(40 * MICRO) == 30 * MICRO


def test_what_is_outstanding_at_midnight_is_spent_until_it_is_not(serve: Make) -> None:
    """A bid of the day before may still be billed: its money is not given out twice, and free once it has run out."""
    served = serve(flight=flight(total=50.0))
    served.spend(20 * MICRO)
    served.move(DAY - EXPIRY / 2)
    first = served.reserve(20 * MICRO)
    second = served.reserve(10 * MICRO)
    assert first is not None
    assert second is None or second[0].wallet.promised <= 20 * MICRO
    served.move(EXPIRY / 4 + EXPIRY / 4)  # midnight
    assert served.spend(50 * MICRO) == 10 * MICRO
    served.bill(first, 5 * MICRO)
    assert served.money() == (35 * MICRO, 0)
    served.move(SLOT)
    served.move(SLOT)
    assert served.spend(50 * MICRO) == 15 * MICRO
    assert served.money() == (50 * MICRO, 0)


def test_a_day_off_spends_nothing_and_holds_nothing(serve: Make) -> None:
    """1970-01-03 was a Saturday."""
    served = serve(flight=flight(days_off=["saturday"]))
    served.move(DAY)
    assert served.day.offer(CONVERSION, 0, 0, False, 0, served.clock()) == (0, "not_in_flight")
    state = served.store.state("c@1970-01-03")
    assert state is not None
    assert (state.budget, state.held) == (0, 0)
    served.move(DAY)
    assert served.spend(50 * MICRO) == 40 * MICRO


def test_it_bids_in_its_hours_alone(serve: Make) -> None:
    served = serve(flight=flight(hours=[[6, 12]]))
    reasons = []
    for _ in range(4):  # at 0:00, 6:00, 12:00, 18:00
        reasons.append(served.day.offer(CONVERSION, 0, 0, False, 0, served.clock())[1])
        served.move(SLOT)
    assert reasons == ["not_in_flight", "", "not_in_flight", "not_in_flight"]


def test_a_flight_that_is_lengthened_has_money_again_at_once(serve: Make) -> None:
    served = serve(flight=flight(total=10.0))
    assert served.spend(40 * MICRO) == 10 * MICRO
    assert served.spend(40 * MICRO) == 0
    served.change(flight=flight(total=25.0).model_dump(mode="json"))
    assert served.spend(40 * MICRO) == 15 * MICRO
    served.change(flight=None)
    assert served.spend(40 * MICRO) == 15 * MICRO


def test_a_ledger_that_answers_later_corrects_what_was_taken_for_left(even: Forecast, memory: Path) -> None:
    """A process that begins late knows nothing of the day before until the ledger has told it: it bids with nothing."""
    waiting: list[Work] = []
    served = Served(memory, even, flight=flight(total=60.0))
    served.spend(40 * MICRO)
    served.move(DAY - 1.0)
    served.close()
    served.deliver = waiting.extend
    served.open()
    served.move(1.0)
    assert served.spend(40 * MICRO) == 0
    billed = 0
    while waiting:
        waiting.pop(0)()
        billed += served.spend(40 * MICRO)
    assert billed == 20 * MICRO
    assert served.money() == (60 * MICRO, 0)
    served.close()


@pytest.mark.parametrize("elsewhere", [0, 7])
def test_a_day_begins_with_what_was_left_a_moment_before(even: Forecast, memory: Path, elsewhere: int) -> None:
    """Not with what the ledger told at the end of the last slot; what other bidders hold may still be billed."""
    waiting: list[Work] = []
    store = SqliteStore(memory / "ledger.sqlite", ManualClock(DAY))
    store.open("c@1970-01-02", 40 * MICRO)
    store.lease("c@1970-01-02", "of another bidder", elsewhere * MICRO, 3 * DAY)
    store.close()
    served = Served(memory, even, waiting.extend, flight=flight(total=60.0))

    def settle() -> None:
        while waiting:
            waiting.pop(0)()

    settle()
    for _ in range(3):
        served.move(SLOT)
        settle()
    billed = 0
    for _ in range(5):
        billed += served.spend((30 * MICRO) - billed)
        settle()
    assert billed == 30 * MICRO
    served.clock.move(2 * DAY - 1.0)
    served.days.tend(served.clock(), {"c": served.campaign})
    settle()
    served.move(1.0)  # from here on nothing is told
    state = served.store.state("c@1970-01-03")
    assert state is not None
    assert state.budget == (30 - elsewhere) * MICRO
    served.close()


moves = st.one_of(
    st.tuples(st.just("spend"), st.integers(1, 60 * MICRO)),
    st.tuples(st.just("bid"), st.integers(1, 60 * MICRO)),
    st.tuples(st.just("bill"), st.floats(0.0, 1.0)),
    st.tuples(st.just("wait"), st.sampled_from([1.0, EXPIRY / 2, SLOT / 2, SLOT, DAY, 2 * DAY])),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("budget"), st.floats(0.5, 80.0)),
)


@given(total=st.floats(1.0, 150.0), played=st.lists(moves, min_size=5, max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_days_of_a_flight_never_pass_its_total(
    even: Forecast, memory: Path, total: float, played: list[tuple[str, Any]]
) -> None:
    """Whatever is bid, billed in time or late, restarted and re-budgeted; late bills are owed beside it, no more."""
    with playing(even, memory, total) as served:
        bids: list[tuple[CampaignDay, str]] = []
        most = int(total * MICRO)
        for kind, how in played:
            if kind == "spend":
                served.spend(how)
            elif kind == "bid" and (bid := served.reserve(how)):
                bids.append(bid)
            elif kind == "bill" and bids:
                day, key = bids.pop(0)
                held = day.wallet.find(key)
                served.bill((day, key), int(how * (MICRO if held is None else held.amount)))
            elif kind == "wait":
                served.move(how)
            elif kind == "restart":
                bids.clear()
                served.again()
            elif kind == "budget":
                served.order(b'{"budget": %f}' % how)
            settled, owed = served.money()
            assert settled <= most + served.late
            assert settled + owed <= most + served.late


@contextmanager
def playing(even: Forecast, memory: Path, total: float) -> Iterator[Counting]:
    import tempfile

    with tempfile.TemporaryDirectory(dir=memory) as folder:
        served = Counting(Path(folder), even, flight=flight(total=total))
        yield served
        served.close()


class Counting(Served):
    """Knows what was billed too late: nobody can refuse it."""

    late = 0

    def bill(self, bid: tuple[CampaignDay, str], amount: int) -> None:
        before = self.money()[1]
        super().bill(bid, amount)
        self.late += max(self.money()[1] - before, 0)


# --- budgets of days to come -----------------------------------------------------------------------


def test_a_planned_budget_holds_from_its_midnight_and_stays(serve: Make) -> None:
    served = serve()
    served.order(b'{"budget": 15, "from": "1970-01-03"}')
    assert served.spend(100 * MICRO) == 40 * MICRO
    served.move(DAY)
    assert served.day._pilot.campaign.budget == 15.0
    assert served.spend(100 * MICRO) == 15 * MICRO
    served.move(DAY)
    served.again()
    assert served.spend(100 * MICRO) == 15 * MICRO


def test_budgets_can_be_planned_for_several_days_and_for_none(serve: Make) -> None:
    served = serve()
    for day, budget in ((3, 15), (4, 0), (5, 25)):
        served.order(b'{"budget": %d, "from": "1970-01-%02d"}' % (budget, day))
    billed = []
    for _ in range(5):
        billed.append(served.spend(100 * MICRO) // MICRO)
        served.move(DAY)
    assert billed == [40, 15, 0, 25, 25]


def test_a_budget_for_now_is_the_last_word(serve: Make) -> None:
    """Also where it is the one that a plan stands in place of."""
    served = serve()
    served.order(b'{"budget": 15, "from": "1970-01-03"}')
    served.move(DAY)
    served.order(b'{"budget": 40}')
    assert served.spend(100 * MICRO) == 40 * MICRO
    served.order(b'{"budget": 90, "from": "1970-01-04"}')
    served.order(b'{"budget": 5}')
    served.move(DAY)
    assert served.spend(100 * MICRO) == 5 * MICRO


def test_what_stands_in_place_of_a_budget_goes_with_it(serve: Make) -> None:
    """A file that has another budget since is not overruled by what was planned on top of the old one."""
    served = serve()
    served.order(b'{"budget": 15, "from": "1970-01-03"}')
    changed = served.campaign.campaign.model_dump(mode="json") | {"budget": 60.0}
    served.change(campaign=changed)
    served.move(DAY)
    assert served.spend(100 * MICRO) == 60 * MICRO


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 100)), max_size=12), st.integers(0, 25))
def test_the_plan_of_a_day_is_the_last_that_was_made_for_it_or_before(
    orders: list[tuple[int, float]], asked: int
) -> None:
    """An order for a day replaces what was planned for it and later; what was planned for days before stays."""
    planned: Planned | None = None
    expected = [40.0] * 30
    for ahead, budget in orders:
        new = PlannedBudget(since=FIRST + timedelta(ahead), budget=budget)
        planned = Planned.of(planned, 40.0, new, FIRST)
        expected[ahead:] = [budget] * (30 - ahead)
    served = ServedCampaign(name="c", campaign=Campaign(budget=40.0), planned=planned)
    assert served.budget_on(FIRST + timedelta(asked)) == expected[asked]
    assert ServedCampaign.model_validate_json(served.model_dump_json()) == served


def test_days_gone_by_are_not_kept_but_for_the_one_that_holds() -> None:
    planned: Planned | None = None
    for k in range(500):
        new = PlannedBudget(since=FIRST + timedelta(k + 1), budget=float(k))
        planned = Planned.of(planned, 40.0, new, FIRST + timedelta(k))
    assert planned is not None
    assert len(planned.days) == 2
    assert planned.on(FIRST + timedelta(499), 40.0) == 498.0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"budget": 15, "from": "1970-01-02"}', "has begun .it is 1970-01-02."),
        (b'{"budget": 15, "from": "1970-01-01"}', "has begun"),
        (b'{"budget": -1, "from": "1970-01-03"}', "budget of -1"),
        (b'{"budget": 15, "from": "tomorrow"}', "is no date"),
        (b'{"budget": 1e13, "from": "1970-01-03"}', "up to"),
        (b'{"budget": 0}', "budget must be positive"),
    ],
)
def test_a_budget_that_cannot_be_planned_says_why(serve: Make, body: bytes, words: str) -> None:
    served = serve()
    with pytest.raises(BidpilotError, match=words):
        served.order(body)
    assert served.spend(100 * MICRO) == 40 * MICRO
    assert issubclass(InvalidServing, BidpilotError)

"""Wins without bills are noticed, and in the end not bid with; what past days owe stays visible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from bidpilot.serving.auction import Bid, NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import Cause, GuardrailConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.notices import Ticket
from bidpilot.serving.reconciliation import ReconciliationConfig

START, AGE = 20_000 * DAY, 100.0
AUCTION = Opportunity((0.6, 0.2, 0.004), 0)
CONFIG = ReconciliationConfig(age=AGE, least=10, share=0.2, limit=0.5)


class Open(Protocol):
    def __call__(self, **fields: Any) -> Bidder: ...


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def serve(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Open]:
    """Opens a bidder; one before it is closed, as by a restart."""
    with ExitStack() as stack:

        def made(**fields: Any) -> Bidder:
            stack.close()
            watched = tmp_path / "responses.json"  # what the reconciliation does by itself
            watched.write_text('{"acts": false}')
            config = ServeConfig(
                responses=watched,
                bundle=bundle_folder,
                state=tmp_path,
                reconciliation=fields.pop("reconciliation", CONFIG),
                guardrails=GuardrailConfig(slot_share=1.0),
                **fields,
            )
            return stack.enter_context(open_bidder(config, clock))

        yield made


def win(bidder: Bidder, count: int, billed: int = 0) -> list[Ticket]:
    """Win auctions and bill the first of them."""
    tickets = []
    for k in range(count):
        answer = bidder.bid(AUCTION)
        assert isinstance(answer, Bid), answer
        bidder.win(answer.ticket)
        if k < billed:
            bidder.bill(answer.ticket, answer.amount / MICRO)
        tickets.append(answer.ticket)
    return tickets


def wait(bidder: Bidder, clock: ManualClock, seconds: float) -> None:
    end = clock() + seconds
    while clock() < end:
        clock.move(min(clock() + 10.0, end))
        bidder.tick()


@pytest.mark.parametrize(
    ("count", "billed", "events", "stopped"),
    [
        (10, 8, [], False),  # a fifth is what may be missing
        (10, 7, [Cause.unbilled], False),
        (10, 5, [Cause.unbilled], False),
        (10, 4, [Cause.unbilled, Cause.unbilled_stop], True),
        (9, 0, [], False),  # too few to say
    ],
)
def test_overdue_bills_raise_an_event_and_beyond_a_limit_stop_the_campaign(
    serve: Open, clock: ManualClock, count: int, billed: int, events: list[Cause], stopped: bool
) -> None:
    bidder = serve()
    win(bidder, count, billed)
    wait(bidder, clock, AGE - 15.0)
    assert not bidder.event_counts()
    wait(bidder, clock, 30.0)
    assert dict(bidder.event_counts() - Counter({Cause.incident: 99})) == dict.fromkeys(events, 1)
    assert (bidder.bid(AUCTION) == NoBid("unbilled")) == stopped
    wait(bidder, clock, 100.0)
    assert dict(bidder.event_counts() - Counter({Cause.incident: 99})) == dict.fromkeys(events, 1)  # told once


def test_a_restart_forgets_no_win_that_is_not_billed(serve: Open, clock: ManualClock) -> None:
    win(serve(), 10)
    bidder = serve()
    wait(bidder, clock, AGE + 15.0)
    assert bidder.bid(AUCTION) == NoBid("unbilled")
    assert bidder.reconciliation.wins["default"].overdue == 10


def test_a_campaign_goes_on_when_its_bills_come_after_all(serve: Open, clock: ManualClock) -> None:
    bidder = serve()
    tickets = win(bidder, 10)
    wait(bidder, clock, AGE + 15.0)
    assert bidder.bid(AUCTION) == NoBid("unbilled")
    for ticket in tickets[:5]:
        bidder.bill(ticket, ticket.amount / MICRO)
    wait(bidder, clock, 15.0)
    assert isinstance(bidder.bid(AUCTION), Bid)


def test_an_operator_lets_it_go_on_until_as_many_more_are_missing(serve: Open, clock: ManualClock) -> None:
    bidder = serve()
    win(bidder, 10)
    wait(bidder, clock, AGE + 15.0)
    bidder.reconciliation.forgive("default")
    assert isinstance(bidder.bid(AUCTION), Bid)
    wait(bidder, clock, 15.0)
    win(bidder, 10)
    wait(bidder, clock, AGE + 15.0)
    assert bidder.bid(AUCTION) == NoBid("unbilled")


def test_what_an_operator_has_let_go_on_goes_on_after_a_restart(serve: Open, clock: ManualClock) -> None:
    bidder = serve()
    win(bidder, 10)
    wait(bidder, clock, AGE + 15.0)
    bidder.reconciliation.forgive("default")
    bidder = serve()
    wait(bidder, clock, 15.0)
    assert bidder.reconciliation.wins["default"].overdue == 10
    assert isinstance(bidder.bid(AUCTION), Bid)
    win(bidder, 10)
    wait(bidder, clock, AGE + 15.0)
    assert bidder.bid(AUCTION) == NoBid("unbilled")


def test_overdue_wins_stay_overdue_when_their_money_is_free_again(serve: Open, clock: ManualClock) -> None:
    bidder = serve(win_hold=2 * AGE)
    tickets = win(bidder, 10)
    wait(bidder, clock, 2 * AGE + 15.0)
    for wallet in (bidder.days["default"].wallet,):
        assert (wallet.promised, wallet.won) == (0, 0)
    wins = bidder.reconciliation.wins["default"]
    assert (wins.overdue, wins.owed) == (10, sum(ticket.amount for ticket in tickets))
    assert bidder.bid(AUCTION) == NoBid("unbilled")


def owe(bidder: Bidder, clock: ManualClock) -> int:
    """Let a bill come so late that it is debt; how much, micro-units."""
    answer = bidder.bid(AUCTION)
    assert isinstance(answer, Bid)
    clock.move(clock() + 120.0)
    bidder.tick()
    clock.move(START + DAY)
    bidder.tick()
    bidder.bill(answer.ticket, answer.amount / MICRO)
    assert bidder.notices["debt"] == 1
    return answer.amount


@pytest.mark.parametrize("restart", [False, True])
def test_debt_of_a_past_day_stays_visible(serve: Open, clock: ManualClock, restart: bool) -> None:
    bidder = serve()
    amount = owe(bidder, clock)
    if restart:
        bidder = serve()
    wait(bidder, clock, 61.0)
    (owed,) = bidder.past_debt.of("default").values()
    assert owed == pytest.approx(amount / MICRO)
    assert isinstance(bidder.bid(AUCTION), Bid)  # today's money is today's
    clock.move(START + 9 * DAY)
    bidder.tick()
    assert bidder.past_debt.of("default") == {}


def test_where_asked_todays_budget_covers_it_once(serve: Open, clock: ManualClock) -> None:
    bidder = serve()
    bidder.put(bidder.served["default"].model_copy(update={"cover_past_debt": True}))
    amount = owe(bidder, clock)
    wait(bidder, clock, 200.0)
    account = bidder.days["default"].account
    state = bidder.desk.keeper.store.state(account)
    assert state is not None
    assert (state.settled, state.debt) == (amount, 0)
    assert bidder.past_debt.of("default") == {}
    assert isinstance(bidder.bid(AUCTION), Bid)

"""Wins that a process before this one was told of, or whose bids it made: their money is held on, and nothing fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.notices import Ticket
from bidpilot.serving.told import Told

START = 20_000 * DAY + 3600.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


class Open(Protocol):
    def __call__(self) -> Bidder: ...


@pytest.fixture
def serve(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Open]:
    """Opens a bidder; one before it is closed, as by a restart."""
    with ExitStack() as stack:

        def made() -> Bidder:
            stack.close()
            return stack.enter_context(open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), clock))

        yield made


@pytest.fixture(params=["told before", "told after"])
def restarted(request: pytest.FixtureRequest, serve: Open) -> tuple[Bidder, Ticket]:
    """A bidder and a won bid of the process before it, which was told so, or not in time."""
    bidder = serve()
    answer = bidder.bid(Opportunity((0.6, 0.2, 0.004), 0))
    assert isinstance(answer, Bid)
    if request.param == "told before":
        bidder.win(answer.ticket)
    bidder = serve()
    if request.param == "told after":
        bidder.win(answer.ticket)
    wallet = bidder.days["default"].wallet
    assert (wallet.promised, wallet.won) == (answer.amount, answer.amount)
    return bidder, answer.ticket


def test_it_is_billed_from_what_is_held_for_it(restarted: tuple[Bidder, Ticket], clock: ManualClock) -> None:
    bidder, ticket = restarted
    clock.move(START + 3 * 3600.0)
    bidder.tick()
    bidder.bill(ticket, ticket.amount / MICRO / 2, ticket.amount / MICRO / 3)
    wallet = bidder.days["default"].wallet
    assert wallet.state is not None
    assert (wallet.promised, wallet.won, wallet.debt) == (0, 0, 0)
    assert wallet.state.settled == round(ticket.amount / 2)
    assert bidder.notices["settled"] == 1
    assert bidder.days["default"]._pilot.spend == pytest.approx(ticket.amount / MICRO / 2, abs=1e-6)


def test_a_loss_and_events_of_it_free_nothing(restarted: tuple[Bidder, Ticket]) -> None:
    bidder, ticket = restarted
    bidder.loss(ticket, 0.1)
    bidder.outcome(ticket, Told(interaction=1.0))
    bidder.win(ticket, 0.1, 0.1)
    assert bidder.days["default"].wallet.won == ticket.amount
    assert (bidder.notices["loss_after_win"], bidder.notices["win_repeated"]) == (1, 1)


def test_its_money_is_free_after_a_day_without_a_bill(restarted: tuple[Bidder, Ticket], clock: ManualClock) -> None:
    bidder, ticket = restarted
    wallet = bidder.days["default"].wallet
    clock.move(START + DAY - 1.0)
    bidder.tick()
    assert wallet.won == ticket.amount
    clock.move(START + DAY + 100.0)
    bidder.tick()
    assert (wallet.promised, wallet.won, bidder.notices["win_unbilled"]) == (0, 0, 1)

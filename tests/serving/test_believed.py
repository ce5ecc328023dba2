"""What notices tell moves the policy no further than what could be: prices out of all proportion, events of no win."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.store import Resolved, Settlement
from bidpilot.serving.notices import Ticket
from bidpilot.serving.plausible import most_plausible
from bidpilot.serving.told import Told
from bidpilot.serving.unbilled import Unbilled

SLOT = DAY / 48
MOST = most_plausible(preset_forecast())
ABSURD = (math.nextafter(MOST, math.inf), 10 * MOST, 3.5e38, 1e300)
Heard = tuple[int, float | None]  # kind of notice, and its price; None where the notice has none


class Pair:
    """Two bidders of the same day: one hears all notices, the other those whose prices could be."""

    def __init__(self, bundle: Path, folder: Path, stack: ExitStack) -> None:
        self.clock = ManualClock(20_000 * DAY)
        configs = (ServeConfig(bundle=bundle, state=folder / name) for name in "ab")
        self.all, self.some = (stack.enter_context(open_bidder(config, self.clock)) for config in configs)

    def slot(self, notices: list[Heard]) -> None:
        """A slot in which each auction's bid is told of, and the next one begins."""
        for kind, price in notices:
            for bidder, told in ((self.all, price), (self.some, None if price in ABSURD else price)):
                bid = bidder.bid(Opportunity((0.6, 0.2, 0.004), 0))
                assert isinstance(bid, Bid)
                if kind == 0:
                    bidder.loss(bid.ticket, told)
                else:
                    bidder.win(bid.ticket, 0.01, told if kind == 1 else None)
                    bidder.bill(bid.ticket, 0.01, told)
        self.clock.move((self.clock() // SLOT + 1) * SLOT)
        for bidder in (self.all, self.some):
            bidder.tick()


@pytest.fixture(scope="module")
def pair(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(bundle_folder, tmp_path_factory.mktemp("pair"), stack)


prices = st.one_of(st.none(), st.floats(0, MOST), st.sampled_from(ABSURD))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), prices), min_size=1, max_size=12))
def test_no_sequence_of_notices_moves_the_policy_further_than_the_plausible_prices_in_it(
    pair: Pair, notices: list[Heard]
) -> None:
    """The day goes on from example to example; both bidders have always been alike."""
    pair.slot(notices)
    ours, theirs = (bidder.days["default"] for bidder in (pair.all, pair.some))
    assert ours.alpha == theirs.alpha
    np.testing.assert_array_equal(ours.pricer.rule.multiplier, theirs.pricer.rule.multiplier)
    np.testing.assert_array_equal(ours.pricer.rule.beta, theirs.pricer.rule.beta)
    assert np.isfinite(ours.alpha).all()


def test_prices_that_are_not_believed_are_counted_and_not_logged(pair: Pair) -> None:
    before = pair.all.notices["min_to_win_implausible"]
    pair.slot([(0, price) for price in ABSURD])
    assert pair.all.notices["min_to_win_implausible"] == before + len(ABSURD)
    assert pair.some.notices["min_to_win_implausible"] == 0


def test_no_price_that_training_days_showed_is_doubted() -> None:
    forecast = preset_forecast()
    shown = forecast.landscape.price.max() * forecast.price_curve.max() * forecast.history[..., 3].max()
    assert 2 * shown < MOST
    assert 1000 * forecast.landscape.mean_price > MOST


# --- events ------------------------------------------------------------------------------------


class Ledger:
    """A store that knows which bids were billed, and may be away."""

    shared = True

    def __init__(self) -> None:
        self.paid: dict[str, int] = {}
        self.questions: list[list[str]] = []

    def resolve(self, batch: list[Settlement]) -> list[Resolved]:
        self.questions.append([s.key for s in batch])
        return [Resolved(settled=self.paid.get(s.key, 0)) for s in batch]


def ticket(number: int) -> Ticket:
    return Ticket(f"{number:018x}", "0" * 12, "c@2026-01-01", 5, 0.0, 0, 0, 0, (0.5, 0.1, 0.01))


def test_events_count_when_the_ledger_or_a_bill_says_that_their_bid_was_billed() -> None:
    ledger, counted, dropped = Ledger(), list[str](), list[str]()
    unbilled = Unbilled(
        Keeper(ledger),  # type: ignore[arg-type]
        lambda ticket, _: counted.append(ticket.key[-1]),
        lambda ticket, _: dropped.append(ticket.key[-1]),
        most=3,
    )
    ledger.paid[ticket(1).key] = 5
    unbilled.add(ticket(1), Told("view"))  # billed by another bidder
    unbilled.add(ticket(1), Told("like"))
    assert (counted, len(ledger.questions)) == (["1", "1"], 1)
    unbilled.add(ticket(2), Told("view"))
    unbilled.add(ticket(2), Told("like"))
    unbilled.add(ticket(3), Told("view"))
    assert counted == ["1", "1"]
    unbilled.billed(ticket(2))
    assert counted == ["1", "1", "2", "2"]
    ledger.paid[ticket(3).key] = 1
    unbilled.tend(100.0)
    assert counted == ["1", "1", "2", "2", "3"]
    for number in (4, 5, 6, 7):  # one more than are remembered
        unbilled.add(ticket(number), Told("view"))
    assert dropped == ["4"]
    unbilled.forget(lambda ticket: ticket.key.endswith("5"))
    assert (dropped, len(unbilled)) == (["4", "5"], 2)


def test_events_of_lost_and_unbilled_bids_change_nothing(bundle_folder: Path, tmp_path: Path) -> None:
    clock = ManualClock(20_000 * DAY)
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), clock) as bidder:

        def bid() -> Ticket:
            found = bidder.bid(Opportunity((0.6, 0.2, 0.004), 0))
            assert isinstance(found, Bid)
            return found.ticket

        lost, unbilled, free = bid(), bid(), bid()
        bidder.loss(lost)
        bidder.bill(free, 0.0)
        for one in (lost, unbilled, free):
            bidder.outcome(one, Told("share"))
        collector = bidder.days["default"].collector
        assert bidder.notices["event"] == 1  # an exposure that cost nothing was billed all the same
        assert collector.totals().funnel.sum() == 1
        clock.move(clock() + 2 * DAY)
        bidder.tick()
        assert bidder.notices["event_unbilled"] == 2


def test_a_restart_asks_the_ledger_what_was_billed(bundle_folder: Path, tmp_path: Path) -> None:
    clock = ManualClock(20_000 * DAY)

    def opened() -> Bidder:
        return open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), clock)

    with opened() as bidder:
        found = bidder.bid(Opportunity((0.6, 0.2, 0.004), 0))
        assert isinstance(found, Bid)
        bidder.bill(found.ticket, 0.001)
    with opened() as bidder:
        bidder.outcome(found.ticket, Told("share"))
        assert bidder.notices["event"] == 1

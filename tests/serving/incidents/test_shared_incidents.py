"""Two bidders of one store: each has the same incident under the same name, and an operator tells both at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bidpilot.bidding.watch.alarm import Alarm, Risk
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.incidents.incident import Incident, Level, Target
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.orders import EVERY
from bidpilot.serving.place import Place

SLOT = DAY / 48
ALARM = Alarm(Risk.tracking_outage, "conversions", 3, 4, 0.0, 6.0, 2.0, 11.0, 9.0, 4.0, "no conversions are told")


class Shared(SqliteStore):
    """A store of two bidders, which both close it."""

    def close(self) -> None:
        if self.shared:
            self.shared = False
            super().close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(20_000 * DAY)


@pytest.fixture
def pair(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> Iterator[list[Bidder]]:
    with ExitStack() as stack:
        made, store = [], Shared(tmp_path / "ledger.sqlite", clock, shared=True)
        rules = tmp_path / "responses.json"
        rules.write_text('{"certain": 1.5}')
        for name in "ab":
            config = ServeConfig(bundle=bundle_folder, state=tmp_path / name, bidders=2, responses=rules)
            made.append(stack.enter_context(open_bidder(config, clock, name=name, store=store)))
        yield made
        store.shared = True


def alarm(pair: list[Bidder], clock: ManualClock, slots: int) -> None:
    for _ in range(slots):
        clock.move(clock() + SLOT)
        for bidder in pair:
            bidder.tick()
            bidder.responder.alarm("default", ALARM)


def look(pair: list[Bidder]) -> None:
    """Let each look at what the other was ordered."""
    time.sleep(1.2 * EVERY)
    for bidder in pair:
        bidder.tick()


def both(pair: list[Bidder]) -> list[Incident]:
    return [one for bidder in pair for one in bidder.responder.incidents.values()]


def test_an_operator_at_one_bidder_acts_at_both(pair: list[Bidder], clock: ManualClock) -> None:
    alarm(pair, clock, 6)
    a, b = both(pair)
    assert (a.id, a.level) == (b.id, Level.pause) == (b.id, b.level)
    pair[0].responder.acknowledge(a.id, "anna", "looking")
    look(pair)
    assert [one.acknowledged for one in both(pair)] == [True, True]
    assert both(pair)[1].steps[-1].by == "anna"
    for _ in range(2):
        pair[1].responder.undo(a.id, "ben")
    look(pair)
    assert [one.level for one in both(pair)] == [Level.none, Level.none]
    look(pair)  # nothing is done twice
    assert [[s.action for s in one.steps[-3:]] for one in both(pair)] == [["acknowledged", "undone", "undone"]] * 2


def test_a_stop_holds_for_both_and_so_does_its_undoing(pair: list[Bidder], clock: ManualClock) -> None:
    alarm(pair, clock, 18)
    look(pair)
    assert [bidder.served["default"].paused for bidder in pair] == [True, True]
    assert [one.level for one in both(pair)] == [Level.stop, Level.stop]
    for which in (0, 1):
        bidder = pair[which]
        if bidder.responder.open and bidder.responder.open[0].level is Level.stop:
            bidder.responder.close(bidder.responder.open[0].id, "anna")
            look(pair)
    assert [one.open for one in both(pair)] == [False, False]
    assert [bidder.served["default"].paused for bidder in pair] == [False, False]


def test_a_worker_holds_what_the_first_responds_to(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> None:
    """The first alone watches; requests come to all."""
    with ExitStack() as stack:
        store = Shared(tmp_path / "ledger.sqlite", clock, shared=True)
        config = ServeConfig(bundle=bundle_folder, state=tmp_path)
        pair = [
            stack.enter_context(open_bidder(config, clock, name=f"w{k}", store=store, place=Place(k, 2)))
            for k in range(2)
        ]
        clock.move(clock() + SLOT)
        for bidder in pair:
            bidder.tick()
        target = Target(kind="source", index=2)
        id = pair[0].responder.notice(Risk.invalid_traffic, "default", target, "bots", {}, Level.pause).id

        def until(true: Callable[[], bool]) -> None:
            for _ in range(100):
                clock.move(clock() + 1.1)
                for bidder in pair:
                    bidder.tick()
                if true():
                    return
                time.sleep(0.02)
            raise AssertionError("it did not come")

        days = [bidder.days["default"] for bidder in pair]
        until(lambda: days[1].effects.sources == ((2, 0.0),))
        assert days[1].effects == days[0].effects
        assert days[1].decision.planned
        assert pair[1].responder.get(id).level is Level.pause
        pair[1].responder.undo(id, "anna")
        until(lambda: not any(day.effects.planned for day in days))
        assert pair[0].responder.get(id).steps[-1].by == "anna"
        assert not list((tmp_path / "incidents" / "worker-1").glob("*"))
        store.shared = True

"""What bidders of one account know at the end of a slot: the same facts, whoever is late, away or gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.landscape.octaves import RATIOS
from bidpilot.bidding.plan.planner import Planner
from bidpilot.serving.agenda import Agenda, Steps
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.collector import add_win
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import Cause, EventLog, GuardrailConfig
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.pricer import ShadingTable
from bidpilot.serving.reconciliation import ReconciliationConfig
from bidpilot.serving.seen import Seen
from bidpilot.serving.sharing import PATIENCE, PAUSE, Gathered, Sharing
from bidpilot.serving.state import State

SEGMENTS, SOURCES, SLOT = 2, 3, 21_600.0


class Shared(SqliteStore):
    """A ledger that the test's bidders share; nothing can be told or read while it is `away`."""

    shared = True
    away = False

    def tell(self, account: str, slot: int, bidder: str, report: bytes) -> None:
        self._there()
        super().tell(account, slot, bidder, report)

    def told(self, account: str, slot: int) -> dict[str, bytes]:
        self._there()
        return super().told(account, slot)

    def _there(self) -> None:
        if self.away:
            raise LedgerUnavailable("away")


class Table:
    """Bidders around one store."""

    def __init__(self, forecast: Forecast, folder: Path, shared: bool = True) -> None:
        self.clock, self.forecast = ManualClock(0.0), forecast
        self.store = (Shared if shared else SqliteStore)(folder / "ledger.sqlite", self.clock)
        self.state = State(folder / "state.sqlite")
        self.agenda = Agenda()
        self.results: dict[str, Gathered] = {}
        self.events = EventLog(self.clock)
        self.store.open("c", 100_000_000)

    def bidder(self, name: str, bidders: int = 2) -> Sharing:
        planner = Planner(self.forecast)
        desk = Desk(
            planner=planner,
            shade=ShadingTable(planner),
            keeper=Keeper(self.store),
            state=self.state,
            clock=self.clock,
            guardrails=GuardrailConfig(),
            sources=SOURCES,
            bidders=bidders,
            expiry=5.0,
            grace=5.0,
            win_hold=1e6,
            settle_on_win=frozenset(),
            reconciliation=ReconciliationConfig(),
            process=name,
        )
        return Sharing("c", desk, self.events)

    def close(self, name: str, sharing: Sharing, slot: int, own: Seen, held: dict[int, int] | None = None) -> None:
        """A bidder begins to close a slot, whose end is now."""

        def steps() -> Steps:
            end = (slot + 1) * SLOT
            self.results[name] = yield from sharing.gather(slot, own, held or {}, end, self.agenda)

        self.agenda.add(steps())

    def wait(self, seconds: float) -> None:
        begun = self.clock()
        for step in range(1, 21):
            self.clock.move(begun + seconds * step / 20)
            self.agenda.drain(self.clock())

    def at(self, slot: int) -> None:
        """The slot ends."""
        self.clock.move((slot + 1) * SLOT)

    def end(self) -> None:
        self.store.close()
        self.state.close()


@pytest.fixture
def table(even: Forecast, tmp_path: Path) -> Iterator[Table]:
    made = Table(even, tmp_path)
    yield made
    made.end()


def seen(auctions: int, wins: int = 0, by_source: tuple[int, ...] = (), unwatched: float = 0.0) -> Seen:
    totals = SlotTotals.zeros(1, SEGMENTS, SOURCES)
    totals.auctions[0] = auctions
    for _ in range(wins):
        add_win(totals, (0.5, 0.25, 0.125), 0, 1, 0.5, 1.0)
    if by_source:
        totals.source_auctions[0] = by_source
    return Seen(totals, 0.0, 0, np.zeros(RATIOS.bins, np.int64), unwatched)


def wins(gathered: Gathered) -> int:
    return int(gathered.seen.totals.wins[0])


def test_all_know_the_sum_and_measure_their_shares(table: Table) -> None:
    one, two = table.bidder("one"), table.bidder("two")
    table.at(0)
    table.close("one", one, 0, seen(970, 20, (900, 70, 0)), {0: 3_000_000})
    table.close("two", two, 0, seen(30, 1, (0, 30, 0)), {0: 1_000_000})
    table.wait(PAUSE)
    for name in ("one", "two"):
        found = table.results[name]
        assert (found.seen.auctions, wins(found)) == (1000, 21)
        np.testing.assert_allclose(found.outstanding, [4.0, 0.0, 0.0, 0.0])
    assert (one.share, two.share) == pytest.approx((0.961, 0.039), abs=1e-3)  # 20 auctions of weight at the even share
    assert one.by_source[0] > 0.99
    assert two.by_source[0] < 0.01
    np.testing.assert_allclose(one.by_source + two.by_source, 1.0)


def test_until_a_moment_after_the_end_nothing_is_decided(table: Table) -> None:
    one = table.bidder("one")
    table.at(0)
    table.close("one", one, 0, seen(10))
    table.wait(PAUSE - 0.1)
    assert not table.results
    table.wait(0.1)
    assert table.results


def test_one_that_told_before_is_waited_for_and_then_gone(table: Table) -> None:
    one, two = table.bidder("one"), table.bidder("two")
    table.at(0)
    for name, sharing in (("one", one), ("two", two)):
        table.close(name, sharing, 0, seen(500, 5))
    table.wait(PAUSE)
    table.results.clear()
    table.at(1)
    table.close("one", one, 1, seen(480, 4))
    table.wait(PATIENCE - 0.3)
    assert not table.results
    table.wait(0.5)
    assert wins(table.results["one"]) == 4  # its own alone: what the other one had is lost
    assert table.results["one"].settled is None
    assert table.events.counts == {Cause.bidder_gone: 1}
    assert one.share > 0.95
    table.at(2)
    table.close("one", one, 2, seen(500, 5))
    table.wait(PAUSE)
    assert table.results["one"].settled == 0.0  # once, the account says what was spent
    table.at(3)
    table.close("one", one, 3, seen(500, 5))
    table.wait(PAUSE)
    assert table.results["one"].settled is None
    assert table.events.counts == {Cause.bidder_gone: 1}


def test_one_that_tells_later_is_heard_at_the_next_slot(table: Table) -> None:
    one, two = table.bidder("one"), table.bidder("two")
    table.at(0)
    table.close("one", one, 0, seen(100, 3))
    table.wait(PAUSE)
    table.close("two", two, 0, seen(100, 2))
    table.wait(PAUSE)
    assert wins(table.results["one"]) == 3
    table.at(1)
    for name, sharing in (("one", one), ("two", two)):
        table.close(name, sharing, 1, seen(100, 1))
    table.wait(PAUSE)
    found = table.results["one"]
    assert wins(found) == 2
    ((slot, late),) = found.late
    assert (slot, int(late.wins[0]), float(late.spend[0])) == (0, 2, 1.0)
    assert table.results["two"].late == []  # it knew all of slot 0


def test_without_the_store_its_own_stand_for_all_by_the_share_measured_last(table: Table) -> None:
    one, two = table.bidder("one"), table.bidder("two")
    for slot in (0, 1):
        table.at(slot)
        table.close("one", one, slot, seen(7500, 30))
        table.close("two", two, slot, seen(2500, 10))
        table.wait(PAUSE)
    table.results.clear()
    table.at(2)
    assert isinstance(table.store, Shared)
    table.store.away = True
    for name, sharing, own in (("one", one, seen(7500, 30)), ("two", two, seen(2500, 10))):
        table.close(name, sharing, 2, own, {2: 1_000_000})
    table.wait(PATIENCE - 0.3)
    assert not table.results
    table.wait(0.5)
    for name in ("one", "two"):
        found = table.results[name]
        assert found.seen.auctions == pytest.approx(10_000, rel=0.01)
        assert wins(found) == 40
    assert table.results["one"].outstanding[2] == pytest.approx(4 / 3, rel=0.01)
    table.store.away = False
    table.at(3)
    for name, sharing, own in (("one", one, seen(7500, 30)), ("two", two, seen(2500, 12))):
        table.close(name, sharing, 3, own)
    table.wait(PAUSE)
    assert wins(table.results["one"]) == wins(table.results["two"]) == 42
    assert table.events.counts.get(Cause.bidder_gone) is None


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_each_hears_of_every_win_once(data: st.DataObject, even: Forecast, tmp_path_factory: Any) -> None:
    """Wins in their slot or told late to whoever; bidders close their slots in any order, some too late for the others,
    and the store goes away and comes back: after three quiet slots all know the same, and all there is."""
    table = Table(even, tmp_path_factory.mktemp("t"))
    assert isinstance(table.store, Shared)
    names = ["one", "two", "three"]
    bidders = {name: table.bidder(name, 3) for name in names}
    booked = dict.fromkeys(names, 0)
    won = 0
    for slot in range(7):
        quiet = slot >= 4
        counts = {name: 0 if quiet else data.draw(st.integers(0, 3)) for name in names}
        for name in names if not quiet and slot else []:
            if data.draw(st.booleans()):  # a bill comes late: this one books it at once
                late = seen(0, 1).totals
                bidders[name].late(slot - 1, late)
                booked[name] += 1
                won += 1
        won += sum(counts.values())
        table.clock.move((slot + 1) * SLOT)
        away = not quiet and data.draw(st.booleans())
        table.store.away = away
        table.results.clear()
        for name in data.draw(st.permutations(names)):
            table.close(name, bidders[name], slot, seen(30, counts[name]))
            if not quiet and data.draw(st.booleans()):
                table.wait(PAUSE)
        table.wait(2 * PATIENCE)
        for name, found in table.results.items():
            booked[name] += wins(found) + sum(int(late.wins[0]) for _, late in found.late)
    table.end()
    assert booked == dict.fromkeys(names, won)


def test_late_news_are_told_once_and_what_ran_out_too(table: Table) -> None:
    one, two = table.bidder("one"), table.bidder("two")
    for slot in range(3):
        table.at(slot)
        if slot == 1:
            one.late(0, seen(0, 2).totals)
            one.late(0, seen(0, 1).totals)
            one.lapse(1_500_000)
        for name, sharing in (("one", one), ("two", two)):
            table.close(name, sharing, slot, seen(10))
        table.wait(PAUSE)
        found = table.results["two"]
        assert [(s, int(totals.wins[0])) for s, totals in found.late] == ([(0, 3)] if slot == 1 else [])
        assert found.lapsed == (1.5 if slot == 1 else 0.0)
        assert table.results["one"].late == []
        assert table.results["one"].lapsed == 0.0


def test_one_that_counts_other_things_is_not_summed_but_told_of(table: Table) -> None:
    one = table.bidder("one")
    table.store.tell("c", 0, "odd", b"something else")
    table.at(0)
    table.close("one", one, 0, seen(10, 1))
    table.wait(PAUSE)
    assert wins(table.results["one"]) == 1
    assert table.events.counts == {Cause.report_unread: 1}


def test_one_that_comes_later_knows_what_was_told_before_it(table: Table) -> None:
    one, two = table.bidder("one"), table.bidder("two")
    for slot in (0, 1):
        table.at(slot)
        if slot == 1:
            two.late(0, seen(0, 1).totals)
        table.close("one", one, slot, seen(80, 4))
        table.close("two", two, slot, seen(20, 1))
        table.wait(PAUSE)
    three = table.bidder("three", bidders=2)
    found, late = three.history(2)
    assert {slot: (s.auctions, int(s.totals.wins[0])) for slot, s in found.items()} == {0: (100, 5), 1: (100, 5)}
    assert [(slot, int(totals.wins[0])) for slot, totals in late] == [(0, 1)]
    assert three.share == pytest.approx(1 / 3)


@pytest.mark.parametrize("bidders", [1, 2, 4])
def test_where_the_store_is_nobody_elses_it_is_an_even_part_of_those_configured(
    even: Forecast, tmp_path: Path, bidders: int
) -> None:
    table = Table(even, tmp_path, shared=False)
    one = table.bidder("one", bidders)
    table.at(0)
    table.close("one", one, 0, seen(10, 3), {0: 500_000})
    table.agenda.drain(table.clock())  # at once
    found = table.results["one"]
    assert (found.seen.auctions, wins(found), found.outstanding[0]) == (10 * bidders, 3 * bidders, 0.5 * bidders)
    assert one.share == one.part == 1 / bidders
    assert one.factor == bidders
    table.end()


def test_a_bidder_of_little_traffic_may_still_use_a_part_of_a_slots_limit(table: Table) -> None:
    one, two = table.bidder("one"), table.bidder("two")
    for slot in range(3):
        table.at(slot)
        table.close("one", one, slot, seen(1000))
        table.close("two", two, slot, seen(0))
        table.wait(PAUSE)
    assert two.share < 0.001
    assert two.part == 0.25
    assert one.part > 0.99

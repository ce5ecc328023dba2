"""The game day's faults do what they say to the auctions, and its verdict sees what goes wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.incidents.incident import Action, Incident, Level, Step, Target
from bidpilot.serving.ledger.store import AccountState
from tests.game_day.day import EXCHANGES, Auctions, draw, with_faults
from tests.game_day.exchange import Books
from tests.game_day.faults import FAULTS, BotBurst, Fault, Shock, SilentExchange
from tests.game_day.report import timeline, verdict
from tests.game_day.verdict import Day, conditions, missed, noticed
from tests.game_day.walk import START, Played

SHOCK = Shock("shock", 20, 47, (Risk.platform_shock,), bar=3)
BOTS = BotBurst("bots", 10, 15, (Risk.invalid_traffic,), bar=3)


@pytest.fixture(scope="module")
def day() -> Auctions:
    return draw(0)


def test_a_shock_takes_its_share_from_its_first_slot_on_and_no_other_auction(day: Auctions) -> None:
    found = with_faults(day, (SHOCK,), 0)
    before = day.slot < SHOCK.first
    np.testing.assert_array_equal(found.price[found.slot < SHOCK.first], day.price[before])
    left = (found.slot >= SHOCK.first).sum() / (~before).sum()
    assert left == pytest.approx(1 - SHOCK.depth, abs=0.03)
    assert set(found.price) <= set(day.price)


def test_bots_are_their_share_of_requests_come_from_their_sources_and_bring_nothing(day: Auctions) -> None:
    found = with_faults(day, (BOTS,), 0)
    hit = (found.slot >= BOTS.first) & (found.slot <= BOTS.last)
    assert found.bot[hit].mean() == pytest.approx(BOTS.share, abs=0.02)
    assert not found.bot[~hit].any()
    assert set(found.source[found.bot]) == set(BOTS.sources)
    assert (found.true[found.bot] == 0).all()
    assert not found.viewed[found.bot].any()
    assert found.predicted[found.bot, 2].mean() > day.predicted[:, 2].mean()  # they look good
    assert (np.diff(found.slot) >= 0).all()
    np.testing.assert_array_equal(found.price[~found.bot], day.price)


def test_the_silent_exchange_has_too_few_wins_to_stop_the_campaign_by_itself(day: Auctions) -> None:
    (silent,) = (fault for fault in FAULTS if isinstance(fault, SilentExchange))
    assert 0.2 < (day.exchange == EXCHANGES.index(silent.exchange)).mean() < 0.5


def incident(risk: Risk, slot: int, *levels: Level) -> Incident:
    steps = tuple(Step(at=START + 60.0 * k, action=Action.opened, level=level) for k, level in enumerate(levels))
    return Incident(
        id=f"{risk.value}-{slot}",
        risk=risk,
        campaign="default",
        target=Target(kind="campaign"),
        day=date(2026, 1, 1),
        slot=slot,
        level=Level.none,
        steps=steps,
    )


def played(name: str, value: float = 1.0, *incidents: Incident) -> Played:
    books = Books(48)
    books.billed = 900
    return Played(
        name=name,
        books=books,
        budget=40.0,
        value=value,
        account=AccountState(1000, 900, 0, 0, 0),
        worst=-100,
        disobeyed=(),
        unanswered=0,
        incidents=incidents,
        events={},
    )


def told(**changes: object) -> Day:
    guarded = replace(played("guard", 0.9, incident(Risk.platform_shock, 21, Level.throttle)), **changes)  # type: ignore[arg-type]
    return Day((SHOCK,), played("no faults"), played("no guard", 0.85), guarded)


def test_a_day_on_which_all_holds_has_passed_and_says_what_faults_cost() -> None:
    good = told()
    found = conditions(good)
    assert not missed(found)
    assert verdict(good, found).startswith("game day: passed")
    assert "6.000 without the guard and 4.000 with it" in verdict(good, found)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"incidents": ()}, "shock noticed within 3 slots"),
        ({"incidents": (incident(Risk.platform_shock, 23),)}, "shock noticed within 3 slots"),
        ({"incidents": (incident(Risk.platform_shock, 19),)}, "shock noticed within 3 slots"),
        ({"incidents": (incident(Risk.store_failure, 20),)}, "shock noticed within 3 slots"),
        ({"incidents": (incident(Risk.platform_shock, 20, Level.stop),)}, "no level-3 stop"),
        ({"account": AccountState(1000, 901, 0, 0, 0)}, "guard: no micro-unit lost"),
        ({"account": AccountState(1000, 900, 5, 0, 5)}, "guard: no micro-unit lost"),
        ({"account": AccountState(1000, 900, 0, 1, 0)}, "guard: no micro-unit lost"),
        ({"unanswered": 1}, "guard: no micro-unit lost"),
        ({"worst": 1}, "guard: never above the budget, wins counted as owed"),
        ({"disobeyed": ("2 bids while they were stopped",)}, "guard: orders obeyed"),
        ({"value": 0.84}, "the guard costs no value, but for a hundredth"),
    ],
)
def test_the_verdict_names_what_does_not_hold(changes: dict[str, object], broken: str) -> None:
    bad = told(**changes)
    found = conditions(bad)
    assert [condition.name for condition in missed(found)] == [broken]
    assert verdict(bad, found).startswith(f"game day: failed: {broken}")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_slots_are_counted_from_the_fault_on(fault: Fault) -> None:
    risk = fault.risks[0]
    assert noticed(fault, (incident(risk, fault.first - 1),)) is None
    assert noticed(fault, (incident(risk, fault.first + 2), incident(risk, fault.first))) == 1


def test_a_timeline_is_in_order_and_names_every_step() -> None:
    text = timeline((SHOCK,), (incident(Risk.platform_shock, 21, Level.throttle, Level.none),), START)
    assert [line.split()[0] for line in text.splitlines()] == ["slot", "0", "0", "20"]
    assert text.count("platform_shock") == 2
    assert "SHOCK begins" in text

"""Guardrails in numbers worked out by hand: how far a coefficient moves, what is counted, when bidding rests."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.guardrails import Cause, CircuitBreaker, EventLog, GuardrailConfig, bid_cap, limit_step


def rule(*alpha: float, beta: tuple[float, float] = (0.0, 0.0), multiplier: float = 1.0) -> Rule:
    return Rule(np.array([alpha]), np.full((1, 2), multiplier), np.array([beta]))


def test_a_coefficient_rises_and_falls_by_the_limit_at_most() -> None:
    before = rule(1.0, 1.0, 1.0, beta=(0.5, 0.0))
    after = rule(20.0, 0.01, 3.0, beta=(0.01, 7.0), multiplier=0.25)
    held, cut = limit_step(before, after, 8.0)
    np.testing.assert_array_equal(held.alpha, [[8.0, 0.125, 3.0]])
    np.testing.assert_array_equal(held.beta, [[0.0625, 7.0]])  # from nothing there is no factor
    np.testing.assert_array_equal(held.multiplier, [[0.25, 0.25]])
    assert cut


def test_a_limited_rule_keeps_its_gate() -> None:
    gate = Gate.open(1, 3)
    held, _ = limit_step(rule(1.0, 1.0, 1.0), replace(rule(20.0, 1.0, 1.0), gate=gate), 8.0)
    assert held.gate is gate


@pytest.mark.parametrize("alpha", [(8.0, 1.0, 1.0), (0.125, 1.0, 1.0), (1.0, 1.0, 1.0)])
def test_a_step_to_the_limit_itself_is_not_cut(alpha: tuple[float, float, float]) -> None:
    held, cut = limit_step(rule(1.0, 1.0, 1.0), rule(*alpha), 8.0)
    np.testing.assert_array_equal(held.alpha, [alpha])
    assert not cut


def test_a_share_price_alone_is_cut_too() -> None:
    _, cut = limit_step(rule(1.0, 1.0, 1.0, beta=(1.0, 1.0)), rule(1.0, 1.0, 1.0, beta=(1.0, 9.0)), 8.0)
    assert cut


def test_the_bid_cap_is_a_multiple_of_the_plans_largest_bid(even: Forecast) -> None:
    """Each auction's worth is 1 in exposure, 1 in interaction and 1 / 10 of a conversion: 1 + 2 + 0.3 = 3.3."""
    alpha = np.array([[1.0, 2.0, 3.0]])
    assert bid_cap(GuardrailConfig(), even, alpha, 10.0) == pytest.approx(4 * 3.3)
    assert bid_cap(GuardrailConfig(bid_cap_factor=2.0), even, alpha, 10.0) == pytest.approx(2 * 3.3)
    assert bid_cap(GuardrailConfig(bid_cap=0.7), even, alpha, 10.0) == 0.7
    rates = replace(even, conversion_value=6.0)  # 1 / 6 of a conversion, whatever it is worth: 1 + 2 + 0.5
    assert bid_cap(GuardrailConfig(), rates, alpha, 10.0) == pytest.approx(4 * 3.5)


def test_every_event_is_counted_and_one_a_second_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock(100.0)
    events = EventLog(clock, "spring")
    with caplog.at_level(logging.WARNING, logger="bidpilot.serving"):
        for now, cause in (
            (100.0, Cause.debt),
            (100.5, Cause.debt),
            (100.9, Cause.debt),
            (100.9, Cause.bid_cap),
            (101.0, Cause.debt),
        ):
            clock.move(now)
            events.record(cause, "why")
    assert events.counts == {Cause.debt: 4, Cause.bid_cap: 1}
    lines = [json.loads(r.message) for r in caplog.records]
    assert [(line["event"], line["new"]) for line in lines] == [("debt", 1), ("bid_cap", 1), ("debt", 3)]
    assert {(line["campaign"], line["detail"]) for line in lines} == {("spring", "why")}


def breaker(clock: ManualClock) -> CircuitBreaker:
    config = GuardrailConfig(breaker_errors=3, breaker_window=10.0, breaker_rest=30.0)
    return CircuitBreaker(config, EventLog(clock), clock)


def test_failures_close_together_rest_bidding_and_it_goes_on_by_itself() -> None:
    clock = ManualClock(0.0)
    made = breaker(clock)
    for now in (0.0, 5.0, 9.0):
        assert not made.open
        clock.move(now)
        made.failed("no answer")
    assert made.open
    clock.move(38.9)
    assert made.open  # 9 + 30 = 39
    clock.move(39.0)
    assert not made.open
    assert made.events.counts == {Cause.breaker_open: 1, Cause.breaker_closed: 1}
    made.failed("no answer")  # those before the rest count no more
    assert not made.open


def test_failures_far_apart_do_no_harm() -> None:
    clock = ManualClock(0.0)
    made = breaker(clock)
    for now in (0.0, 5.0, 10.0, 15.0, 20.0):  # never three within ten seconds
        clock.move(now)
        made.failed("no answer")
    assert not made.open
    assert made.events.counts == {}

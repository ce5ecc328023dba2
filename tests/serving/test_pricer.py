"""One exposure priced in numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.serving.pricer import Pricer, ShadingTable

VALUE = (0.5, 0.25, 0.0125)
RULE = Rule(alpha=np.array([[2.0, 10.0, 100.0]]), multiplier=np.array([[1.0, 0.5]]), beta=np.array([[0.0, 0.25]]))
"""alpha . v = 2 * 0.5 + 10 * 0.25 + 100 * 0.0125 = 4.75."""


@pytest.fixture
def pricer(even: Forecast) -> Pricer:
    return Pricer(RULE, cap=3.0, shade=ShadingTable(Planner(even)))


def test_the_bid_is_the_rules_and_the_cap_is_the_callers_to_apply(pricer: Pricer) -> None:
    assert pricer.alpha == (2.0, 10.0, 100.0)
    assert pricer.bid(VALUE, 0, 0, first_price=False) == pytest.approx(4.75, rel=1e-15)
    assert pricer.bid(VALUE, 1, 0, first_price=False) == pytest.approx(0.5 * 4.75 + 0.25, rel=1e-15)


def test_every_part_of_a_bid_is_told(pricer: Pricer) -> None:
    parts = pricer.explain(VALUE, 1, 0, first_price=False)
    assert parts["terms"] == {"exposure": 1.0, "interaction": 2.5, "conversion": 1.25}
    assert parts["alpha"] == {"exposure": 2.0, "interaction": 10.0, "conversion": 100.0}
    assert parts["value"] == {"exposure": 0.5, "interaction": 0.25, "conversion": 0.0125}
    assert (parts["multiplier"], parts["beta"], parts["cap"]) == (0.5, 0.25, 3.0)
    assert (parts["worth"], parts["shaded"], parts["bid"]) == pytest.approx((2.625, 2.625, 2.625))
    assert pricer.explain(VALUE, 0, 0, first_price=False)["bid"] == 3.0  # 4.75, cut at the cap


def test_a_bid_below_nothing_is_nothing(even: Forecast) -> None:
    rule = Rule(np.array([[1.0, 0.0, 0.0]]), np.ones((1, 1)), np.array([[-2.0]]))
    pricer = Pricer(rule, 3.0, ShadingTable(Planner(even)))
    assert pricer.explain((0.5, 0.0, 0.0), 0, 0, first_price=True)["bid"] == 0.0
    assert pricer.bid((0.5, 0.0, 0.0), 0, 0, first_price=True) == -1.5  # and is not shaded


def test_at_first_price_half_of_the_value_is_bid_where_prices_are_uniform(even: Forecast) -> None:
    """Prices are even on 0 .. 1: of a value v, (v - b) * b is most at v / 2; above a value of 2 all is won for 1."""
    shade = ShadingTable(Planner(even))
    assert shade(0.8) == pytest.approx(0.4, abs=0.02)
    assert shade(0.6) == pytest.approx(0.3, abs=0.02)
    assert shade(4.0) == pytest.approx(1.0, abs=0.05)


def test_at_first_price_a_value_is_shaded_at_the_price_level(even: Forecast) -> None:
    """Where prices are four times the forecast's, 0 .. 4, half of a value of 3.2 is bid; at the forecast's all, 1."""
    shade = ShadingTable(Planner(even))
    rule = Rule(np.array([[1.0, 0.0, 0.0]]), np.ones((1, 1)), np.zeros((1, 1)))
    plain, dear = (Pricer(replace(rule, price_level=level), 9.0, shade) for level in (None, np.array([4.0])))
    assert plain.bid((3.2, 0.0, 0.0), 0, 0, True) == pytest.approx(1.0, abs=0.05)
    assert dear.bid((3.2, 0.0, 0.0), 0, 0, True) == pytest.approx(1.6, abs=0.08)
    assert dear.bid((3.2, 0.0, 0.0), 0, 0, False) == pytest.approx(3.2)
    assert dear.explain((3.2, 0.0, 0.0), 0, 0, True)["price_level"] == 4.0


def test_a_source_is_discounted_before_the_bid_is_shaded(even: Forecast) -> None:
    """Of 2.625 half, and nothing; shading takes the discounted value."""
    shade = ShadingTable(Planner(even))
    gate = Gate(np.array([[1.0, 0.5, 0.0]]), np.full((1, 3), np.inf))
    pricer = Pricer(replace(RULE, gate=gate), cap=3.0, shade=shade)
    assert [pricer.bid(VALUE, 1, source, False) for source in range(3)] == pytest.approx([2.625, 1.3125, 0.0])
    assert pricer.bid(VALUE, 1, 1, True) == shade(1.3125) != 0.5 * shade(2.625)
    parts = pricer.explain(VALUE, 1, 1, False)
    assert (parts["source_multiplier"], parts["worth"], parts["bid"]) == (0.5, 1.3125, 1.3125)
    assert pricer.explain(VALUE, 1, 0, False)["source_multiplier"] == 1.0

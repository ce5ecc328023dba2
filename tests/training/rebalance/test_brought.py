"""Results move a weight only as far as days prove it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.training.rebalance.brought import LEAST, LEAST_DAYS, MOST, Ratio, brought, ratio
from bidpilot.training.rebalance.server import DaySpend
from tests.training.rebalance.admin import spent_day

WEIGHTS, IDEAL = (0.2, 0.3, 0.5), np.array([1000.0, 300.0, 10.0])


def day(predicted: tuple[float, ...], realised: tuple[float, ...]) -> DaySpend:
    return DaySpend.model_validate(spent_day(predicted=predicted, realised=realised))


def test_it_is_a_ratio_of_sums_with_the_interval_of_cochran() -> None:
    """By hand: x = 10 each, y = 8, 9, 7, 8, 8: ratio 0.8, residuals 0, 1, -1, 0, 0, t(4) = 2.7764."""
    x, y = np.full(5, 10.0), np.array([8.0, 9.0, 7.0, 8.0, 8.0])
    error = np.sqrt(2.0 * 5 / 4) / 50
    found = ratio(x, y)
    assert found.measured == pytest.approx(0.8)
    assert found.low == pytest.approx(0.8 - 2.776445 * error, rel=1e-6)
    assert found.high == pytest.approx(0.8 + 2.776445 * error, rel=1e-6)
    assert found.weight == found.high


def test_above_what_is_predicted_the_lower_end_counts() -> None:
    found = ratio(np.full(6, 10.0), np.array([13.0, 12.0, 12.5, 12.0, 13.0, 12.5]))
    assert found.low is not None
    assert 1.0 < found.weight == found.low < 1.25


def test_few_days_say_nothing() -> None:
    few = LEAST_DAYS - 1
    assert ratio(np.full(few, 10.0), np.full(few, 2.0)) == Ratio(1.0, days=few)
    assert ratio(np.zeros(9), np.zeros(9)) == Ratio(1.0)
    assert ratio(np.full(LEAST_DAYS, 10.0), np.full(LEAST_DAYS, 2.0)).weight == LEAST


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0, 1000)), min_size=5, max_size=28))
def test_a_weight_lies_between_1_and_what_was_measured(days: list[tuple[float, float]]) -> None:
    found = ratio(np.array([x for x, _ in days]), np.array([y for _, y in days]))
    assert found.measured is not None
    assert LEAST <= found.weight <= MOST
    low, high = sorted((1.0, found.measured))
    assert low - 1e-9 <= found.weight <= high + 1e-9 or found.weight in (LEAST, MOST)


def test_chance_alone_moves_a_weight_in_one_of_twenty() -> None:
    """Days of what is predicted, as counts come: 400 campaigns of three weeks."""
    rng = np.random.default_rng(7)
    x = rng.uniform(20.0, 60.0, (400, 21))
    moved = [ratio(a, rng.poisson(a).astype(float)).weight != 1.0 for a in x]
    assert 0.02 < np.mean(moved) < 0.085


def test_utility_is_weighed_as_the_portfolio_weighs_it() -> None:
    """Conversions alone came to a half, which by these weights is a quarter less."""
    told = [day((1000.0, 300.0, 10.0), (1000.0, 300.0, 5.0))] * 7
    assert brought(told, WEIGHTS, IDEAL).measured == pytest.approx(0.75)


def test_what_is_never_told_of_says_nothing() -> None:
    """Who sends no conversions is not one whose wins bring none; who sends no events at all has no results."""
    silent = [day((1000.0, 300.0, 10.0), (1000.0, 150.0, 0.0))] * 7
    assert brought(silent, WEIGHTS, IDEAL).measured == pytest.approx((0.2 + 0.15) / 0.5)
    assert brought([day((1000.0, 300.0, 10.0), (1000.0, 0.0, 0.0))] * 7, WEIGHTS, IDEAL) == Ratio(1.0)
    assert brought([], WEIGHTS, IDEAL) == Ratio(1.0)

"""Optima that a sort finds, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.solvers.hindsight_frontier import best_spend_with_target, fractional_knapsack, knapsack_shares

VALUE, PRICE = np.array([1.0, 3.0, 2.0]), np.array([2.0, 2.0, 2.0])  # value per price 0.5, 1.5 and 1


@pytest.mark.parametrize(
    ("budget", "shares", "value"),
    [
        (0.0, [0, 0, 0], 0.0),
        (1.0, [0, 0.5, 0], 1.5),
        (3.0, [0, 1, 0.5], 4.0),
        (4.0, [0, 1, 1], 5.0),
        (5.0, [0.5, 1, 1], 5.5),
        (9.0, [1, 1, 1], 6.0),
    ],
)
def test_a_budget_buys_by_value_per_price(budget: float, shares: list[float], value: float) -> None:
    np.testing.assert_allclose(knapsack_shares(VALUE, PRICE, budget), shares)
    assert fractional_knapsack(VALUE, PRICE, budget) == pytest.approx(value)


def test_what_is_worth_nothing_is_not_bought_and_what_is_free_is() -> None:
    got = knapsack_shares(np.array([0.0, 1.0, 1.0]), np.array([0.0, 0.0, 4.0]), 1.0)
    np.testing.assert_allclose(got, [0.0, 1.0, 0.25])


@pytest.mark.parametrize(
    ("max_cpa", "shares"),
    [
        # conversions of 1 for 1 and of 1 for 4, a budget of 5
        (9.0, [1.0, 1.0]),  # 2 for 5: within any such target
        (1.0, [1.0, 0.0]),  # any of the second is above it: 1, against 2 * (2 / 5) ** 2 = 0.32 for all
        (2.0, [1.0, 0.5]),  # 1.5 for 3, just at the target: 1.5, against 2 * (4 / 5) ** 2 = 1.28 for all
        (2.4, [1.0, 0.875]),  # 1.875 for 4.5, just at the target; all would score 2 * (4.8 / 5) ** 2 = 1.843
    ],
)
def test_a_target_of_cost_is_passed_only_where_the_square_of_the_excess_is_worth_it(
    max_cpa: float, shares: list[float]
) -> None:
    got = best_spend_with_target(np.array([1.0, 1.0]), np.array([1.0, 4.0]), 5.0, max_cpa)
    np.testing.assert_allclose(got, shares)


def test_a_steep_first_purchase_may_pass_the_target() -> None:
    """One auction of value 10 for 20 at a target of 1.9: part of it costs as much per conversion, so all is best."""
    got = best_spend_with_target(np.array([10.0]), np.array([20.0]), 100.0, 1.9)
    np.testing.assert_allclose(got, [1.0])

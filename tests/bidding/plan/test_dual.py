"""The dual of small days, against optima that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.constraints.row import Row, Scaled
from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.plan.dual import Multipliers, dual_bound, rule_of, solve_dual

NONE3, ONE = np.zeros(3), np.ones(1)
CONVERSIONS = np.array([0.0, 0.0, 1.0])
ROUNDING = 2e-3  # kinks are rounded over a share of the price


def day(price: list[float], conversions: list[float], segment: list[int] | None = None) -> Scaled:
    """One slot of as many auctions as prices, each of which can be bought once."""
    value = np.zeros((len(price), 3))
    value[:, 2] = conversions
    return Scaled(
        share=np.ones((1, len(price))),
        price=np.array(price),
        value=value,
        curve=np.ones(1),
        segment=np.zeros(len(price), np.int64) if segment is None else np.array(segment, np.int64),
    )


def budget(bound: float, segments: int = 1) -> Row:
    return Row("budget", np.ones(segments), NONE3, np.zeros(segments), bound)


THREE = day([0.25, 0.3, 0.4], [0.5, 0.3, 0.2])  # value per price 2, 1 and 0.5
"""With a budget of 0.4 the first is bought whole and half of the second: 0.5 + 0.15 = 0.65, at a price of 1."""


def test_the_budgets_multiplier_is_what_the_last_unit_of_money_buys() -> None:
    rows = (budget(0.4),)
    found = solve_dual(THREE, rows, CONVERSIONS, Scalarisation.weighted_sum.code)
    assert found.utility == pytest.approx(0.65, abs=ROUNDING)
    assert found.rows[0] == pytest.approx(1.0, rel=0.01)
    np.testing.assert_allclose(found.kpi, CONVERSIONS)


@pytest.mark.parametrize(
    ("multiplier", "bound"),
    [
        (1.0, 0.65),  # 0.4 + (0.5 - 0.25): the optimum itself
        (0.0, 1.0),  # everything, as if money were free
        (2.0, 0.8),  # 0.8, and nothing is worth its price
        (0.5, 0.725),  # 0.2 + (0.5 - 0.125) + (0.3 - 0.15)
    ],
)
def test_every_multiplier_certifies_a_bound(multiplier: float, bound: float) -> None:
    found = Multipliers(kpi=CONVERSIONS, rows=np.array([multiplier]), utility=0.0)
    got = dual_bound(THREE, (budget(0.4),), CONVERSIONS, Scalarisation.weighted_sum.code, found)
    assert bound <= got <= bound + 1e-4  # a rounded kink lies above


def test_a_budget_that_buys_everything_is_free() -> None:
    found = solve_dual(THREE, (budget(2.0),), CONVERSIONS, Scalarisation.weighted_sum.code)
    assert found.utility == pytest.approx(1.0, abs=ROUNDING)
    assert found.rows[0] == pytest.approx(0.0, abs=ROUNDING)


def test_a_cap_has_a_price_of_its_own() -> None:
    """Segment 0 sells value 1 for 0.5, segment 1 value 0.5 for 0.5; a budget of 0.7, and a cap of 0.25 on segment 0.

    0.25 buys value 0.5, the other 0.45 buy 0.45. Money is worth 1 in segment 1, and 1 more in segment 0.
    """
    scaled = day([0.5, 0.5], [1.0, 0.5], [0, 1])
    rows = (budget(0.7, 2), Row("cap/feed", np.array([1.0, 0.0]), NONE3, np.zeros(2), 0.25))
    found = solve_dual(scaled, rows, CONVERSIONS, Scalarisation.weighted_sum.code)
    assert found.utility == pytest.approx(0.95, abs=ROUNDING)
    np.testing.assert_allclose(found.rows, [1.0, 1.0], rtol=0.01)


def test_at_chebyshev_what_is_worst_has_the_weight() -> None:
    """Exposure and conversions are sold apart, one of each, for 0.5 and 0.25; preferred alike.

    Level totals x take 0.5 x + 0.25 x = 0.6 of money: x = 0.8, and u = 0.5 * 0.8 / 0.5 = 0.8; money is worth 1 / 0.75.
    Marginal utilities are in proportion to what a unit costs, 2 to 1, and sum to 1.
    """
    value = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    scaled = day([0.5, 0.25], [0.0, 0.0])._replace(value=value)
    found = solve_dual(scaled, (budget(0.6),), np.array([0.5, 0.0, 0.5]), Scalarisation.chebyshev.code)
    assert found.utility == pytest.approx(0.8, abs=ROUNDING)
    assert found.rows[0] == pytest.approx(4 / 3, rel=0.01)
    np.testing.assert_allclose(found.kpi, [2 / 3, 0.0, 1 / 3], atol=0.01)


def test_the_rule_divides_by_what_money_costs_in_each_segment() -> None:
    """Money costs 2 in segment 0 and 2 + 2 in segment 1: scale 1 / 2, multipliers 1 and 1 / 2."""
    rows = (budget(1.0, 2), Row("cap/search", np.array([0.0, 1.0]), NONE3, np.array([0.0, 0.5]), 1.0))
    found = Multipliers(kpi=np.array([0.25, 0.0, 0.75]), rows=np.array([2.0, 2.0]), utility=1.0)
    rule = rule_of(found, rows)
    np.testing.assert_allclose(rule.gain, [0.25, 0.0, 0.75])
    np.testing.assert_allclose(rule.share, [0.0, -1.0])  # each win in segment 1 costs 2 * 0.5
    np.testing.assert_allclose(rule.multiplier, [1.0, 0.5])
    assert rule.scale == 0.5


def test_rows_that_conflict_are_named() -> None:
    """The whole day brings 1; a floor of 2 cannot be met."""
    floor = Row("floor/conversion", np.zeros(1), CONVERSIONS, np.zeros(1), -2.0)
    with pytest.raises(InfeasibleCampaign, match="floor/conversion"):
        solve_dual(THREE, (budget(0.4), floor), CONVERSIONS, Scalarisation.weighted_sum.code)

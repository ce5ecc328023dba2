"""Facts about utilities: u(z) = 1, degree 1, the formulas of design section 1, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.campaign.scalarisation import Scalarisation, check_ideal_point, check_preference, utility
from bidpilot.bidding.errors import InvalidPreference, ZeroIdealPoint

KINDS = np.array([kind.code for kind in Scalarisation])
IDEAL = np.tile([200.0, 30.0, 4.0], (3, 1))
shares = st.lists(st.floats(0.01, 1), min_size=3, max_size=3)


@given(weights=shares)
def test_the_ideal_point_has_utility_one(weights: list[float]) -> None:
    w = np.tile(np.array(weights) / sum(weights), (3, 1))
    np.testing.assert_allclose(utility(IDEAL, IDEAL, w, KINDS), 1.0, rtol=1e-12)


@given(weights=shares, kpi=shares, factor=st.floats(0.01, 100))
def test_utility_grows_in_proportion(weights: list[float], kpi: list[float], factor: float) -> None:
    w, x = np.tile(np.array(weights) / sum(weights), (3, 1)), np.tile(kpi, (3, 1)) * IDEAL
    np.testing.assert_allclose(utility(factor * x, IDEAL, w, KINDS), factor * utility(x, IDEAL, w, KINDS), rtol=1e-9)


def test_the_formulas() -> None:
    x, z, w = np.tile([1.0, 1.0, 3.0], (3, 1)), np.tile([2.0, 4.0, 4.0], (3, 1)), np.tile([0.5, 0.25, 0.25], (3, 1))
    want = [
        0.5 * 0.5 + 0.25 * 0.25 + 0.25 * 0.75,
        0.5**0.5 * 0.25**0.25 * 0.75**0.25,
        0.5 * min(0.5 / 0.5, 0.25 / 0.25, 0.75 / 0.25),
    ]
    np.testing.assert_allclose(utility(x, z, w, KINDS), want, rtol=1e-12)
    for b in range(3):  # a row alone takes the same value as among others
        one = slice(b, b + 1)
        np.testing.assert_array_equal(utility(x[one], z[one], w[one], KINDS[one]), utility(x, z, w, KINDS)[one])


def test_a_kpi_without_preference_is_left_out_whatever_its_ideal_point() -> None:
    w = np.tile([0.0, 0.4, 0.6], (3, 1))
    x, z = np.tile([7.0, 1.0, 2.0], (3, 1)), np.tile([0.0, 2.0, 4.0], (3, 1))
    assert np.isfinite(utility(x, z, w, KINDS)).all()
    np.testing.assert_array_equal(
        utility(x, z, w, KINDS), utility(x * [0.0, 1, 1], z + np.array([9.0, 0, 0]), w, KINDS)
    )


@pytest.mark.parametrize("bad", [[0.5, 0.5], [0.5, 0.5, 0.1], [-0.1, 0.6, 0.5], [np.nan, 0.5, 0.5], [np.inf, 0, 0]])
def test_a_preference_is_a_distribution(bad: list[float]) -> None:
    with pytest.raises(InvalidPreference):
        check_preference(bad)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_an_unusable_ideal_point_is_refused_by_name_where_it_is_preferred(value: float) -> None:
    ideal = np.array([[1.0, value, 1.0]])
    with pytest.raises(ZeroIdealPoint, match="interaction"):
        check_ideal_point(ideal, np.array([[0.4, 0.2, 0.4]]))
    check_ideal_point(ideal, np.array([[0.4, 0.0, 0.6]]))


def test_a_good_preference_comes_back_in_numbers_one_or_many() -> None:
    one = check_preference([1, 0, 0])
    assert one.dtype == np.float64
    np.testing.assert_array_equal(one, [1.0, 0.0, 0.0])
    many = [[0.2, 0.3, 0.5], [0.0, 0.0, 1.0]]
    np.testing.assert_array_equal(check_preference(many), many)
    with pytest.raises(InvalidPreference, match="sums to 1"):
        check_preference([*many, [0.2, 0.3, 0.6]])

"""Facts about shading: the bid with the most expected surplus, on win curves of two steps and of a straight line."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.landscape.forecast import BidLandscape, Forecast
from bidpilot.bidding.landscape.shading import POINTS, fit_shading, grid, shade

STEP = 0.01  # of the factors that are tried


def two_prices() -> BidLandscape:
    """Half of the auctions cost 1, half 3: 0.5 and 1.5 times the mean price of 2."""
    return BidLandscape(
        price=np.array([3.0, 1.0]),
        value=np.ones((2, 3)),
        segment=np.zeros(2, np.int16),
        weight=np.array([0.5, 0.5]),
    )


def at(value: float) -> int:
    """Position in the grid of a value in units of the mean price."""
    (position,) = np.flatnonzero(grid() == value)
    return int(position)


def test_values_are_tabulated_eight_to_the_octave_evenly_within_it() -> None:
    points = grid()
    assert points.shape == (POINTS,) == (128,)
    np.testing.assert_array_equal(points[[0, 1, 64, 68, 72, 127]], [1 / 256, 9 / 2048, 1.0, 1.5, 2.0, 240.0])


@pytest.mark.parametrize(
    ("value", "step"),
    [
        (0.25, 0.25),  # nothing can be won: nothing is shaded
        (0.75, 0.5),  # the cheap half leaves (0.75 - 0.5) / 2
        (1.75, 0.5),  # the cheap half leaves (1.75 - 0.5) / 2 = 0.625, all leave 1.75 - 1.5 = 0.25
        (4.0, 1.5),  # all leave 4 - 1.5 = 2.5, the cheap half (4 - 0.5) / 2 = 1.75
    ],
)
def test_the_bid_is_the_least_that_wins_the_step_with_the_most_surplus(value: float, step: float) -> None:
    bid = value * fit_shading(two_prices())[at(value)]
    assert step <= bid <= step + STEP * value  # factors are tried in hundredths


def test_prices_that_are_uniform_halve_the_value(even: Forecast) -> None:
    """Of a value v, prices even on 0 .. 1, the surplus (v - b) b is most at v / 2; above a value of 2 all is won."""
    factors, land = fit_shading(even.landscape), even.landscape
    low, high = at(0.75), at(1.75)
    np.testing.assert_allclose(factors[low : high + 1], 0.5, atol=0.04)  # prices are hundredths too
    np.testing.assert_allclose(shade(np.array([8.0]), factors, land.mean_price), [1.0], atol=8 * STEP)


def test_the_bid_never_falls_as_the_value_rises() -> None:
    assert (np.diff(fit_shading(two_prices()) * grid()) >= -1e-12).all()


def test_between_the_points_of_the_grid_factors_are_linear_and_beyond_it_held() -> None:
    factors = np.where(grid() < 1.5, 0.8, 0.4)
    factors[[0, -1]] = 0.9, 0.3
    value = np.array([2.0 * 1.4375, 2.0 * 512.0, 2.0 / 1024.0])  # half way from 1.375 to 1.5
    np.testing.assert_allclose(shade(value, factors, 2.0), [2.875 * 0.6, 1024.0 * 0.3, 0.9 / 512.0], rtol=1e-12)

"""Facts about curves over the bid scale, each against the plain sum that it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.landscape.shading import POINTS, fit_shading, grid, shade
from bidpilot.bidding.landscape.unit_curves import unit_curves


def rising(rows: int = 4) -> np.ndarray:
    return np.cumsum(np.random.default_rng(0).random((rows, curves.POINTS)), axis=1)


def test_a_curve_counts_what_its_scale_reaches() -> None:
    rng = np.random.default_rng(1)
    needed, amount = rng.uniform(-8, 14, (3, 500)), rng.random(500)
    needed[0, :5] = [-np.inf, np.inf, curves.LOWEST, curves.HIGHEST, 0.0]
    (got,) = curves.cumulative(needed, (amount,))
    want = ((needed[:, :, None] <= curves.GRID) * amount[:, None]).sum(axis=1)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_lookup_and_invert_undo_each_other() -> None:
    curve, x = rising(), np.array([-4.9, 0.03, 3.3, 10.99])
    np.testing.assert_allclose(curves.invert(curve, curves.lookup(curve, x)), x, rtol=1e-9)
    for k in range(4):
        np.testing.assert_allclose(curves.lookup(curve, x)[k], np.interp(x[k], curves.GRID, curve[k]), rtol=1e-12)


def test_beyond_the_grid_a_curve_is_held() -> None:
    curve = rising(2)
    np.testing.assert_array_equal(curves.lookup(curve, np.array([-99.0, 99.0])), [curve[0, 0], curve[1, -1]])
    np.testing.assert_allclose(curves.invert(curve, np.array([-1.0, 1e9])), [curves.LOWEST, curves.HIGHEST])


def test_a_mean_over_shifts_is_the_sum_of_shifted_curves() -> None:
    rng = np.random.default_rng(2)
    curve, shifts, weights = rising(3), rng.uniform(-3, 3, (3, 20)), rng.random((3, 20))
    got = curves.shifted_mean(curve, shifts, weights)
    inside = slice(3 * curves.PER_OCTAVE, -3 * curves.PER_OCTAVE)  # where no shift leaves the grid
    for k, x in enumerate(curves.GRID):
        want = (curves.lookup(curve, x + shifts) * weights).sum(axis=1)
        if k in range(*inside.indices(curves.POINTS)):
            np.testing.assert_allclose(got[:, k], want, rtol=1e-9)
    assert (np.diff(got, axis=1) >= 0).all()


def test_a_shaded_bid_is_the_best_of_all_factors_and_rises_with_the_value(forecast: Forecast) -> None:
    """At each value the fitted bid earns the most surplus that any factor would, by direct search."""
    land = forecast.landscape
    factors = fit_shading(land)
    assert ((factors > 0) & (factors <= 1)).all()
    values = grid() * land.mean_price
    bids = shade(values, factors, land.mean_price)
    assert (np.diff(bids) >= -1e-12).all()
    for k in range(40, POINTS, 10):
        tried = values[k] * np.linspace(0.02, 1.0, 99)
        surplus = [(values[k] - bid) * (land.weight * (land.price <= bid)).sum() for bid in tried]
        earned = (values[k] - bids[k]) * (land.weight * (land.price <= bids[k] * (1 + 1e-12))).sum()
        assert earned >= 0.98 * max(surplus)


@pytest.mark.parametrize("first", [False, True], ids=["second", "first"])
def test_unit_curves_are_sums_over_the_landscapes_auctions(first: bool, forecast: Forecast) -> None:
    land = forecast.landscape
    factors = fit_shading(land)
    direction = np.array([[0.5, 0.2, 1.0], [0.0, 0.0, 2.0]]) * land.mean_price / land.mean_value
    got = unit_curves(land, direction, np.array([first, first]), factors)
    for row in range(2):
        value = land.value @ direction[row]
        for k in range(0, curves.POINTS, 7):
            bid = value * 2.0 ** curves.GRID[k]
            if first:
                bid = shade(bid, factors, land.mean_price)
            won = land.weight * (bid >= land.price)
            assert got.wins[row, k] == pytest.approx(
                won.sum(), abs=5e-4
            )  # the shading's inverse has 64 points to the octave
            paid = bid if first else land.price
            assert got.spend[row, k] == pytest.approx((won * paid).sum(), rel=5e-3, abs=1e-6)
            np.testing.assert_allclose(got.kpi[row, :, k], won @ land.value, rtol=3e-3, atol=1e-5)


def test_a_row_of_unit_curves_is_the_same_alone(forecast: Forecast) -> None:
    direction = np.random.default_rng(0).random((9, 3))
    factors, first = fit_shading(forecast.landscape), np.arange(9) % 2 == 0
    together = unit_curves(forecast.landscape, direction, first, factors)
    for row in (0, 5, 8):
        one = slice(row, row + 1)
        alone = unit_curves(forecast.landscape, direction[one], first[one], factors)
        np.testing.assert_array_equal(alone.spend[0], together.spend[row])
        np.testing.assert_array_equal(alone.kpi[0], together.kpi[row])

"""Facts about fitting: what a forecast says of days is what the days were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidLandscape
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, TRAFFIC_LEVEL, Forecast
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import preset_market
from bidpilot.envs.markets.forecasting import fit_forecast


def some_days(rows: int = 8) -> DayBatch:
    market = preset_market()
    return market.days(np.random.default_rng(0).random((rows, market.draws)))


@pytest.fixture(scope="module")
def fitted() -> Forecast:
    return fit_forecast(preset_market(), some_days(), 12.0)


def test_levels_and_traffic_give_back_each_slots_totals(fitted: Forecast) -> None:
    """Mean times levels times auctions is what the slot held, for prices and for every KPI."""
    days = some_days()
    for row in (0, 5):
        day = materialise(preset_market(), days, row)
        history = fitted.history[row]
        np.testing.assert_allclose(history[:, TRAFFIC_LEVEL] * fitted.auctions, days.count[row])
        price = history[:, PRICE_LEVEL] * fitted.price_curve
        want = np.bincount(day.slot, day.price, 48) / days.count[row]
        np.testing.assert_allclose(price / price.mean(), want / want.mean(), rtol=1e-6)
        for j in range(3):
            want = np.bincount(day.slot, day.predicted[:, j], 48) / days.count[row]
            np.testing.assert_allclose(history[:, j] / history[:, j].mean(), want / want.mean(), rtol=1e-6)


def test_the_landscape_is_at_unit_level_with_conversions_in_money(fitted: Forecast) -> None:
    days, market = some_days(), preset_market()
    auctions = [materialise(market, days, row) for row in range(len(days))]
    price = np.concatenate([day.price for day in auctions]).mean(dtype=np.float64)
    value = np.concatenate([day.predicted for day in auctions]).mean(axis=0, dtype=np.float64) * [1, 1, 12.0]
    assert fitted.landscape.mean_price == pytest.approx(price, rel=0.05)
    np.testing.assert_allclose(fitted.landscape.mean_value, value, rtol=0.05)
    assert fitted.landscape.weight.sum() == pytest.approx(1.0)
    assert (fitted.auctions * fitted.price_curve).sum() == pytest.approx(fitted.auctions.sum())


def test_a_level_of_one_day_shows_in_that_days_history_alone() -> None:
    days = some_days()
    louder = days.value_scale.copy()
    louder[3] *= 2
    plain = fit_forecast(preset_market(), days)
    changed = fit_forecast(preset_market(), replace(days, value_scale=louder))
    relative = changed.history / plain.history
    ratio = relative[3, :, 1:3] / relative[0, :, 1:3]
    np.testing.assert_allclose(ratio, 2.0, rtol=1e-5)
    np.testing.assert_allclose(
        changed.history[:, :, [0, PRICE_LEVEL, TRAFFIC_LEVEL]],
        plain.history[:, :, [0, PRICE_LEVEL, TRAFFIC_LEVEL]],
        rtol=1e-6,
    )


def test_slots_without_auctions_are_not_observed_and_leave_no_nan() -> None:
    days = some_days()
    days.count[:, 10:13] = 0
    days.count[2, :24] = 0
    got = fit_forecast(preset_market(), days)
    assert not got.observed[:, 10:13].any()
    assert not got.observed[2, :24].any()
    assert np.isfinite(got.history).all()
    assert np.isfinite(got.price_curve).all()
    assert (got.price_curve > 0).all()
    levels, seen = got.block_levels
    assert np.isfinite(levels).all()
    assert not seen[2, :3].any()


def test_days_without_any_auction_are_refused() -> None:
    days = some_days(2)
    days.count[:] = 0
    with pytest.raises(InvalidLandscape, match="no auctions"):
        fit_forecast(preset_market(), days)

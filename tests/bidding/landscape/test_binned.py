"""Facts about the binned day: it keeps totals, and loses next to nothing of the best plan."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.errors import InvalidLandscape
from bidpilot.bidding.landscape.binned import BINS, BinnedDay, ForecastAuctions, bin_auctions, forecast_auctions
from bidpilot.bidding.landscape.forecast import BidLandscape, Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast
from bidpilot.solvers.hindsight import fractional_knapsack

NOTHING = np.zeros(8)


def best_value(
    day: BinnedDay | ForecastAuctions, forecast: Forecast, gain: NDArray[np.float64], budget: float
) -> float:
    """The most value of a budget over all slots, exactly."""
    count = np.multiply.outer(forecast.auctions, day.weight)
    price = count * np.multiply.outer(forecast.price_curve, day.price)
    return fractional_knapsack((count * (day.value @ gain)).ravel(), price.ravel(), budget)


@pytest.mark.parametrize("preset", ["steady", "daily"])
@pytest.mark.parametrize("preference", [(0.2, 0.3, 0.5), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.6, 0.4, 0.0)])
@pytest.mark.parametrize("budget", [10.0, 40.0, 300.0])
def test_the_default_bins_lose_less_than_half_a_percent(
    preset: str, preference: tuple[float, float, float], budget: float
) -> None:
    forecast = preset_forecast(preset)
    campaign = preset_campaign(preset).model_copy(update={"preference": preference, "budget": budget})
    plan, _ = Planner(forecast).plan(CampaignBatch.repeat(campaign, 1))
    money = np.array([1.0, 1.0, campaign.conversion_value])
    auctions = forecast_auctions(forecast)
    gain = np.array(preference) / (plan.ideal[0] * money)
    unbinned = best_value(auctions, forecast, gain, budget)
    loss = []
    for bins in (8, BINS):
        day = bin_auctions(
            forecast, auctions, plan.alpha[0] / money, np.ones(8), NOTHING, np.array(preference) > 0, bins
        )
        loss.append(1 - best_value(day, forecast, gain, budget) / unbinned)
    assert 0.0 <= loss[1] < 0.005
    assert loss[1] < loss[0]  # the bound is not met by chance


def test_bins_keep_every_total() -> None:
    forecast = preset_forecast()
    auctions = forecast_auctions(forecast)
    day = bin_auctions(forecast, auctions, np.ones(3), np.ones(8), NOTHING, np.ones(3, np.bool_))
    assert day.weight.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(day.weight @ day.value, auctions.weight @ auctions.value)
    assert day.weight @ day.price == pytest.approx(auctions.weight @ auctions.price)
    shares = np.bincount(auctions.segment, auctions.weight)
    np.testing.assert_allclose(np.bincount(day.segment, day.weight), shares)


def test_a_segment_with_one_auction_and_one_without_any_are_no_trouble(even: Forecast) -> None:
    land = even.landscape
    segment = np.zeros(100, np.int16)
    segment[0] = 1
    sparse = BidLandscape(land.price, land.value, segment, land.weight)
    forecast = Forecast(
        sparse, even.auctions, even.price_curve, even.history, even.observed, 2, ("a/head", "a/tail", "b/head")
    )
    day = bin_auctions(forecast, forecast_auctions(forecast), np.ones(3), np.ones(3), np.zeros(3), np.ones(3, np.bool_))
    assert np.isfinite(day.price).all()
    np.testing.assert_allclose(np.bincount(day.segment, day.weight), [0.99, 0.01, 0.0])


def test_auctions_without_weight_are_refused(even: Forecast) -> None:
    land = even.landscape
    empty = BidLandscape(land.price, land.value, land.segment, np.zeros(100))
    forecast = Forecast(empty, even.auctions, even.price_curve, even.history, even.observed, 2, even.segments)
    with pytest.raises(InvalidLandscape, match="no weight"):
        forecast_auctions(forecast)

"""Facts about fitting: what a forecast says of days is what the days were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidLandscape
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, TRAFFIC_LEVEL, Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import preset_market
from bidpilot.envs.markets.forecasting import fit_forecast, true_levels
from bidpilot.envs.markets.recorded.replay import RecordedMarket


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


def advertisers(*worths: float) -> RecordedMarket:
    """A day each of advertisers of these worths: four slots of four auctions at 1, 2, 3 and 4, a rate of 1/4."""
    size = 16 * len(worths)
    price, rate = np.tile([1.0, 2.0, 3.0, 4.0], size // 4).astype(np.float32), np.full(size, 0.25, np.float32)
    ones, zeros = np.ones(size, np.float32), np.zeros(size, np.int16)
    log = AuctionLog(
        name="advertisers",
        market_price=price,
        exposure=ones,
        interaction=ones,
        conversion=rate,
        true_exposure=ones,
        true_interaction=ones,
        true_conversion=rate,
        segment=zeros,
        source=zeros,
        invalid=np.zeros(size, np.bool_),
        interacted=None,
        converted=None,
        offsets=stack_offsets([np.full(4, 4)] * len(worths)),
        days=tuple(DayRecord(f"of worth {w}", "unit", 12.0, w, campaign=f"{w}") for w in worths),
        segments=("feed/head",),
        sources=1,
    )
    return RecordedMarket(log, level_slots=2)


def test_rates_of_two_advertisers_are_the_forecast_of_a_third_by_hand() -> None:
    """Of worths 1 and 4, held at 2.5: all days are alike, and 12 buy the auctions at 1 and 2, whoever spends them."""
    known, third = advertisers(1.0, 4.0), advertisers(16.0)
    forecast = fit_forecast(known, known.recorded([0, 1]), 2.5)
    np.testing.assert_allclose(forecast.landscape.value[:, 2], 0.25 * 2.5)
    np.testing.assert_allclose(forecast.history, 1.0)
    levels, counts = true_levels(third, third.recorded([0]), forecast, np.array([16.0]))
    np.testing.assert_allclose(levels, 1.0)
    assert counts.tolist() == [[4, 4, 4, 4]]
    campaign = Campaign(budget=12.0, conversion_value=16.0, preference=(0.0, 0.0, 1.0))
    plan, _ = Planner(forecast).plan(CampaignBatch.repeat(campaign, 1))
    assert plan.kpi[0, 2] == pytest.approx(8 * 0.25, rel=0.02)
    assert plan.ideal[0, 2] == pytest.approx(8 * 0.25, rel=0.02)
    assert 2.0 <= plan.alpha[0, 2] * 0.25 < 3.0  # what is bid wins at 2 and not at 3
    episode = Episode(third, forecast, 1)
    episode.begin(third.recorded([0]), CampaignBatch.repeat(campaign, 1))
    for _ in range(4):
        episode.play(np.zeros((1, 4)))
    np.testing.assert_allclose(episode.statistics.mean_levels(), 0.0, atol=1e-9)
    assert (episode.kpi[0, 2], episode.left[0]) == (2.0, 0.0)


def test_their_money_starts_a_third_octaves_off_by_hand() -> None:
    """In money their days lie at 0.4 and 1.6 of the mean, 0.625; the third's 4 is 6.4 times that."""
    known, third = advertisers(1.0, 4.0), advertisers(16.0)
    forecast = fit_forecast(known, known.recorded([0, 1]), None)
    assert forecast.conversion_value is None
    np.testing.assert_allclose(forecast.history[:, :, 2], [[0.4] * 4, [1.6] * 4])
    np.testing.assert_allclose(forecast.landscape.value[:, 2], 0.625)
    levels, _ = true_levels(third, third.recorded([0]), forecast, np.array([16.0]))
    np.testing.assert_allclose(levels[:, :, 2], 6.4)


def test_money_needs_days_that_say_what_a_conversion_is_worth() -> None:
    with pytest.raises(InvalidLandscape, match="8 of 8 training days record no worth"):
        fit_forecast(preset_market(), some_days(), None)

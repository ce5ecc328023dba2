"""What a calendar expects of a day is no news to it: levels, beliefs and re-plan of a Sunday that is as Sundays are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.expectation import Expectation
from bidpilot.bidding.day.history import FEATURES
from bidpilot.bidding.day.replanners import Replan, replanner
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.day.statistics import PRICE, TRAFFIC, VALUE, DayStatistics
from bidpilot.bidding.landscape.calendar import Expected
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, TRAFFIC_LEVEL, Forecast
from bidpilot.bidding.plan.planner import Planner

HISTORY = [f.name for f in FEATURES]
HALF_TRAFFIC = Expected(np.array([[0.0, 0.0, 0.0, 0.0, -1.0]]), np.zeros((1, 5)))


def slot(count: int) -> SlotTotals:
    """A slot of `even` with so many auctions, values and prices as forecast."""
    totals = SlotTotals.zeros(1, 2, 1)
    totals.auctions[:], totals.requested[:], totals.price_sum[:] = count, count, 0.505 * count
    totals.ratio_quantiles[:] = 1.0
    return totals


def begun(forecast: Forecast, expected: Expected | None, count: int, slots: int = 2) -> tuple[Planner, DayStatistics]:
    planner, campaigns = Planner(forecast), CampaignBatch.repeat(Campaign(budget=50.0), 1)
    plan, index = planner.plan(campaigns)
    statistics = DayStatistics(forecast, 1)
    statistics.begin(campaigns, plan, index, expected=expected)
    for _ in range(slots):
        statistics.update(slot(count))
    return planner, statistics


def scale(planner: Planner, statistics: DayStatistics, replan: Replan, left: float) -> float:
    plan, index = planner.plan(statistics.campaigns)
    made = replanner(replan, planner, plan, index)
    beliefs = made.beliefs(statistics.levels(), statistics)
    return float(made.scale(beliefs, np.array([left]), statistics.t)[0])


@pytest.fixture
def doubting(even: Forecast) -> Forecast:
    """`even` after training days whose traffic differed."""
    history = even.history.copy()
    history[:, :, TRAFFIC_LEVEL] = np.array([0.8, 1.0, 1.25])[:, None]
    return replace(even, history=history)


def test_a_day_as_expected_is_no_shock_and_one_as_forecast_is(doubting: Forecast) -> None:
    _, sunday = begun(doubting, HALF_TRAFFIC, 50)
    np.testing.assert_allclose(sunday.log_level, 0.0, atol=1e-12)
    np.testing.assert_allclose(sunday.levels().day, 0.0, atol=1e-12)
    _, unexpected = begun(doubting, None, 50)
    assert unexpected.levels().day[TRAFFIC, 0] < -0.5
    _, usual = begun(doubting, HALF_TRAFFIC, 100)
    assert usual.log_level[TRAFFIC, 0] == pytest.approx(1.0)


@pytest.mark.parametrize("feedback", ["full", "won_only"])
def test_first_price_bids_are_shaded_at_the_prices_that_the_calendar_expects(even: Forecast, feedback: str) -> None:
    """A day whose prices are twice the mean day's, as the calendar said, is shaded at twice the forecast's level."""
    campaigns = CampaignBatch.repeat(Campaign(budget=50.0, auction="first", feedback=feedback), 1)
    plan, index = Planner(even).plan(campaigns)
    statistics = DayStatistics(even, 1)
    statistics.begin(campaigns, plan, index, expected=Expected(np.array([[0.0, 0.0, 0.0, 1.0, 0.0]]), np.zeros((1, 5))))
    totals = slot(100)
    totals.price_sum[:] *= 2.0
    for _ in range(2):
        np.testing.assert_allclose(statistics.price_level(), 2.0, rtol=1e-12)
        statistics.update(totals)


def test_the_history_of_a_sunday_as_sundays_are_tells_nothing(doubting: Forecast) -> None:
    """Half the auctions at twice the value per price, and the calendar said so of the date."""
    campaigns = CampaignBatch.repeat(Campaign(budget=50.0), 1)
    plan, index = Planner(doubting).plan(campaigns)
    statistics = DayStatistics(doubting, 1)
    totals = slot(50)
    totals.requested[:] *= 2
    totals.ratio_quantiles[:] = 2.0 * np.exp2(plan.ratio_quantiles[index])
    twice_the_value = Expected(np.array([[1.0, 1.0, 1.0, 0.0, -1.0]]), np.zeros((1, 5)))
    told = {}
    for name, expected in (("sunday", twice_the_value), ("unexpected", None)):
        statistics.begin(campaigns, plan, index, expected=expected)
        for _ in range(2):
            statistics.update(totals)
        told[name] = dict(zip(HISTORY, statistics.history.features[:, 0].copy(), strict=True))
    np.testing.assert_allclose(list(told["sunday"].values()), 0.0, atol=1e-12)
    assert told["unexpected"]["traffic_eighth_1"] == pytest.approx(-0.5)
    assert told["unexpected"]["value_sixth_1"] == pytest.approx(0.5)
    assert told["unexpected"]["ratio_50_day"] == pytest.approx(0.5)


@pytest.mark.parametrize("replan", list(Replan))
@pytest.mark.parametrize("slots", [0, 1, 2])
def test_the_re_plan_of_a_day_of_half_the_traffic_is_that_of_twice_the_money(
    doubting: Forecast, replan: Replan, slots: int
) -> None:
    expecting = scale(*begun(doubting, HALF_TRAFFIC, 50, slots), replan, 20.0)
    mean_day = scale(*begun(doubting, None, 100, slots), replan, 40.0)
    assert expecting == pytest.approx(mean_day, abs=1e-9)
    assert expecting > scale(*begun(doubting, None, 100, slots), replan, 20.0) + 0.1


@pytest.mark.parametrize("replan", list(Replan))
def test_doubt_of_an_event_lets_the_day_be_believed_sooner(even: Forecast, replan: Replan) -> None:
    history = even.history.copy()
    history[:, :, TRAFFIC_LEVEL] = np.exp2([[0.3, -0.2, 0.1, -0.3], [-0.1, 0.2, -0.3, 0.2], [-0.2, 0.3, 0.2, 0.1]])
    noisy = replace(even, history=history)
    sure = Expected(np.zeros((1, 5)), np.zeros((1, 5)))
    doubtful = Expected(np.zeros((1, 5)), np.full((1, 5), 0.5))
    believed = []
    for expected in (sure, doubtful):
        planner, statistics = begun(noisy, expected, 50)
        plan, index = planner.plan(statistics.campaigns)
        beliefs = replanner(replan, planner, plan, index).beliefs(statistics.levels(), statistics)
        believed.append(float(beliefs.day[TRAFFIC, 0]))
    assert -1.0 < believed[1] < believed[0] - 0.01


def test_value_and_price_are_expected_at_the_plans_coefficients(even: Forecast) -> None:
    level = np.array([[0.0, 1.0, 1.0, 0.5, 0.0]])
    campaigns = CampaignBatch.repeat(Campaign(budget=50.0, preference=(0.5, 0.0, 0.5)), 1)
    plan, index = Planner(even).plan(campaigns)
    exposure, _, conversion = plan.mean_value[0]
    expected = Expectation.of(Expected(level, np.zeros((1, 5))), plan, index)
    assert expected.level[VALUE, 0] == pytest.approx(np.log2((exposure + 2 * conversion) / (exposure + conversion)))
    assert expected.level[PRICE, 0] == level[0, PRICE_LEVEL]
    assert not Expectation.of(None, plan, index).level.any()

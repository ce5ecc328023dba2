"""Facts about slot statistics: levels, what is reported when, and the estimate of invalid traffic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.day.statistics import PRICE, TRAFFIC, VALUE, DayStatistics
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner
from bidpilot.bidding.traffic.detector import Detector

ROWS, SOURCES = 2, 4


def begin(forecast: Forecast, **changes: Any) -> DayStatistics:
    campaigns = CampaignBatch.repeat(Campaign.model_validate({"budget": 50.0} | changes), ROWS)
    plan, index = Planner(forecast).plan(campaigns)
    statistics = DayStatistics(forecast, ROWS)
    statistics.begin(campaigns, plan, index)
    return statistics


def slot(**changes: Any) -> SlotTotals:
    """A slot of `even` exactly as forecast: 100 auctions of value 1 and mean price 0.505; 10 wins for 1 each."""
    plain = {
        "auctions": 100,
        "requested": 100.0,
        "price_sum": 50.5,
        "wins": 10,
        "spend": 10.0,
        "committed": 12.0,
        "predicted": 10.0,
        "ratio_quantiles": 1.0,
        "segment_wins": np.array([6, 4]),
    }
    totals = SlotTotals.zeros(ROWS, 2, SOURCES)
    for name, value in (plain | changes).items():
        getattr(totals, name)[:] = value
    return totals


def test_a_slot_as_forecast_has_no_level(even: Forecast) -> None:
    statistics = begin(even)
    statistics.update(slot())
    np.testing.assert_allclose(statistics.log_level, 0.0, atol=1e-12)
    np.testing.assert_allclose(statistics.levels().day, 0.0, atol=1e-12)


@pytest.mark.parametrize("feedback", ["full", "won_only"])
def test_levels_are_octaves_over_the_forecast_and_prices_need_full_feedback(even: Forecast, feedback: str) -> None:
    statistics = begin(even, feedback=feedback)
    statistics.update(slot(auctions=200, requested=800.0, price_sum=25.25))
    shown = feedback == "full"
    np.testing.assert_allclose(statistics.log_level[TRAFFIC], 1.0)
    np.testing.assert_allclose(statistics.log_level[VALUE], 2.0)
    np.testing.assert_allclose(statistics.log_level[PRICE], -2.0 if shown else 0.0)
    if not shown:
        np.testing.assert_array_equal(statistics.levels().day[PRICE], 0.0)
        np.testing.assert_array_equal(statistics.ratio_quantiles, 0.0)


def test_a_slot_without_auctions_teaches_traffic_alone(even: Forecast) -> None:
    statistics = begin(even)
    statistics.update(slot(auctions=200, requested=400.0, ratio_quantiles=4.0))
    before = statistics.levels()
    statistics.update(SlotTotals.zeros(ROWS, 2, SOURCES))
    after = statistics.levels()
    assert np.isfinite(statistics.log_level).all()
    np.testing.assert_array_equal(after.day[VALUE], before.day[VALUE])
    np.testing.assert_array_equal(statistics.ratio_quantiles, 2.0)
    assert (after.day[TRAFFIC] < before.day[TRAFFIC]).all()


def test_a_block_is_forgotten_when_the_next_begins(even: Forecast) -> None:
    history = 2.0 ** np.random.default_rng(0).normal(0, 0.5, (20, 2, 1)).repeat(2, axis=1).repeat(5, axis=2)
    varied = replace(even, history=history, observed=np.ones((20, 4), np.bool_))
    statistics = begin(varied)
    for _ in range(2):
        statistics.update(slot(requested=400.0))
    np.testing.assert_array_equal(statistics.levels().block, statistics.levels().day)
    statistics.update(slot(requested=100.0))
    levels = statistics.levels()
    assert (levels.block[VALUE] < levels.day[VALUE]).all()


def test_a_slot_of_worthless_auctions_is_sixteen_octaves_down_not_infinitely(even: Forecast) -> None:
    statistics = begin(even)
    statistics.update(slot(requested=0.0, ratio_quantiles=0.0))
    np.testing.assert_array_equal(statistics.log_level[VALUE], -16.0)
    np.testing.assert_array_equal(statistics.ratio_quantiles, -16.0)


@pytest.mark.parametrize("feedback", ["full", "won_only"])
def test_the_price_level_of_the_block_is_believed_where_prices_are_shown(even: Forecast, feedback: str) -> None:
    statistics = begin(even, feedback=feedback)
    assert (statistics.price_level() == 1.0).all()
    statistics.update(slot(price_sum=np.array([101.0, 25.25])))
    believed = np.exp2(statistics.levels().block[PRICE])
    np.testing.assert_array_equal(statistics.price_level(), believed)
    assert (believed[0] > 1.0 > believed[1]) == (feedback == "full")


def test_a_channel_is_capped_once_its_spend_reaches_the_cap(even: Forecast) -> None:
    """Both segments are of feed: 2 + 1 a slot, so that a cap of 6 is reached after two."""
    statistics = begin(even, channel_caps={"feed": 6.0})
    reached = []
    for _ in range(3):
        reached.append(statistics.capped_segments().all())
        statistics.update(slot(spend=3.0, segment_spend=np.array([2.0, 1.0])))
    assert reached == [False, False, True]
    np.testing.assert_array_equal(statistics.channel_spend[:4, 0, 0], [0.0, 3.0, 6.0, 9.0])


def test_spend_never_passes_the_budget_not_even_by_a_rounding(even: Forecast) -> None:
    """In floating point 0.1 + 0.2 is 0.30000000000000004."""
    statistics = begin(even, budget=0.3)
    for spend in (0.1, 0.2):
        statistics.update(slot(spend=spend, committed=spend))
    np.testing.assert_array_equal(statistics.spend[2], [0.3, 0.3])
    settled, reserved = statistics.budget()
    np.testing.assert_array_equal(settled, [0.3, 0.3])
    np.testing.assert_array_equal(reserved, [0.0, 0.0])


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_wins_and_spend_are_told_as_many_slots_late(even: Forecast, delay: int) -> None:
    statistics = begin(even, delays=Delays(wins=delay))
    for t in range(4):
        told = max(t - delay, 0)
        settled, reserved = statistics.budget()
        np.testing.assert_allclose(settled, 10.0 * told)
        np.testing.assert_allclose(reserved, 12.0 * (t - told) if delay else 0.0)
        np.testing.assert_allclose(statistics.reported(statistics.wins), 10 * told)
        np.testing.assert_allclose(statistics.reported(statistics.wins, back=1), 10 * max(max(t - 1, 0) - delay, 0))
        np.testing.assert_allclose(statistics.reported(statistics.tail_wins), 4 * told)
        statistics.update(slot())


def test_what_is_outstanding_is_reserved_beside_wins_not_told(even: Forecast) -> None:
    """Bids of 3 in slot 0 and 5 in slot 1 may still be billed; two slots' wins for 12 each are not told."""
    outstanding = np.zeros((even.slots, ROWS))
    outstanding[:2] = [[3.0], [5.0]]
    for delay, reserved in ((0, 8.0), (2, 32.0)):
        statistics = begin(even, delays=Delays(wins=delay))
        for _ in range(2):
            statistics.update(slot())
        statistics.expect_bills(outstanding)
        np.testing.assert_array_equal(statistics.budget()[1], reserved)


def test_what_bids_not_told_exceed_their_prices_by_is_withheld(even: Forecast) -> None:
    statistics = begin(even, delays=Delays(wins=1))
    for t in range(3):
        np.testing.assert_allclose(statistics.withheld(), 2.0 if t else 0.0)
        statistics.update(slot())


def test_each_row_has_its_own_delay(even: Forecast) -> None:
    statistics = begin(even)
    campaigns = replace(statistics.campaigns, win_delay=np.array([0, 2]))
    plan, index = Planner(even).plan(campaigns)
    statistics.begin(campaigns, plan, index)
    for _ in range(3):
        statistics.update(slot())
    np.testing.assert_array_equal(statistics.reported(statistics.wins), [30, 10])
    np.testing.assert_array_equal(statistics.reported(statistics.predicted)[:, 0], [30, 10])


def test_a_day_begins_without_memory_of_the_last(even: Forecast) -> None:
    used, fresh = begin(even, delays=Delays(wins=1)), begin(even, delays=Delays(wins=1))
    for _ in range(4):
        used.update(slot(requested=400.0))
    plan, index = Planner(even).plan(used.campaigns)
    used.begin(used.campaigns, plan, index)
    for statistics in (used, fresh):
        statistics.update(slot())
        statistics.update(slot(requested=200.0))
    np.testing.assert_array_equal(used.levels().day, fresh.levels().day)
    np.testing.assert_array_equal(used.budget(), fresh.budget())


def test_wins_that_the_filter_holds_for_invalid_count_for_no_kpi(even: Forecast) -> None:
    class Filter(Detector):
        def filtered(self) -> NDArray[np.float64]:
            return np.array([0.25, 0.0])

    plain, filtered = begin(even), begin(even)
    plan, index = Planner(even).plan(filtered.campaigns)
    filtered.begin(filtered.campaigns, plan, index, Filter(np.full(SOURCES, 1 / SOURCES), even.auctions, ROWS))
    for statistics in (plain, filtered):
        statistics.update(slot())
    np.testing.assert_array_equal(filtered.predicted[1], plain.predicted[1] * [[0.75], [1.0]])
    np.testing.assert_array_equal(filtered.spend[1], plain.spend[1])
    np.testing.assert_array_equal(filtered.told().kpi, filtered.predicted[1])


def test_of_a_day_with_a_filter_no_request_is_left_in_one_without(even: Forecast) -> None:
    statistics, totals = begin(even), slot()
    totals.source_auctions[:], totals.source_refused[:] = 3, 1
    plan, index = Planner(even).plan(statistics.campaigns)
    traffic = Detector(np.full(SOURCES, 1 / SOURCES), even.auctions, ROWS)
    for filter_, requests, refused in ((traffic, 3 * SOURCES, SOURCES), (None, 0, 0)):
        statistics.begin(statistics.campaigns, plan, index, filter_)
        statistics.update(totals)
        assert (statistics.requests[1] == requests).all()
        assert (statistics.refused[1] == refused).all()

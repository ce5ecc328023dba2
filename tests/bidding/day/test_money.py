"""Facts about the money that a re-plan counts on, on a day whose slots each win for 10, at bids of 20."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.bidding.day.money import money_to_plan
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.day.statistics import DayStatistics
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner

BUDGET, PRICE, BID = 1000.0, 10.0, 20.0


def played(
    forecast: Forecast, slots: int, delay: int, price: float = PRICE
) -> tuple[DayStatistics, NDArray[np.float64]]:
    """After `slots` slots; and an even plan (T + 1, 1)."""
    campaigns = CampaignBatch.repeat(Campaign(budget=BUDGET, delays=Delays(wins=delay)), 1)
    statistics = DayStatistics(forecast, 1)
    statistics.begin(campaigns, *Planner(forecast).plan(campaigns))
    totals = SlotTotals.zeros(1, len(forecast.segments), 1)
    totals.spend[:], totals.committed[:] = price, BID
    for _ in range(slots):
        statistics.update(totals)
    return statistics, np.linspace(0.0, BUDGET, forecast.slots + 1)[:, None]


def test_where_wins_are_told_at_once_it_is_what_is_not_settled(even: Forecast) -> None:
    statistics, planned = played(even, 2, 0)
    assert money_to_plan(statistics, planned)[0] == BUDGET - 2 * PRICE


def test_a_win_not_told_counts_at_its_bid_until_a_price_is_known(even: Forecast) -> None:
    statistics, planned = played(even, 1, 1)
    assert money_to_plan(statistics, planned)[0] == BUDGET - BID


def test_wins_that_are_not_told_are_expected_to_cost_what_those_told_have(forecast: Forecast) -> None:
    """Half of the bids; what the last three slots will hold beyond prices is kept back, but for a quarter."""
    statistics, planned = played(forecast, 8, 2)
    assert np.concatenate(statistics.budget()).tolist() == [6 * PRICE, 2 * BID]
    last = 3 / (forecast.slots - 8)
    want = (BUDGET - 8 * PRICE) / (1 + 0.75 * (BID / PRICE - 1) * last)
    assert money_to_plan(statistics, planned)[0] == pytest.approx(want, rel=1e-12)


def test_bids_held_to_the_days_end_are_not_expected_back(forecast: Forecast) -> None:
    """Before the last slot nothing more is told, and every win takes its bid from the ledger."""
    t = forecast.slots - 1
    statistics, planned = played(forecast, t, 2)
    free = BUDGET - (t - 2) * PRICE - 2 * BID
    assert money_to_plan(statistics, planned)[0] == pytest.approx(free / (1 + 0.75), rel=1e-12)


def test_at_first_price_nothing_comes_back(forecast: Forecast) -> None:
    statistics, planned = played(forecast, 8, 2, price=BID)
    assert money_to_plan(statistics, planned)[0] == pytest.approx(BUDGET - 8 * BID)


def test_bids_that_lapse_make_outstanding_ones_cheaper(even: Forecast) -> None:
    """Told at once, 2 slots for 10 each at 20 and 40 that ran out unbilled: a bid of 8 costs 2 in expectation."""
    statistics, planned = played(even, 2, 0)
    outstanding = np.zeros((even.slots, 1))
    outstanding[1] = 8.0
    statistics.expect_bills(outstanding)
    assert money_to_plan(statistics, planned)[0] == BUDGET - 20.0 - 4.0
    statistics.lapsed += 40.0
    assert money_to_plan(statistics, planned)[0] == BUDGET - 20.0 - 2.0


def test_bids_that_lapse_do_not_make_wins_cheaper(forecast: Forecast) -> None:
    """Two slots won for bids of 20 that are not told, as those told cost half; only one in five bids costs anything.

    The last three slots' bids are held to the day's end, also those that lose without a word.
    """
    statistics, planned = played(forecast, 8, 2)
    statistics.lapsed += 6 * BID * 4
    last = 3 / (forecast.slots - 8)
    want = (BUDGET - 8 * PRICE) / (1 + 0.75 * (10 - 1) * last)
    assert money_to_plan(statistics, planned)[0] == pytest.approx(want, rel=1e-12)


def test_who_is_told_the_prices_counts_unreported_wins_at_them(forecast: Forecast) -> None:
    """Four slots that were won for 10 each and are not told; what the last five will hold is kept back as ever."""
    statistics, planned = played(forecast, 4, 4)
    last = 5 / (forecast.slots - 4)
    want = (BUDGET - 4 * PRICE) / (1 + 0.75 * (BID / PRICE - 1) * last)
    assert money_to_plan(statistics, planned, prices_told=True)[0] == pytest.approx(want, rel=1e-12)
    assert money_to_plan(statistics, planned)[0] == pytest.approx(BUDGET - 4 * BID)

"""What one slot brought, as every bidder of a campaign counts it."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.day.statistics import SlotTotals
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.serving.collector import SlotCollector, of_all

USUAL = np.array([0.5, 0.25, 0.125])
RATIOS = np.arange(1.0, 6.0)
VALUE = (0.5, 0.25, 0.0)


@pytest.fixture
def forecast() -> Forecast:
    return preset_forecast()


@pytest.fixture
def collector(forecast: Forecast) -> SlotCollector:
    return SlotCollector(forecast, 4, np.ones(3), USUAL, RATIOS)


def test_two_bidders_see_twice_what_one_sees(collector: SlotCollector) -> None:
    for _ in range(3):
        collector.request(VALUE, 1)
    collector.price(VALUE, 2.0)
    collector.win(VALUE, 1, 2, 0.5, 0.75)
    both = collector.totals(bidders=2)
    assert both.auctions.tolist() == [6]
    assert both.segment_auctions[0, 1] == 6
    assert both.requested.tolist() == [[3.0, 1.5, 0.0]]
    assert both.price_sum.tolist() == [12.0]
    assert (both.wins[0], both.spend[0], both.committed[0], both.source_wins[0, 2]) == (2, 1.0, 1.5, 2)


@pytest.mark.parametrize("bidders", [1, 2, 5])
def test_what_nobody_watched_is_the_forecast_of_all_bidders(
    collector: SlotCollector, forecast: Forecast, bidders: int
) -> None:
    collector.begin(7)
    unwatched = collector.totals(1.0, bidders)
    auctions = round(forecast.auctions[7])
    assert unwatched.auctions.tolist() == [auctions]
    assert unwatched.requested.tolist() == (USUAL * auctions)[None].tolist()
    price = forecast.landscape.mean_price * forecast.price_curve[7]
    assert unwatched.price_sum[0] == pytest.approx(price * auctions, rel=1e-12)


def test_a_bidder_that_starts_within_a_slot_adds_the_forecast_once(
    collector: SlotCollector, forecast: Forecast
) -> None:
    for _ in range(40):
        collector.request(VALUE, 0)
    totals = collector.totals(0.5, 2)
    assert totals.auctions.tolist() == [80 + round(forecast.auctions[0] / 2)]


def test_scaling_leaves_what_is_scaled_as_it_was() -> None:
    own = SlotTotals.zeros(1, 2, 3)
    own.wins[0], own.spend[0], own.ratio_quantiles[0] = 1, 0.5, 3.0
    for _ in range(3):
        assert (of_all(own, 2).wins[0], of_all(own, 2).spend[0], of_all(own, 2).ratio_quantiles[0, 0]) == (2, 1.0, 3.0)
    assert (own.wins[0], own.spend[0]) == (1, 0.5)

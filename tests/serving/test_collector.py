"""A slot's totals, auction by auction, in numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.campaign.profile import DEFAULT_WEIGHTS
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.event import Event
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.serving.collector import SlotCollector, ratio_bins, ratio_quantiles
from bidpilot.serving.seen import of_all
from bidpilot.serving.slot_gate import SlotGate
from bidpilot.serving.told import Told

REFERENCE = np.array([1.0, 2.0, 4.0])
USUAL = np.array([0.5, 0.25, 0.125])
RATIOS = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
VALUE = (0.5, 0.25, 0.0)
ONE = 96  # bin of a value per price of 1: twelve octaves of eight bins above 2 ** -12


@pytest.fixture
def collector(even: Forecast) -> SlotCollector:
    """Of a forecast of 100 auctions to the slot at a mean price of 0.505."""
    return SlotCollector(even, 3, REFERENCE, USUAL, RATIOS)


def test_requests_wins_and_outcomes_are_summed(collector: SlotCollector) -> None:
    collector.request((0.5, 0.25, 0.125), 0, 0)
    collector.request((0.25, 0.5, 0.0), 1, 0)
    collector.request((0.25, 0.25, 0.5), 1, 0)
    collector.win((0.25, 0.5, 0.0), 1, 2, cost=0.75, bid=1.5)
    collector.win((0.5, 0.25, 0.125), 0, 1, cost=0.25, bid=0.5)
    collector.outcome(2, Told(interaction=1.0))
    collector.outcome(1, Told(conversion=1.0))
    totals = collector.totals()
    assert totals.auctions[0] == 3
    np.testing.assert_array_equal(totals.requested, [[1.0, 1.0, 0.625]])
    np.testing.assert_array_equal(totals.segment_auctions, [[1, 2]])
    assert (totals.wins[0], totals.spend[0], totals.committed[0]) == (2, 1.0, 2.0)
    assert collector.spend == 1.0
    np.testing.assert_array_equal(totals.predicted, [[0.75, 0.75, 0.125]])
    np.testing.assert_array_equal(totals.realised, [[0.75, 1.0, 1.0]])  # exposure as predicted: no notice tells it
    np.testing.assert_array_equal(totals.segment_wins, [[1, 1]])
    np.testing.assert_array_equal(totals.segment_spend, [[0.25, 0.75]])
    np.testing.assert_array_equal(totals.source_wins, [[0, 1, 1]])
    np.testing.assert_array_equal(totals.source_spend, [[0.0, 0.25, 0.75]])
    np.testing.assert_array_equal(totals.source_predicted, [[0.0, 0.25, 0.5]])
    np.testing.assert_array_equal(totals.source_realised, [[0.0, 0.0, 1.0]])


def test_events_are_counted_by_type_and_source(collector: SlotCollector) -> None:
    """2 likes at 1 and 3 shares at 4 of source 2; a share, a view told 5 times, and 2 conversions of source 0."""
    events: list[tuple[int, Event, int]] = [
        (2, "like", 2), (2, "share", 3), (0, "share", 1), (0, "view", 5), (1, "complete", 1), (0, "convert", 2),
    ]  # fmt: skip
    for source, event, count in events:
        collector.outcome(source, Told(event, count).weighed(DEFAULT_WEIGHTS))
    totals = collector.totals()
    np.testing.assert_array_equal(totals.funnel, [[5, 1, 2, 0, 4, 0, 2]])
    np.testing.assert_array_equal(totals.source_views, [[1, 0, 0]])  # of one auction
    np.testing.assert_array_equal(totals.source_events, [[1, 0, 5]])
    np.testing.assert_array_equal(totals.source_converted, [[2.0, 0.0, 0.0]])
    np.testing.assert_allclose(totals.source_realised, [[4.0, 0.2, 14.0]])
    np.testing.assert_allclose(totals.realised, [[0.0, 18.2, 2.0]])


def test_an_untyped_outcome_is_in_no_count_of_events(collector: SlotCollector) -> None:
    collector.outcome(1, Told(interaction=2.5, conversion=1.0))
    totals = collector.totals()
    assert not totals.funnel.any()
    assert not totals.source_views.any()
    assert not totals.source_events.any()
    np.testing.assert_array_equal(totals.source_converted, [[0.0, 1.0, 0.0]])
    np.testing.assert_array_equal(totals.source_realised, [[0.0, 2.5, 0.0]])


def test_shown_prices_stand_for_all_auctions(collector: SlotCollector) -> None:
    """Two of three auctions show a price, 1 and 2 together 3: the three cost 4.5."""
    for price in (1.0, 2.0, None):
        collector.request((1.0, 0.0, 0.0), 0, 0)
        if price is not None:
            collector.price((1.0, 0.0, 0.0), 0, price)
    assert collector.totals().price_sum[0] == 4.5


def test_without_a_shown_price_the_forecast_stands(collector: SlotCollector) -> None:
    for _ in range(4):
        collector.request((1.0, 0.0, 0.0), 0, 0)
    totals = collector.totals()
    assert totals.price_sum[0] == pytest.approx(4 * 0.505)
    np.testing.assert_array_equal(totals.ratio_quantiles, [RATIOS])


def test_a_share_of_the_slot_that_nobody_watched_was_as_forecast(collector: SlotCollector) -> None:
    """Half of 100 auctions of the usual value and price, besides two that were seen, one at a price of 2."""
    collector.request((1.0, 0.0, 0.0), 0, 0)
    collector.price((1.0, 0.0, 0.0), 0, 2.0)
    collector.request((0.0, 1.0, 0.0), 0, 0)
    totals = collector.totals(unwatched=0.5)
    assert totals.auctions[0] == 52
    np.testing.assert_allclose(totals.requested, [[26.0, 13.5, 6.25]])  # 1, 1, 0 and 50 times 0.5, 0.25, 0.125
    assert totals.price_sum[0] == pytest.approx(2 * 2 + 50 * 0.505)


def test_the_next_slot_begins_with_nothing(collector: SlotCollector) -> None:
    collector.request((1.0, 0.0, 0.0), 0, 0)
    collector.price((1.0, 0.0, 0.0), 0, 2.0)
    collector.win((1.0, 0.0, 0.0), 0, 0, 2.0, 2.0)
    collector.totals()
    collector.begin(1)
    totals = collector.totals()
    assert (collector.slot, collector.auctions, collector.spend) == (1, 0, 0.0)
    assert (totals.auctions[0], totals.wins[0], totals.spend[0], totals.price_sum[0]) == (0, 0, 0.0, 0.0)
    np.testing.assert_array_equal(totals.requested, 0.0)


def test_value_per_price_is_counted_in_eight_bins_to_the_octave() -> None:
    """Worth 1 * e + 2 * n + 4 * c: 1, 1.5, 2, 3 and 0 at prices 1, 1, 1, 6 and 1; what is free is in the last bin."""
    value = np.array([[1, 0, 0], [0, 0.75, 0], [0, 0, 0.5], [1, 1, 0], [0, 0, 0], [1, 0, 0]], np.float32)
    price = np.array([1, 1, 1, 6, 1, 0], np.float32)
    # 1.5 is the fourth eighth above 1; 0.5 is an octave below
    np.testing.assert_array_equal(
        ratio_bins(value, price, np.ones(6, np.float32), REFERENCE), [ONE, ONE + 4, ONE + 8, ONE - 8, 0, 191]
    )


def test_quantiles_lie_inside_the_bin_they_fall_into() -> None:
    """Four auctions between 1 and 1.125, four between 2 and 2.25: the quarter is half way through the first."""
    counts = np.zeros(192, np.int64)
    counts[ONE] = counts[ONE + 8] = 4
    got = ratio_quantiles(counts, np.array([0.25, 0.5, 0.75, 1.0]))
    np.testing.assert_allclose(got, [1.0625, 1.125, 2.125, 2.25], rtol=1e-15)


def test_more_shown_prices_than_are_binned_at_a_time_all_count(collector: SlotCollector) -> None:
    """4,097 auctions of ratio 1 and as many of ratio 2: half of them lie below 1.125, and all below 2.25."""
    for price in (1.0, 0.5):
        for _ in range(4097):
            collector.request((1.0, 0.0, 0.0), 0, 0)
            collector.price((1.0, 0.0, 0.0), 0, price)
    totals = collector.totals()
    assert totals.price_sum[0] == 4097 * 1.5
    np.testing.assert_allclose(totals.ratio_quantiles[0, 0], 1.125, rtol=1e-12)  # the median
    np.testing.assert_allclose(totals.ratio_quantiles[0, 1], 2.125, rtol=1e-12)  # three quarters: half of the second


@pytest.fixture
def forecast() -> Forecast:
    return preset_forecast()


@pytest.fixture
def daily(forecast: Forecast) -> SlotCollector:
    return SlotCollector(forecast, 4, np.ones(3), USUAL, RATIOS)


def test_two_bidders_see_twice_what_one_sees(daily: SlotCollector) -> None:
    for _ in range(3):
        daily.request(VALUE, 1, 0)
    daily.price(VALUE, 0, 2.0)
    daily.win(VALUE, 1, 2, 0.5, 0.75)
    both = daily.totals(bidders=2)
    assert both.auctions.tolist() == [6]
    assert both.segment_auctions[0, 1] == 6
    assert both.requested.tolist() == [[3.0, 1.5, 0.0]]
    assert both.price_sum.tolist() == [12.0]
    assert (both.wins[0], both.spend[0], both.committed[0], both.source_wins[0, 2]) == (2, 1.0, 1.5, 2)


@pytest.mark.parametrize("bidders", [1, 2, 5])
def test_what_nobody_watched_is_the_forecast_of_all_bidders(
    daily: SlotCollector, forecast: Forecast, bidders: int
) -> None:
    daily.begin(7)
    unwatched = daily.totals(1.0, bidders)
    auctions = round(forecast.auctions[7])
    assert unwatched.auctions.tolist() == [auctions]
    assert unwatched.requested.tolist() == (USUAL * auctions)[None].tolist()
    price = forecast.landscape.mean_price * forecast.price_curve[7]
    assert unwatched.price_sum[0] == pytest.approx(price * auctions, rel=1e-12)


def test_a_bidder_that_starts_within_a_slot_adds_the_forecast_once(daily: SlotCollector, forecast: Forecast) -> None:
    for _ in range(40):
        daily.request(VALUE, 0, 0)
    totals = daily.totals(0.5, 2)
    assert totals.auctions.tolist() == [80 + round(forecast.auctions[0] / 2)]


def test_scaling_leaves_what_is_scaled_as_it_was() -> None:
    own = SlotTotals.zeros(1, 2, 3)
    own.wins[0], own.spend[0], own.ratio_quantiles[0] = 1, 0.5, 3.0
    for _ in range(3):
        assert (of_all(own, 2).wins[0], of_all(own, 2).spend[0], of_all(own, 2).ratio_quantiles[0, 0]) == (2, 1.0, 3.0)
    assert (own.wins[0], own.spend[0]) == (1, 0.5)


def test_what_is_refused_is_no_arrival_and_what_passes_counts_by_its_multiplier(collector: SlotCollector) -> None:
    """Source 0 is free, 1 is refused whole, 2 gets one request at half of its value."""
    gate = Gate(np.array([[1.0, 0.0, 0.5]]), np.array([[np.inf, np.inf, 1.0]]))
    collector.begin(0, SlotGate(gate))
    answers = [collector.request((0.5, 0.25, 0.125), 1, source) for source in (0, 1, 2, 2, 0)]
    assert answers == [None, Refusal.source, None, Refusal.quota, None]
    assert collector.refusal(2) == Refusal.quota
    totals = collector.totals()
    assert totals.auctions[0] == 3
    np.testing.assert_array_equal(totals.segment_auctions, [[0, 3]])
    np.testing.assert_array_equal(totals.requested, [[1.25, 0.625, 0.3125]])
    np.testing.assert_array_equal(totals.source_auctions, [[2, 1, 2]])
    np.testing.assert_array_equal(totals.source_refused, [[0, 1, 1]])
    twice = collector.totals(bidders=2)
    np.testing.assert_array_equal(twice.source_auctions, [[4, 2, 4]])
    np.testing.assert_array_equal(twice.source_refused, [[0, 2, 2]])


def test_value_per_price_is_counted_at_the_discounted_value(collector: SlotCollector) -> None:
    """At half of the value a ratio of 2 is one of 1: its bin ends at 1.125."""
    collector.begin(0, SlotGate(Gate(np.array([[1.0, 1.0, 0.5]]), np.full((1, 3), np.inf))))
    collector.request((1.0, 0.0, 0.0), 0, 2)
    collector.price((1.0, 0.0, 0.0), 2, 0.5)
    totals = collector.totals()
    assert totals.price_sum[0] == 0.5
    assert 1.0 < totals.ratio_quantiles[0, 0] <= totals.ratio_quantiles[0, -1] <= 1.125


def test_without_a_gate_nothing_is_counted_by_source_but_wins(collector: SlotCollector) -> None:
    assert collector.request((0.5, 0.25, 0.125), 1, 2) is None
    assert collector.refusal(2) is None
    collector.win((0.5, 0.25, 0.125), 1, 2, 0.5, 0.5)
    collector.win((0.25, 0.25, 0.125), 1, 2, 0.5, 0.5)
    totals = collector.totals()
    assert not totals.source_auctions.any()
    assert not totals.source_refused.any()
    np.testing.assert_array_equal(totals.source_exposed, [[0.0, 0.0, 0.75]])

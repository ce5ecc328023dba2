"""The adaptive re-plan: its mixture of priors against integrals, its scale in closed form, and what it is drawn to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.adaptive import UNLIKE, WIDER, AdaptiveReplanner, _mixture, _seen_of_day
from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.day.statistics import TRAFFIC, VALUE, DayStatistics, LevelSums
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner

GRID_ERROR = 0.03  # octaves: prices are hundredths, curves have 8 points to the octave
CAMPAIGN = Campaign(budget=50.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0))


@pytest.mark.parametrize("gap", [0.1, 0.8, -1.5])
@pytest.mark.parametrize("kind", [0, 1])
def test_the_days_level_is_that_of_two_normal_priors(gap: float, kind: int) -> None:
    day, noise = 0.02, 0.05
    unlike, wider = float(UNLIKE[kind, 0]), float(WIDER[kind, 0])

    def density(level: float) -> float:
        prior = (1 - unlike) * norm.pdf(level, 0, day**0.5) + unlike * norm.pdf(level, 0, (day + wider) ** 0.5)
        return float(prior * norm.pdf(gap, level, noise**0.5))

    total, first, second = (quad(lambda x, k=k: x**k * density(x), -6, 6, limit=400)[0] for k in range(3))
    told = np.zeros((2, 1)), np.zeros((2, 1))
    told[0][kind], told[1][kind] = gap, 1.0 / noise
    mean, variance = _mixture(*told, np.full((2, 1), day))
    assert mean[kind, 0] == pytest.approx(first / total, rel=1e-6)
    assert variance[kind, 0] == pytest.approx(second / total - (first / total) ** 2, rel=1e-6)


def test_nothing_seen_leaves_the_prior_and_a_level_not_shown_stays_unknown() -> None:
    mean, variance = _mixture(np.zeros((2, 1)), np.zeros((2, 1)), np.array([[0.02], [1e-18]]))
    np.testing.assert_array_equal(mean, 0.0)
    assert variance[0, 0] == pytest.approx(0.02 + UNLIKE[0, 0] * WIDER[0, 0])
    assert variance[1, 0] <= 1e-18


def test_a_block_under_way_counts_less_than_a_whole_one() -> None:
    """Two whole blocks of mean 1 and a slot of 4: precisions 2 / (.1 + .04 / 4) and 1 / (.1 + .04)."""
    ones = np.ones((2, 1))
    sums = LevelSums((0.02 * ones, 0.1 * ones, 0.04 * ones), 12.0 * ones, 9 * ones, 3 * ones, 4.0 * ones, ones)
    gap, precision = _seen_of_day(sums, 0.5 * ones)
    whole, begun = 1 / (0.1 / 2 + 0.04 / 8), 1 / 0.14
    np.testing.assert_allclose(precision, whole + begun)
    np.testing.assert_allclose(gap, (whole * 1.0 + begun * 4.0) / (whole + begun) - 0.5)


def day_of(forecast: Forecast) -> tuple[AdaptiveReplanner, DayStatistics]:
    planner, batch = Planner(forecast), CampaignBatch.repeat(CAMPAIGN, 1)
    plan, index = planner.plan(batch)
    statistics = DayStatistics(forecast, 1)
    statistics.begin(batch, plan, index)
    return AdaptiveReplanner(forecast, plan, index, planner.outlook(plan)), statistics


def certain(day: dict[int, float] | None = None, block: dict[int, float] | None = None) -> Posterior:
    levels = np.zeros((2, 3, 1))
    for array, given in zip(levels, (day or {}, day or {} if block is None else block), strict=True):
        for kind, octaves in given.items():
            array[kind] = octaves
    return Posterior(levels[0], levels[1], np.ones((3, 1)))


@pytest.mark.parametrize(
    ("t", "left", "octaves"),
    [
        (0, 50.0, 0.0),  # four slots of 12.5, as planned
        (0, 12.5, -1.0),  # 200 p ** 2 = 12.5: p = 0.25
        (1, 9.375, -1.0),  # one slot of the block under way and two later ones: 150 p ** 2
        (3, 50.0, 1.0),  # 50 p ** 2 = 50: p = 1 wins everything
    ],
)
def test_what_is_left_is_spread_over_what_is_to_come(even: Forecast, t: int, left: float, octaves: float) -> None:
    replanner, _ = day_of(even)
    assert replanner.scale(certain(), np.array([left]), t)[0] == pytest.approx(octaves, abs=GRID_ERROR)


def test_later_blocks_and_the_rest_of_this_one_have_levels_of_their_own(even: Forecast) -> None:
    """Twice the auctions later: 50 p ** 2 + 200 p ** 2 = 37.5; values twice as high now: bids of 2 p in this slot."""
    replanner, _ = day_of(even)
    later = replanner.scale(certain({TRAFFIC: 1.0}, {}), np.array([37.5]), 1)[0]
    assert later == pytest.approx(np.log2(np.sqrt(37.5 / 250.0) / 0.5), abs=GRID_ERROR)
    now = replanner.scale(certain({}, {VALUE: 1.0}), np.array([18.75]), 1)[0]
    assert now == pytest.approx(np.log2(np.sqrt(18.75 / (4 * 50.0 + 100.0)) / 0.5), abs=GRID_ERROR)


def totals(count: int, value: float) -> SlotTotals:
    """A slot of `count` auctions of price 0.505 and conversions of `value` each."""
    empty = SlotTotals.zeros(1, 2, 1)
    requested = np.full((1, 3), count * value)
    return replace(empty, auctions=np.array([count]), requested=requested, price_sum=np.array([count * 0.505]))


def varying(even: Forecast) -> Forecast:
    """`even` with days at levels of 0.9 and 1.1 of value."""
    history = even.history.copy()
    history[0, :, :3], history[1, :, :3] = 0.9, 1.1
    return replace(even, history=history)


def beliefs_after(forecast: Forecast, *slots: SlotTotals) -> Posterior:
    replanner, statistics = day_of(forecast)
    for slot in slots:
        statistics.update(slot)
    return replanner.beliefs(statistics.levels(), statistics)


def test_a_day_far_from_all_training_days_is_believed(even: Forecast) -> None:
    """Values of 4 at a spread of 0.9 to 1.1: the fitted prior alone would hardly move."""
    forecast = varying(even)
    replanner, statistics = day_of(forecast)
    for _ in range(2):
        statistics.update(totals(100, 4.0))
    fitted = statistics.levels()
    found = replanner.beliefs(fitted, statistics)
    assert fitted.day[VALUE, 0] <= found.day[VALUE, 0]
    assert found.day[VALUE, 0] == pytest.approx(2.0, abs=0.1)


def test_trust_is_what_of_the_prior_doubt_is_gone(even: Forecast) -> None:
    before, after = beliefs_after(varying(even)), beliefs_after(varying(even), totals(100, 1.0))
    assert before.trust[VALUE, 0] == 0.0
    usual = np.log2([0.9, 1.1, 1.0]).mean()  # nothing seen, the day is as the logs of training days have it
    assert before.day[VALUE, 0] == before.block[VALUE, 0] == pytest.approx(usual)
    assert 0.0 < after.trust[VALUE, 0] <= 1.0


def test_traffic_is_that_of_demand_curves(even: Forecast) -> None:
    found: list[NDArray[np.float64]] = []
    for count in (50, 100, 200):
        belief = beliefs_after(even, totals(count, 1.0))
        found.append(belief.day[TRAFFIC])
        assert np.sign(belief.block[TRAFFIC, 0].round(6)) == np.sign(count - 100)
    assert found[0] < found[1] < found[2]


def test_a_blocks_first_slot_is_bid_on_blindly(even: Forecast) -> None:
    """At its start the block's own blind curve is solved on, after its first slot what later blocks are worth."""
    history = even.history.copy()
    history[:, :2, :3], history[:, 2:, :3] = 2.0, 0.5
    forecast = replace(even, history=history)
    planner, batch = Planner(forecast), CampaignBatch.repeat(CAMPAIGN, 1)
    plan, index = planner.plan(batch)
    outlook = planner.outlook(plan)
    replanner = AdaptiveReplanner(forecast, plan, index, outlook)
    left = np.array([20.0])
    blind, later = (
        np.interp(left, curve, curves.GRID) - plan.scale for curve in (outlook.blind[0, 1], outlook.later[0, 1])
    )
    assert replanner.scale(certain(), left, 2)[0] == pytest.approx(blind[0], abs=1e-6)
    assert abs(blind[0] - later[0]) > 0.05


def test_without_a_prior_for_days_unlike_the_forecast_the_level_has_the_fitted_one_alone() -> None:
    gap, precision, day = np.full((2, 1), 0.8), np.full((2, 1), 20.0), np.full((2, 1), 0.02)
    mean, variance = _mixture(gap, precision, day, np.zeros_like(UNLIKE))
    np.testing.assert_allclose(mean, 0.8 * 0.4 / 1.4)
    np.testing.assert_allclose(variance, 0.02 / 1.4)

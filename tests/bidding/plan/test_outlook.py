"""What later blocks are worth, where it is known in closed form; a slot of `even` at scale s costs 50 s ** 2."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import CONVERSION_LEVEL, PRICE_LEVEL, TRAFFIC_LEVEL, Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.plan.outlook import POWER, blind_money, outlook, power_mean, worth
from bidpilot.bidding.plan.planner import Planner

GRID_ERROR = 0.03  # octaves


def planned(forecast: Forecast) -> BudgetPlan:
    campaign = Campaign(budget=50.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0))
    return Planner(forecast).plan(CampaignBatch.repeat(campaign, 1))[0]


def scales_of(curve: NDArray[np.float64], money: NDArray[Any]) -> NDArray[Any]:
    scales: NDArray[Any] = np.interp(money, curve, curves.GRID)
    return scales


def test_days_that_never_vary_are_worth_what_they_cost(even: Forecast) -> None:
    plan = planned(even)
    found = outlook(even, plan)
    assert found.later.shape == plan.later_known.shape
    np.testing.assert_array_equal(found.later[:, -1], 0.0)
    for b, whole in ((0, 200.0), (1, 100.0)):
        money = whole * 0.5 ** np.arange(1, 8)
        expected = scales_of(plan.later_known[0, b], money)
        np.testing.assert_allclose(scales_of(found.later[0, b], money), expected, atol=GRID_ERROR)
    np.testing.assert_array_equal(found.usual, 0.0)


def nothing_first(spend: NDArray[Any]) -> NDArray[Any]:
    none = np.zeros_like(spend)
    return worth(none, spend, blind_money(none, spend))


def test_a_slot_whose_levels_are_not_known_is_bid_on_as_a_search_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spends a 2 ** x in the slot and c 2 ** x later bring a x ln 2 and c ln m: the best x by search, and what
    another unit of money brings at it. Duals are averaged outright, as the expectation has them."""
    monkeypatch.setattr("bidpilot.bidding.plan.outlook.POWER", 1.0)
    slot, later = np.array([1.0, 4.0]), np.array([6.0, 30.0])

    def brings(x: float, money: float) -> float:
        return float((slot * np.log(2) * x + later * np.log(np.maximum(money - slot * 2.0**x, 1e-12))).mean())

    def best(money: float) -> tuple[float, float]:
        found = minimize_scalar(lambda x: -brings(x, money), bounds=(-4.0, np.log2(money / 4.0)), method="bounded")
        return float(found.x), -float(found.fun)

    first, rest = (amount[:, None] * np.exp2(curves.GRID) for amount in (slot, later))
    blind = blind_money(first, rest)
    whole = worth(first, rest, blind)
    for money in (5.0, 20.0, 80.0):
        x, _ = best(money)
        assert scales_of(blind, np.array([money]))[0] == pytest.approx(x, abs=GRID_ERROR)
        slope = (best(1.01 * money)[1] - best(0.99 * money)[1]) / (0.02 * money)
        assert scales_of(whole, np.array([money]))[0] == pytest.approx(-np.log2(slope), abs=GRID_ERROR)


def test_blocks_of_one_slot_are_all_blind(even: Forecast) -> None:
    """Days that never vary have nothing to be blind to: four blocks of a slot are worth what two of two are."""
    plan = planned(even)
    singly, doubly = (outlook(replace(even, level_slots=n), planned(replace(even, level_slots=n))) for n in (1, 2))
    money = 100.0 * 0.5 ** np.arange(1, 6)
    expected = scales_of(plan.later_known[0, 1], money)
    for curve in (singly.later[0, 2], singly.blind[0, 2], doubly.later[0, 1], doubly.blind[0, 1]):
        np.testing.assert_allclose(scales_of(curve, money), expected, atol=GRID_ERROR)


def test_scales_are_averaged_at_the_same_money() -> None:
    """Two curves that differ by 2 octaves: the power mean of x and x + 2 is x and a constant, whatever the money."""
    one = np.exp2(np.minimum(curves.GRID, 2.0))
    other = np.exp2(np.minimum(curves.GRID - 2.0, 2.0))
    mean = nothing_first(np.stack([one, other]))
    money = np.exp2(np.arange(-2.0, 1.0))
    by_hand = np.log2(money) - np.log2(0.5 * (1.0 + 2.0 ** (-2.0 * POWER))) / POWER
    np.testing.assert_allclose(scales_of(mean, money), by_hand, atol=GRID_ERROR)
    assert (np.diff(mean) >= 0).all()


def test_below_the_lowest_scale_money_falls_with_the_scale() -> None:
    spend = np.exp2(curves.GRID)[None] + 1.0
    mean = nothing_first(np.repeat(spend, 2, axis=0))
    assert mean[0] == pytest.approx(spend[0, 0], rel=0.05)
    np.testing.assert_array_equal(nothing_first(np.zeros((2, curves.POINTS))), 0.0)


def test_the_mean_of_duals_is_between_scales_and_nearer_the_lower() -> None:
    x = np.array([[0.0], [4.0]])
    assert power_mean(x)[0] == pytest.approx(-np.log2(0.5 * (1 + 2.0**-1)) / 0.25)
    assert power_mean(x, np.array([[0.0], [1.0]]))[0] == pytest.approx(4.0)
    assert 0.0 < power_mean(x)[0] < 2.0


def test_a_block_to_come_is_worth_what_its_levels_are_on_average(even: Forecast) -> None:
    """Value of 2, then of a half: an octave about the day's mean, widened by sqrt 2; a slot at p costs 50 p ** 2."""
    history = even.history.copy()
    history[:, :2, CONVERSION_LEVEL], history[:, 2:, CONVERSION_LEVEL] = 2.0, 0.5
    varied = replace(even, history=history)
    plan = planned(varied)
    found, money = outlook(varied, plan), np.array([5.0, 10.0, 20.0])
    bid = np.exp2(curves.GRID - plan.scale[0] + np.array([[1.0], [-1.0]]) * np.sqrt(2.0)) * plan.alpha[0, 2]
    slot = np.minimum(50.0 * bid**2, 50.5)
    blind = blind_money(slot, slot)
    np.testing.assert_allclose(scales_of(found.blind[0, 1], money), scales_of(blind, money), atol=GRID_ERROR)
    np.testing.assert_allclose(
        scales_of(found.later[0, 1], money), scales_of(worth(slot, slot, blind), money), atol=GRID_ERROR
    )


def test_usual_levels_are_means_of_logs(even: Forecast) -> None:
    history = even.history.copy()
    history[0, :, CONVERSION_LEVEL], history[1, :, CONVERSION_LEVEL] = 2.0, 0.25
    history[2, :2, PRICE_LEVEL] = 0.5
    observed = even.observed.copy()
    observed[2, 0] = False  # of the day's three slots that are left, one is at half of the price
    usual = outlook(varied := replace(even, history=history, observed=observed), planned(varied)).usual
    np.testing.assert_allclose(usual, [[(1.0 - 2.0 + 0.0) / 3, (-1.0 / 3) / 3]])


def test_busier_blocks_are_worth_more_money(even: Forecast) -> None:
    """Twice the traffic, then half of it: an octave about the day's mean, widened by sqrt 2. A block costs 101."""
    history = even.history.copy()
    history[:, :2, TRAFFIC_LEVEL], history[:, 2:, TRAFFIC_LEVEL] = 2.0, 0.5
    varied = replace(even, history=history)
    found = outlook(varied, planned(varied))
    assert found.later[0, 1, -1] == pytest.approx(2.0 ** np.sqrt(2.0) * 101.0)


def test_a_planner_keeps_the_outlook_of_its_plan(even: Forecast) -> None:
    planner, plan = Planner(even), planned(even)
    first = planner.outlook(plan)
    assert planner.outlook(plan) is first
    assert planner.outlook(replace(plan)) is not first

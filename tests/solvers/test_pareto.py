"""Facts of a Pareto front, against the auctions themselves: a knapsack for preferences, a program for floors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.kpi import CONVERSION
from bidpilot.bidding.landscape.forecast import BidLandscape, Forecast
from bidpilot.solvers.allocation import allocate
from bidpilot.solvers.pareto import ParetoFront, knee_heights, pareto_front

SIZE, AUCTIONS, WORTH = 600, 400.0, 12.0
BIN_ERROR = 0.005  # of the value that bins may lose


@lru_cache
def forecast(kpis: int = 3) -> Forecast:
    """Days that never vary: 4 slots of 100 auctions that are like SIZE others; the last KPIs are 0."""
    rng = np.random.default_rng(5)
    value = rng.lognormal(0.0, 0.6, (SIZE, 3)) * [0.4, 0.2, 0.05 * WORTH]
    value[:, kpis:] = 0.0
    return Forecast(
        landscape=BidLandscape(
            price=rng.lognormal(-2.5, 0.8, SIZE),
            value=value,
            segment=(np.arange(SIZE) % 2).astype(np.int16),
            weight=np.full(SIZE, 1 / SIZE),
        ),
        auctions=np.full(4, AUCTIONS / 4),
        price_curve=np.ones(4),
        history=np.ones((3, 4, 5)),
        observed=np.ones((3, 4), np.bool_),
        level_slots=2,
        segments=("feed/head", "feed/tail"),
    )


CAMPAIGN = Campaign(budget=8.0, conversion_value=WORTH)
LIMITED = Campaign(budget=8.0, conversion_value=WORTH, max_cpa=0.8, min_tail_share=0.6)


@lru_cache
def front() -> ParetoFront:
    return pareto_front(forecast(), CAMPAIGN, 13)


@lru_cache
def limited() -> ParetoFront:
    return pareto_front(forecast(), LIMITED, 8)


def test_under_rates_a_front_does_not_depend_on_what_a_conversion_is_worth() -> None:
    """Held at WORTH, the forecast is that of the campaign's own money, whatever the campaign's is."""
    rates = replace(forecast(), conversion_value=WORTH)
    other = pareto_front(rates, Campaign(budget=8.0, conversion_value=7.0 * WORTH), 4)
    own = pareto_front(forecast(), CAMPAIGN, 4)
    np.testing.assert_allclose(other.ideal, own.ideal, rtol=1e-12)
    np.testing.assert_allclose([p.kpi for p in other.ends], [p.kpi for p in own.ends], rtol=1e-9)


def per_auction() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each auction of the day costs, currency, and brings, ideal points of the front."""
    land = forecast().landscape
    money = np.array([1.0, 1.0, WORTH])
    return AUCTIONS * land.weight * land.price, AUCTIONS * land.weight[:, None] * land.value / money / front().ideal


def most(gain: NDArray[np.float64], cost: NDArray[np.float64], budget: float) -> float:
    """The fractional knapsack."""
    order = np.argsort(-gain / cost)
    part = np.clip((budget - np.cumsum(cost[order]) + cost[order]) / cost[order], 0.0, 1.0)
    return float(part @ gain[order])


@pytest.mark.parametrize("of", [front, limited])
def test_points_are_mutually_non_dominated(of: Callable[[], ParetoFront]) -> None:
    shares = of().shares
    assert len(shares) > 5
    better = (shares[:, None] >= shares[None]).all(axis=2)
    np.testing.assert_array_equal(better, np.eye(len(shares), dtype=bool))


@pytest.mark.parametrize("of", [front, limited])
@pytest.mark.parametrize("j", range(3))
def test_the_ends_are_the_single_kpi_optima(of: Callable[[], ParetoFront], j: int) -> None:
    got, campaign = of(), CAMPAIGN if of is front else LIMITED
    alone = allocate(forecast(), campaign.model_copy(update={"preference": tuple(np.eye(3)[j].tolist())}))
    assert got.ends[j].kpi[j] == pytest.approx(alone.kpi[j], rel=1e-6)
    assert got.shares[:, j].max() == pytest.approx(got.ends[j].share[j], abs=1e-6)


@pytest.mark.parametrize("of", [front, limited])
def test_a_preference_moves_its_optimum_its_own_way(of: Callable[[], ParetoFront]) -> None:
    """(w - w') . (x/z - x'/z) >= 0 for the optima of any two preferences."""
    points = of().by_preference
    w = np.array([p.preference for p in points])
    x = np.array([p.share for p in points])
    moved = np.einsum("abj,abj->ab", w[:, None] - w[None], x[:, None] - x[None])
    assert moved.min() >= -1e-9
    assert moved.max() > 0.01


def test_each_preference_gets_what_the_knapsack_of_its_auctions_gets() -> None:
    cost, gain = per_auction()
    for point in front().by_preference:
        w = np.array(point.preference)
        best = most(gain @ w, cost, CAMPAIGN.budget)
        assert (1 - BIN_ERROR) * best <= point.share @ w <= best * (1 + 1e-9)


def test_floors_are_kept_and_leave_what_a_program_over_the_auctions_leaves() -> None:
    cost, gain = per_auction()
    found = [p for p in front().points if p.floors is not None]
    assert found
    for point in found:
        least = np.array(point.floors) / front().ideal
        assert (point.share >= least - 1e-6).all()
        best = linprog(
            -gain[:, 0],
            A_ub=np.vstack([cost, -gain[:, 1:].T]),
            b_ub=[CAMPAIGN.budget, *-least[1:]],
            bounds=(0, 1),
        )
        w = np.array([1.0, *-best.ineqlin.marginals[1:]])  # the preference that this optimum is of
        assert (1 - BIN_ERROR) * (w @ (best.x @ gain)) <= w @ point.share
        assert point.share[0] <= -best.fun * (1 + 1e-6)


def test_hypervolume_is_a_share_of_the_ideal_box_and_more_than_any_plan_alone_spans() -> None:
    for got in (front(), limited()):
        assert got.reference_point == (0.0, 0.0, 0.0)
        assert got.shares.prod(axis=1).max() < got.hypervolume <= 1.0
    assert limited().hypervolume < front().hypervolume


def test_every_plan_keeps_the_campaigns_constraints() -> None:
    for point in limited().points:
        assert point.spend.sum() <= LIMITED.budget * (1 + 1e-6)
        assert point.spend.sum() <= 0.8 * point.kpi[CONVERSION] * (1 + 1e-6)
        assert point.wins[1] >= 0.6 * point.wins.sum() * (1 - 1e-6)


def test_the_knee_is_the_point_highest_above_the_plane_of_the_ends() -> None:
    got = front()
    heights = knee_heights(got.shares, np.array([p.share for p in got.ends]))
    assert got.points[int(np.argmax(heights))] is got.knee
    assert got.knee_height == heights.max() > 0


def test_heights_above_a_line_are_known_in_closed_form() -> None:
    ends = np.eye(2)
    np.testing.assert_allclose(knee_heights(np.array([[0.8, 0.8], [0.5, 0.5]]), ends), [0.6 / np.sqrt(2), 0.0])
    same = np.array([[0.7, 0.9], [0.7, 0.9]])
    np.testing.assert_allclose(knee_heights(np.array([[0.7, 0.9], [0.6, 0.9]]), same), [0.0, -0.1])


@given(st.permutations(range(3)), st.floats(0.1, 1.0), st.floats(0.0, 0.5))
def test_heights_do_not_depend_on_the_order_of_kpis(order: list[int], level: float, slack: float) -> None:
    ends = np.array([[1.0, level / 2, 0.1], [0.2, 1.0, 0.1], [0.1, level / 3, 1.0]])
    points = np.vstack([ends, ends.mean(axis=0) + slack])
    np.testing.assert_allclose(knee_heights(points[:, order], ends[:, order]), knee_heights(points, ends), atol=1e-9)


def test_kpis_that_the_forecast_has_none_of_are_left_out() -> None:
    two = pareto_front(forecast(kpis=2), CAMPAIGN, 5)
    assert two.active == (0, 1)
    assert len(two.reference_point) == 2
    assert all(p.share[CONVERSION] == 0.0 for p in two.points)
    one = pareto_front(forecast(kpis=1), CAMPAIGN, 5)
    assert len(one.points) == 1
    assert one.knee is one.points[0]
    assert 0.99 < one.hypervolume <= 1.0


def test_a_campaign_that_nothing_satisfies_has_no_front() -> None:
    greedy = Campaign(budget=8.0, conversion_value=WORTH, max_cpa=0.8, kpi_floors=(0.0, 0.0, 1e4))
    with pytest.raises(InfeasibleCampaign, match="floor/conversion"):
        pareto_front(forecast(), greedy, 3)

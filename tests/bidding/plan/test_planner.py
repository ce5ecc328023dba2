"""Facts about plans and re-plans: what they spend, what they are best at, and that each stands alone."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import Scalarisation, utility
from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.errors import ZeroIdealPoint
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.plan.planner import ALPHA_FLOOR, Planner

CURVE_ERROR = 2e-3  # curves have 8 points to the octave
W = (0.2, 0.3, 0.5)


def plan(forecast: Forecast, budget: float = 40.0, **changes: object) -> BudgetPlan:
    campaign = Campaign.model_validate({"budget": budget, "conversion_value": 12.0, "preference": W} | changes)
    return Planner(forecast).plan(CampaignBatch.repeat(campaign, 1))[0]


def test_a_plan_known_in_closed_form(even: Forecast) -> None:
    """400 auctions priced evenly on 0 .. 1 with equal values: bids of p buy 400 p and cost 200 p^2."""
    got = plan(even, budget=50.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0))
    np.testing.assert_allclose(got.alpha[0, 2], 0.5, rtol=0.02)
    np.testing.assert_allclose(got.ideal[0], 200.0, rtol=0.02)
    np.testing.assert_allclose(got.utility[0], 1.0, rtol=1e-3)
    np.testing.assert_allclose(got.market[0], 400 * 0.505)
    np.testing.assert_allclose(got.spend[0], [0, 12.5, 25, 37.5, 50], rtol=1e-6)
    np.testing.assert_allclose(got.wins[0], 50.0, rtol=0.02)


@pytest.mark.parametrize("auction", ["second", "first"])
@pytest.mark.parametrize("kind", list(Scalarisation))
@pytest.mark.parametrize("budget", [1.0, 40.0, 300.0])
def test_a_plan_expects_to_spend_its_budget(forecast: Forecast, kind: str, auction: str, budget: float) -> None:
    got = plan(forecast, budget, scalarisation=kind, auction=auction)
    assert got.spend[0, -1] == pytest.approx(budget, rel=0.01)
    assert (np.diff(got.spend[0]) >= 0).all()


def test_more_than_everything_costs_is_not_spent(forecast: Forecast) -> None:
    got = plan(forecast, 1e6)
    assert got.spend[0, -1] <= got.market[0] * (1 + 1e-9) < 2000


@pytest.mark.parametrize("j", [0, 1, 2])
def test_with_one_kpi_the_scalarisations_agree_and_reach_the_ideal_point(forecast: Forecast, j: int) -> None:
    preference = [0.0, 0.0, 0.0]
    preference[j] = 1.0
    plans = [plan(forecast, preference=preference, scalarisation=kind) for kind in Scalarisation]
    for got in plans:
        np.testing.assert_allclose(got.alpha, plans[0].alpha, rtol=1e-6)
        np.testing.assert_allclose(got.kpi[0, j], got.ideal[0, j], rtol=CURVE_ERROR)
        assert got.utility[0] == pytest.approx(1.0, rel=CURVE_ERROR)


@pytest.mark.parametrize("w", [W, (0.05, 0.05, 0.9), (0.6, 0.4, 0.0), (1 / 3, 1 / 3, 1 / 3)])
def test_each_plan_is_the_best_of_all_at_its_own_utility(forecast: Forecast, w: tuple[float, float, float]) -> None:
    plans = {kind: plan(forecast, preference=w, scalarisation=kind) for kind in Scalarisation}
    for kind, own in plans.items():
        assert own.utility[0] <= 1 + CURVE_ERROR
        for other in plans.values():
            theirs = utility(other.kpi, other.ideal, np.array([w]), np.array([kind.code]))[0]
            assert own.utility[0] >= theirs * (1 - CURVE_ERROR)


def test_chebyshev_evens_out_what_is_worst_and_nash_weighs_by_what_is_attained(forecast: Forecast) -> None:
    """Exposure comes along unasked for here; what is worst, interaction and conversion, ends level."""
    w = np.array([0.3, 0.3, 0.4])
    even_out = plan(forecast, preference=tuple(w), scalarisation=Scalarisation.chebyshev)
    level = even_out.kpi[0] / even_out.ideal[0] / w
    assert level[1] / level[2] == pytest.approx(1.0, abs=0.01)
    assert level[0] > level[1:].max()
    nash = plan(forecast, preference=tuple(w), scalarisation=Scalarisation.nash)
    ratio = nash.alpha[0] * nash.kpi[0] / w  # alpha_j proportional to w_j / x_j
    assert ratio.max() / ratio.min() == pytest.approx(1.0, abs=0.02)


def test_a_preferred_kpi_keeps_a_part_of_its_own_coefficient(forecast: Forecast) -> None:
    single = plan(forecast, preference=(1.0, 0.0, 0.0)).alpha[0, 0]
    faint = plan(forecast, preference=(1e-4, 0.0, 1 - 1e-4)).alpha[0, 0]
    assert faint == pytest.approx(ALPHA_FLOOR * single, rel=CURVE_ERROR)
    assert plan(forecast, preference=(0.0, 0.0, 1.0)).alpha[0, 0] == 0.0


def test_the_shadow_price_is_what_a_little_more_budget_brings(forecast: Forecast) -> None:
    """Lambda times a small change of the budget is the change of x / z at fixed z, by central difference."""
    w = np.array([W])
    low, here, high = (plan(forecast, 40.0 * f) for f in (0.8, 1.0, 1.25))
    gained = utility(high.kpi, here.ideal, w, np.zeros(1, np.int64)) - utility(
        low.kpi, here.ideal, w, np.zeros(1, np.int64)
    )
    assert here.shadow_price[0] == pytest.approx(gained[0] / (40.0 * (1.25 - 0.8)), rel=0.1)


def test_money_has_no_unit_of_its_own(forecast: Forecast) -> None:
    """The conversion value moves conversions alone: what all currencies multiply cancels in the plan's shares."""
    cheap, dear = plan(forecast, conversion_value=12.0), plan(forecast, conversion_value=6.0)
    np.testing.assert_allclose(cheap.kpi[0, :2], dear.kpi[0, :2], rtol=1e-9)


def test_under_rates_a_plan_is_the_same_whatever_a_conversion_is_worth(even: Forecast) -> None:
    """Held at 2.5, a landscape value of 1 is 0.4 conversions: bids of 0.5 are 1.25 for a conversion."""
    rates = replace(even, conversion_value=2.5)
    alone: dict[str, Any] = {"budget": 50.0, "preference": (0.0, 0.0, 1.0)}
    for worth in (1.0, 4.0, 16.0):
        got = plan(rates, conversion_value=worth, **alone)
        np.testing.assert_allclose(got.alpha[0, 2], 0.5 * 2.5, rtol=0.02)
        np.testing.assert_allclose(got.ideal[0, 2], 200.0 / 2.5, rtol=0.02)
        np.testing.assert_allclose(got.kpi[0, 2], 200.0 / 2.5, rtol=0.02)
        in_money = plan(even, conversion_value=worth, **alone)
        np.testing.assert_allclose(in_money.alpha[0, 2], 0.5 * worth, rtol=0.02)
        np.testing.assert_allclose(in_money.ideal[0, 2], 200.0 / worth, rtol=0.02)


def test_under_rates_a_return_is_of_the_campaigns_own_money(even: Forecast) -> None:
    """The n cheapest of a hundred bring 1.6 n conversions for 0.02 n (n + 1): worth 4, 39 of them return 8."""
    rates = replace(even, conversion_value=2.5)
    asked: dict[str, Any] = {"budget": 50.0, "preference": (0.0, 0.0, 1.0), "min_roi": 8.0}
    held, free = (plan(rates, conversion_value=worth, **asked) for worth in (4.0, 40.0))
    np.testing.assert_allclose(held.kpi[0, 2], 1.6 * 39, rtol=0.03)
    np.testing.assert_allclose(held.spend[0, -1], 0.02 * 39 * 40, rtol=0.05)
    np.testing.assert_allclose(free.kpi[0, 2], 160 * 0.5, rtol=0.02)  # the budget stops it first


def test_plans_of_many_campaigns_equal_each_ones_own(forecast: Forecast) -> None:
    budgets = np.array([10.0, 40.0, 10.0, 90.0])
    planner = Planner(forecast)
    campaign = Campaign(budget=1.0, scalarisation=Scalarisation.nash)
    together, index = planner.plan(CampaignBatch.repeat(campaign, 4, budget=budgets))
    assert len(together.scale) == 3
    assert index[0] == index[2]
    for b, budget in enumerate(budgets):
        alone, _ = planner.plan(CampaignBatch.repeat(campaign, 1, budget=np.array([budget])))
        np.testing.assert_array_equal(together.alpha[index[b]], alone.alpha[0])
        np.testing.assert_array_equal(together.later_known[index[b]], alone.later_known[0])


def test_a_plan_is_made_again_only_for_other_campaigns(forecast: Forecast) -> None:
    planner = Planner(forecast)
    batch = CampaignBatch.repeat(Campaign(budget=40.0), 2)
    first, _ = planner.plan(batch)
    assert planner.plan(batch)[0] is first
    assert planner.plan(CampaignBatch.repeat(Campaign(budget=40.0, auction="first"), 2))[0] is not first
    assert planner.plan(batch)[0].alpha.tolist() == first.alpha.tolist()


@pytest.mark.parametrize("j", [0, 1, 2])
def test_a_kpi_that_never_occurs_cannot_be_preferred(forecast: Forecast, j: int) -> None:
    value = forecast.landscape.value.copy()
    value[:, j] = 0.0
    barren = replace(forecast, landscape=replace(forecast.landscape, value=value))
    with pytest.raises(ZeroIdealPoint, match=("exposure", "interaction", "conversion")[j]):
        plan(barren)
    weights = np.array(W)
    weights[j] = 0.0
    for kind in Scalarisation:
        left_out = plan(barren, preference=tuple(weights / weights.sum()), scalarisation=kind)
        assert np.isfinite(left_out.alpha).all()
        assert left_out.ideal[0, j] == 0.0


# --- re-plan -----------------------------------------------------------------------------------


def believe(rows: int, day: float = 0.0, block: float = 0.0, trust: float = 0.0, kind: int = 0) -> Posterior:
    """Beliefs (log2) of one kind of level, 0 value, 1 price, 2 traffic; the forecast's otherwise."""
    zeros = np.zeros((3, rows))
    days, blocks, trusts = zeros.copy(), zeros.copy(), zeros.copy()
    days[kind], blocks[kind], trusts[0] = day, block, trust
    return Posterior(days, blocks, trusts)


def replanned(
    forecast: Forecast, left: NDArray[np.float64], t: int, levels: Posterior | None = None
) -> NDArray[np.float64]:
    batch = CampaignBatch.repeat(Campaign(budget=40.0, conversion_value=12.0), len(left))
    got, index = Planner(forecast).plan(batch)
    return Replanner(forecast, got, index).scale(levels or believe(len(left)), left, t)


def test_at_the_start_of_the_day_the_replan_is_the_plan(forecast: Forecast) -> None:
    np.testing.assert_allclose(replanned(forecast, np.array([40.0]), 0), 0.0, atol=1e-9)


@pytest.mark.parametrize("t", [0, 5, 8, 24, 47])
def test_more_money_left_bids_more(forecast: Forecast, t: int) -> None:
    scale = replanned(forecast, np.array([0.0, 0.5, 2.0, 10.0, 30.0, 40.0]), t)
    assert (np.diff(scale) >= 0).all()  # at the end of the day the last amounts buy everything
    assert (np.diff(scale[:4]) > 0).all()


@pytest.mark.parametrize("t", [1, 3])
def test_the_replan_spends_what_is_left(even: Forecast, t: int) -> None:
    """`even` in closed form: bids of p spend 50 p^2 a slot, whatever part of a block is left."""
    batch = CampaignBatch.repeat(Campaign(budget=50.0, preference=(0.0, 0.0, 1.0)), 3)
    got, index = Planner(even).plan(batch)
    left = np.array([2.0, 12.0, 30.0])
    bid = got.alpha[0, 2] * 2.0 ** Replanner(even, got, index).scale(believe(3), left, t)
    np.testing.assert_allclose(50 * bid**2 * (4 - t), left, rtol=0.03)


def test_traffic_above_the_forecast_lowers_the_bid_and_dear_traffic_too(even: Forecast) -> None:
    """Twice the auctions at the same money: 50 p^2 a slot doubles, so p falls by a root of two."""
    batch = CampaignBatch.repeat(Campaign(budget=50.0, preference=(0.0, 0.0, 1.0)), 1)
    got, index = Planner(even).plan(batch)
    replanner = Replanner(even, got, index)
    busy = replanner.scale(believe(1, day=1.0, block=1.0, kind=2), np.array([25.0]), 2)
    np.testing.assert_allclose(busy, -0.5, atol=0.02)
    # prices twice as high: 25 p^2 a slot while p < 2, so p rises by a root of two
    dear = replanner.scale(believe(1, day=1.0, block=1.0, kind=1), np.array([25.0]), 2)
    np.testing.assert_allclose(dear, 0.5, atol=0.02)


def test_values_above_the_forecast_lower_the_coefficients_by_as_much(even: Forecast) -> None:
    batch = CampaignBatch.repeat(Campaign(budget=50.0, preference=(0.0, 0.0, 1.0)), 1)
    got, index = Planner(even).plan(batch)
    rich = Replanner(even, got, index).scale(believe(1, day=1.0, block=1.0, trust=1.0), np.array([25.0]), 2)
    np.testing.assert_allclose(rich, -1.0, atol=0.02)


def test_a_rich_block_is_bid_for_and_a_row_does_not_depend_on_its_neighbours(forecast: Forecast) -> None:
    """What is known of this block alone moves the scale less than what is known of the whole day."""
    left = np.array([30.0])
    block, day = (
        replanned(forecast, left, 12, believe(1, block=1.0)),
        replanned(forecast, left, 12, believe(1, day=1.0, block=1.0)),
    )
    assert day < block < replanned(forecast, left, 12)
    many = np.linspace(1, 39, 7)
    together = replanned(forecast, many, 12)
    for b in range(7):
        np.testing.assert_array_equal(together[b : b + 1], replanned(forecast, many[b : b + 1], 12))


def test_a_day_whose_level_is_known_is_planned_otherwise_than_one_to_be_guessed(forecast: Forecast) -> None:
    """Levels of later blocks spread more while the day's is unknown; a half-known day lies between."""
    left = np.array([30.0])
    unknown, half, known = (replanned(forecast, left, 8, believe(1, trust=trust))[0] for trust in (0.0, 0.5, 1.0))
    assert abs(unknown - known) > 1e-3
    assert min(unknown, known) < half < max(unknown, known)


def test_threads_that_share_a_planner_each_get_their_own_plan(
    forecast: Forecast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bidder plans campaigns while another thread plans them too, under one forecast."""
    planner, wrong = Planner(forecast), []
    plans = {budget: plan(forecast, budget) for budget in (10.0, 20.0, 30.0)}
    monkeypatch.setattr(planner, "_plan", lambda campaigns, rows: plans[float(campaigns.budget[0])])

    def work(budget: float) -> None:
        campaigns = CampaignBatch.repeat(Campaign(budget=budget, conversion_value=12.0, preference=W), 1)
        for _ in range(800):
            if planner.plan(campaigns)[0] is not plans[budget]:
                wrong.append(budget)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(budget,)) for budget in plans]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong

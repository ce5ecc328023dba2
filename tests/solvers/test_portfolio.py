"""Facts about a portfolio's plan, its reserve, and its guard against bad days."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import (
    InfeasiblePortfolio,
    InvalidCampaign,
    InvalidPortfolio,
    UnknownChannel,
    ZeroIdealPoint,
)
from bidpilot.bidding.landscape.forecast import BidLandscape, Forecast
from bidpilot.solvers.allocation import allocate
from bidpilot.solvers.portfolio import Portfolio, PortfolioPlan, roll, solve_portfolio
from bidpilot.solvers.portfolio.bins import Margin, bin_days, expected_day, scenario_days
from bidpilot.solvers.portfolio.solve import worst_mean

SEGMENTS = ("feed/head", "feed/tail", "search/head", "search/tail")
VIEWS, SALES = (0.8, 0.1, 0.1), (0.1, 0.1, 0.8)


def small_forecast(segment: NDArray[np.int64] | None = None) -> Forecast:
    """600 auctions a slot in 6 slots; days differ in the value of conversions and in price."""
    rng = np.random.default_rng(5)
    size = 400
    segment = rng.integers(0, 4, size) if segment is None else segment
    history = np.ones((24, 6, 5))
    history[:, :, 2] = rng.uniform(0.3, 1.7, (24, 1))
    history[:, :, 3] = rng.uniform(0.8, 1.2, (24, 1))
    return Forecast(
        landscape=BidLandscape(
            price=rng.lognormal(-2.5, 0.9, size),
            value=np.column_stack(
                [rng.uniform(0.2, 1, size), rng.lognormal(-3, 0.5, size), rng.lognormal(-3, 1, size)]
            ),
            segment=segment.astype(np.int16),
            weight=np.full(size, 1 / size),
        ),
        auctions=np.full(6, 600.0),
        price_curve=np.array([0.8, 0.9, 1.0, 1.0, 1.1, 1.2]),
        history=history,
        observed=np.ones((24, 6), np.bool_),
        level_slots=2,
        segments=SEGMENTS,
    )


@pytest.fixture(scope="module")
def forecast() -> Forecast:
    return small_forecast()


def portfolio(*campaigns: dict[str, Any], **changes: Any) -> Portfolio:
    named = campaigns or ({"preference": VIEWS}, {"preference": SALES})
    listed = [{"name": f"c{k}", **campaign} for k, campaign in enumerate(named)]
    return Portfolio.model_validate({"budget": 160.0, "days": 4, "campaigns": listed, **changes})


def dual(plan: PortfolioPlan, name: str) -> float:
    return next(d.utility_per_unit for d in plan.duals if d.name == name)


def test_one_campaign_on_one_day_is_its_allocation(forecast: Forecast) -> None:
    plan = solve_portfolio(forecast, portfolio({"preference": VIEWS}, budget=40.0, days=1))
    own = allocate(forecast, Campaign(budget=40.0, preference=VIEWS))
    assert plan.utility == pytest.approx(own.utility, rel=0.005)
    np.testing.assert_allclose(plan.ideal, own.ideal, rtol=1e-9)
    assert plan.shadow_price == pytest.approx(own.shadow_price, rel=0.05)
    np.testing.assert_allclose(plan.rule.alpha[0], own.alpha, rtol=0.05)
    assert plan.gap < 1e-6


def test_a_twin_brings_nothing_because_no_auction_counts_twice(forecast: Forecast) -> None:
    alone = solve_portfolio(forecast, portfolio({"preference": VIEWS}))
    twins = solve_portfolio(forecast, portfolio({"preference": VIEWS}, {"preference": VIEWS}))
    assert twins.utility == pytest.approx(alone.utility, rel=0.005)


def test_another_wish_brings_something(forecast: Forecast) -> None:
    alone = [solve_portfolio(forecast, portfolio({"preference": p})).utility for p in (VIEWS, SALES)]
    both = solve_portfolio(forecast, portfolio())
    assert both.utility > 1.05 * max(alone)
    assert (both.budgets.sum(axis=1) > 0.1 * 160).all()


def test_days_without_a_reserve_get_money_as_they_get_traffic(forecast: Forecast) -> None:
    plan = solve_portfolio(forecast, portfolio(day_weights=(1.0, 2.0, 0.5, 0.5)))
    np.testing.assert_allclose(plan.budgets / plan.budgets[:, :1], [[1, 2, 0.5, 0.5]] * 2)
    assert plan.spend.sum() == pytest.approx(160.0)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    cap=st.floats(5, 80),
    least=st.floats(5, 60),
    most=st.floats(5, 90),
    tail=st.floats(0, 0.9),
    reserve=st.floats(0, 0.3),
)
def test_the_plan_keeps_every_constraint(cap: float, least: float, most: float, tail: float, reserve: float) -> None:
    spec = portfolio(
        {"preference": VIEWS, "min_tail_share": tail, "least_budget": least},
        {"preference": SALES, "most_budget": most},
        channel_caps={"search": cap},
        reserve=reserve,
    )
    plan = solve_portfolio(small_forecast(), spec)
    assert plan.spend.sum() <= 160.0 * (1 + 1e-9)
    assert plan.spend[:, :, 1].sum() <= cap * (1 + 1e-6)
    assert plan.budgets[0].sum() >= least * (1 - 1e-6)
    assert plan.budgets[1].sum() <= most * (1 + 1e-6)
    assert plan.budgets[:, 0].sum() * 4 <= (160.0 - plan.reserve[0]) * (1 + 1e-6)
    attained = {d.name: d.attained for d in plan.duals}
    assert attained.get("c0/min_tail_share", 1.0) >= tail - 1e-6
    assert plan.gap < 1e-6
    assert all(d.utility_per_unit >= 0 for d in plan.duals if d.name in ("budget", "cap/search", "c1/most_budget"))


@pytest.mark.parametrize(
    ("name", "bound"), [("cap/search", 50.0), ("c1/most_budget", 40.0), ("c0/least_budget", 130.0)]
)
def test_a_dual_is_the_change_of_utility_per_unit_of_its_bound(forecast: Forecast, name: str, bound: float) -> None:
    def solved(change: float) -> PortfolioPlan:
        owner, _, key = name.partition("/")
        views: dict[str, Any] = {"preference": VIEWS}
        sales: dict[str, Any] = {"preference": SALES}
        caps: dict[str, Any] = {}
        {"c0": views, "c1": sales, "cap": caps}[owner][key] = bound + change
        return solve_portfolio(forecast, portfolio(views, sales, channel_caps=caps))

    below, at, above = solved(-2.0), solved(0.0), solved(2.0)
    change = (above.utility - below.utility) / 4.0
    assert abs(dual(at, name)) > 1e-5
    assert change == pytest.approx(dual(at, name), rel=0.15)


def test_campaigns_that_ask_for_too_much_are_named_and_the_named_remedy_mends_it(forecast: Forecast) -> None:
    def spec(least: float) -> Portfolio:
        return portfolio({"preference": VIEWS, "least_budget": least}, {"preference": SALES, "least_budget": 100.0})

    with pytest.raises(InfeasiblePortfolio, match="c0/least_budget and c1/least_budget") as caught:
        solve_portfolio(forecast, spec(90.0))
    needed = {c.name: c.needed for c in caught.value.conflicts}
    assert needed["budget"] == pytest.approx(190.0, rel=1e-6)
    assert needed["c0/least_budget"] == pytest.approx(60.0, rel=1e-6)
    assert solve_portfolio(forecast, spec(59.99)).utility > 0


# --- the reserve ------------------------------------------------------------------------------


def played(
    forecast: Forecast, spec: Portfolio, surge: dict[int, float] | None = None
) -> tuple[list[float], list[float]]:
    """Spend of each day when all goes as planned but for what a surge takes on top, and the money left after it."""
    spent, days, left = np.zeros((len(spec.campaigns), 2)), [], []
    for day in range(spec.days):
        today = roll(forecast, spec, spent, day).spend[:, 0]
        spent += today * (1 + (surge or {}).get(day, 0.0))
        days.append(float(today.sum()))
        left.append(spec.budget - float(spent.sum()))
    return days, left


def test_on_normal_days_the_reserve_is_kept_day_by_day_and_all_is_spent_at_the_end(forecast: Forecast) -> None:
    days, left = played(forecast, portfolio(reserve=0.1))
    for d, money in enumerate(left, start=1):
        assert money >= 0.1 * 160.0 * (1 - d / 4) - 1e-6
    assert left[-1] == pytest.approx(0.0, abs=1e-4)
    assert days[0] == pytest.approx((160.0 - 12.0) / 4, rel=1e-6)  # what later days need at this level, and 12 more
    assert all(later >= earlier - 1e-4 for earlier, later in pairwise(days))


def test_after_a_surge_the_reserve_lets_later_days_keep_their_level(forecast: Forecast) -> None:
    surge = {0: 0.2}  # the first day takes 20 % more than planned, less than the reserve
    held, left = played(forecast, portfolio(reserve=0.1), surge)
    bare, _ = played(forecast, portfolio(), surge)
    assert min(held[1:]) >= held[0] - 1e-4
    assert max(bare[1:]) < 0.95 * bare[0]
    assert left[-1] == pytest.approx(0.0, abs=1e-4)


def test_a_released_reserve_is_planned_with(forecast: Forecast) -> None:
    spec, none = portfolio(reserve=0.1), np.zeros((2, 2))
    kept, released = roll(forecast, spec, none, 0), roll(forecast, spec, none, 0, release=True)
    assert kept.budgets[:, 0].sum() == pytest.approx(37.0, rel=1e-6)
    assert released.budgets[:, 0].sum() == pytest.approx(40.0, rel=1e-6)
    assert released.utility >= kept.utility - 1e-9
    np.testing.assert_array_equal(released.reserve, 0.0)


def test_a_plan_after_everything_is_spent_spends_nothing(forecast: Forecast) -> None:
    spent = np.array([[80.0, 0.0], [40.0, 40.0]])
    plan = roll(forecast, portfolio(), spent, 2)
    assert plan.spend.sum() == 0.0
    assert plan.utility == pytest.approx(0.0, abs=1e-9)
    assert plan.nothing == "nothing can be bought: the whole budget is spent"


# --- bad days ---------------------------------------------------------------------------------


def test_guarding_bad_days_helps_the_worst_and_costs_the_mean(forecast: Forecast) -> None:
    plans = [
        solve_portfolio(forecast, portfolio(risk={"cvar_level": 0.8, "cvar_weight": weight})) for weight in (0, 0.5, 1)
    ]
    for safer, bolder in zip(plans[1:], plans, strict=False):
        assert safer.cvar is not None
        assert bolder.cvar is not None
        assert safer.cvar >= bolder.cvar - 1e-7
        assert safer.mean <= bolder.mean + 1e-7
    assert plans[2].cvar is not None
    assert plans[0].cvar is not None
    assert plans[2].cvar > 1.01 * plans[0].cvar  # sales vary, views do not
    assert plans[2].budgets[0].sum() > plans[0].budgets[0].sum()
    assert max(plan.gap for plan in plans) < 1e-6


def test_cvar_is_the_largest_of_rockafellar_and_uryasevs_lower_bounds() -> None:
    utility = np.random.default_rng(0).normal(1.0, 0.3, 17)
    for level in (0.0, 0.5, 0.9, 0.97):
        bounds = [t - np.maximum(t - utility, 0).mean() / (1 - level) for t in utility]
        assert worst_mean(utility, level) == pytest.approx(max(bounds))
    assert worst_mean(utility, 0.0) == pytest.approx(utility.mean())


def test_scenario_days_are_the_training_days_on_average(forecast: Forecast) -> None:
    days = scenario_days(forecast)
    assert len(days) <= 24
    assert np.mean([day.count.sum() for day in days]) == pytest.approx(3600.0, rel=0.02)
    value = np.mean([day.count @ day.value for day in days], axis=0)
    np.testing.assert_allclose(value, expected_day(forecast).count @ expected_day(forecast).value, rtol=0.05)


# --- landscapes and specifications at their edges ----------------------------------------------


def test_a_portfolio_that_can_buy_nothing_is_a_plan_of_zeros_that_says_why() -> None:
    """Segments of long-tail content are named, and no auction of the forecast is in any."""
    spec = portfolio({"preference": VIEWS, "min_tail_share": 1.0}, days=1)
    plan = solve_portfolio(small_forecast(np.zeros(400, np.int64)), spec)
    assert plan.nothing == "nothing can be bought under c0/min_tail_share. Relax it"
    assert plan.utility == plan.wins.sum() == plan.kpi.sum() == 0.0
    assert plan.spend.sum() == 0.0


@pytest.mark.parametrize("risk", [None, {"cvar_level": 0.9, "cvar_weight": 0.5}])
def test_segments_with_one_auction_or_none_do_not_break_it(risk: dict[str, float] | None) -> None:
    segment = np.zeros(400, np.int64)
    segment[7] = 1  # one auction of the long tail in feed, none in search
    spec = portfolio({"preference": VIEWS, "min_tail_share": 0.5}, {"preference": SALES}, reserve=0.1, risk=risk)
    plan = solve_portfolio(small_forecast(segment), spec)
    assert np.isfinite(plan.spend).all()
    for part in (plan.rule.alpha, plan.rule.multiplier, plan.rule.beta, plan.rule.saved):
        assert np.isfinite(part).all()
    assert plan.wins[0] <= 2 * 3600 * 4 / 400 * 1.5  # no more of the head than of the one auction of the tail
    assert plan.kpi[1].min() > 0


def test_bins_keep_the_days_totals(forecast: Forecast) -> None:
    day = expected_day(forecast)
    margin = Margin(np.array([VIEWS, SALES]), np.zeros((2, 4)), np.full((2, 4), 2.0))
    bins = bin_days((day,), margin)
    assert bins.count.sum() == pytest.approx(3600.0)
    np.testing.assert_allclose(bins.count @ bins.value, day.count @ day.value)
    assert bins.count @ bins.price == pytest.approx(day.count @ day.price)


def test_conversions_are_counted_at_the_forecasts_price(forecast: Forecast) -> None:
    plain = solve_portfolio(forecast, portfolio())
    priced = solve_portfolio(replace(forecast, conversion_value=8.0), portfolio())
    np.testing.assert_allclose(priced.kpi[:, 2] * 8, plain.kpi[:, 2])
    np.testing.assert_allclose(priced.ideal[2] * 8, plain.ideal[2])
    np.testing.assert_allclose(priced.rule.alpha[:, 2], plain.rule.alpha[:, 2] * 8)
    assert priced.utility == pytest.approx(plain.utility)


def test_campaigns_of_different_worth_share_a_forecast_of_rates_and_none_in_money(forecast: Forecast) -> None:
    spec = portfolio(
        {"preference": VIEWS, "conversion_value": 2.0}, {"preference": SALES, "conversion_value": 8.0}, reserve=0.1
    )
    alike = portfolio({"preference": VIEWS}, {"preference": SALES}, reserve=0.1)
    rates = replace(forecast, conversion_value=8.0)
    np.testing.assert_allclose(solve_portfolio(rates, spec).kpi, solve_portfolio(rates, alike).kpi, rtol=1e-9)
    with pytest.raises(InvalidPortfolio, match=r"at 2, 8\..*one"):
        solve_portfolio(forecast, spec)


def test_the_example_is_a_portfolio() -> None:
    path = Path(__file__).parents[2] / "examples" / "portfolio.yaml"
    spec = Portfolio.model_validate(yaml.safe_load(path.read_text()))
    assert spec.days == len(spec.traffic) == 7


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"campaigns": [{"name": "a"}, {"name": "a"}]}, InvalidPortfolio, "'a'"),
        ({"campaigns": []}, InvalidPortfolio, "at least one"),
        ({"campaigns": [{"name": "a", "least_budget": 2, "most_budget": 1}]}, InvalidPortfolio, "'a' has a least"),
        ({"budget": 0.0}, InvalidCampaign, "budget must be positive"),
        ({"days": 0}, InvalidPortfolio, "at least 1 day"),
        ({"day_weights": (1.0,)}, InvalidPortfolio, "1 entries for 4 days"),
        ({"reserve": 1.5}, InvalidCampaign, "reserve is a share"),
        ({"risk": {"cvar_level": 1.0}}, InvalidPortfolio, "cvar_level"),
    ],
)
def test_a_portfolio_that_makes_no_sense_is_refused(changes: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        portfolio(**changes)


def test_a_cap_of_an_unknown_channel_is_refused(forecast: Forecast) -> None:
    with pytest.raises(UnknownChannel, match="radio"):
        solve_portfolio(forecast, portfolio(channel_caps={"radio": 1.0}))


def test_a_wish_that_the_forecast_cannot_meet_is_refused(forecast: Forecast) -> None:
    none = small_forecast()
    none.landscape.value[:, 2] = 0.0
    with pytest.raises(ZeroIdealPoint, match="conversion"):
        solve_portfolio(none, portfolio())


@pytest.mark.parametrize(
    ("spent", "day", "message"),
    [
        (np.zeros((2, 2)), 4, "day is 4"),
        (np.zeros((2, 3)), 0, "shape"),
        (np.full((2, 2), np.nan), 0, "finite"),
        (np.full((2, 2), 50.0), 1, "200 is spent"),
    ],
)
def test_spend_that_does_not_fit_is_refused(
    forecast: Forecast, spent: NDArray[np.float64], day: int, message: str
) -> None:
    with pytest.raises(InvalidPortfolio, match=message):
        roll(forecast, portfolio(), spent, day)

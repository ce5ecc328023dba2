"""Facts of replay: one owner's campaigns never bid against each other, and buy what was planned."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bidpilot.bidding.campaign.segments import channel_index
from bidpilot.bidding.errors import InvalidPortfolio
from bidpilot.envs.clearing.day import DayAuctions, materialise
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import preset_forecast, preset_market
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.solvers.portfolio import (
    Portfolio,
    PortfolioPlan,
    PortfolioRule,
    assign,
    replay_day,
    roll,
    solve_portfolio,
)
from bidpilot.solvers.portfolio.assign import offers
from bidpilot.solvers.portfolio.bins import expected_day

VIEWS, TALK, SALES = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)


def some_days(preset: str, rows: int) -> tuple[DayBatch, list[DayAuctions]]:
    market = preset_market(preset)
    days = market.days(np.random.default_rng(11).random((rows, market.draws)))
    return days, [materialise(market, days, row) for row in range(rows)]


def portfolio(budget: float = 80.0, days: int = 2, scale: float = 1.0) -> Portfolio:
    campaigns: list[dict[str, Any]] = [
        {"name": "views", "preference": VIEWS, "min_tail_share": 0.4},
        {"name": "talk", "preference": TALK, "least_budget": 20.0 * scale},
        {"name": "sales", "preference": SALES, "most_budget": 24.0 * scale},
    ]
    priced = [{**campaign, "conversion_value": 12.0} for campaign in campaigns]
    return Portfolio.model_validate({"budget": budget, "days": days, "campaigns": priced})


@lru_cache
def solved() -> PortfolioPlan:
    return solve_portfolio(preset_forecast(), portfolio())


@pytest.fixture(scope="module")
def plan() -> PortfolioPlan:
    return solved()


@pytest.fixture(scope="module")
def day() -> DayAuctions:
    return some_days("daily", 1)[1][0]


def test_no_auction_of_the_default_market_sees_two_bids_of_one_owner(plan: PortfolioPlan) -> None:
    for day in some_days("daily", 3)[1]:
        got = replay_day(day, plan.rule, plan.budgets[:, 0])
        assert got.contested == 0
        assert (got.entered.sum(axis=1) <= 1).all()
        assert (got.wins > 0).all()
        alone = replay_day(day, plan.rule, plan.budgets[:, 0], exclusive=False)
        assert alone.contested > 0.5 * len(day.price)  # were nobody chosen, nearly all auctions would
        assert alone.spend.sum() / alone.wins.sum() > 1.1 * got.spend.sum() / got.wins.sum()


@settings(max_examples=10, deadline=None, derandomize=True)
@given(budgets=st.lists(st.floats(0, 60), min_size=3, max_size=3))
def test_no_campaign_passes_its_budget(budgets: list[float]) -> None:
    plan, day = solved(), some_days("daily", 1)[1][0]
    got = replay_day(day, plan.rule, np.array(budgets))
    assert (got.spend.sum(axis=1) <= np.array(budgets) * (1 + 1e-12)).all()
    assert got.contested == 0


def test_sixteen_steady_days_bring_what_was_planned() -> None:
    """Planned again every fourth day; between, a campaign takes what it left to the next day.

    The forecast is of these days, so that no luck of the draw stands between plan and replay.
    """
    batch, days = some_days("steady", 16)
    forecast = fit_forecast(preset_market("steady"), batch, 12.0)
    spec = portfolio(budget=640.0, days=16, scale=8.0)
    first = solve_portfolio(forecast, spec)
    spent, kpi, wins = np.zeros((3, 4)), np.zeros((3, 3)), 0
    channel = channel_index(first.segments)
    for start in range(0, 16, 4):
        plan = roll(forecast, spec, spent, start)
        left = np.zeros(3)
        for k, day in enumerate(days[start : start + 4]):
            left += plan.budgets[:, k]
            got = replay_day(day, plan.rule, left)
            left -= got.spend.sum(axis=1)
            assert got.contested == 0
            assert (left > -1e-9).all()
            spent += np.stack([got.spend[:, channel == h].sum(axis=1) for h in range(4)], axis=1)
            kpi += got.kpi
            wins += got.wins[0]
    weight = np.array([VIEWS, TALK, SALES]) / first.ideal
    np.testing.assert_allclose(spent.sum(axis=1), first.budgets.sum(axis=1), rtol=0.05)
    assert spent.sum() == pytest.approx(640.0, rel=0.03)
    # measured 0.96: a plan spends in expectation, a replayed campaign stops where its money ends
    assert 0.95 < (weight * kpi).sum() / first.mean < 1.0
    assert wins == pytest.approx(first.wins[0], rel=0.06)


def test_a_campaign_without_money_leaves_its_auctions_to_the_others(plan: PortfolioPlan, day: DayAuctions) -> None:
    some, none = np.array([15.0, 15.0, 1e-9]), np.array([15.0, 15.0, 0.0])
    got = replay_day(day, plan.rule, none)
    assert not got.entered[:, 2].any()
    assert got.spend[:2].sum() >= replay_day(day, plan.rule, some).spend[:2].sum() - 1e-6


def test_the_campaign_to_which_an_auction_is_worth_most_bids_its_worth() -> None:
    rule = PortfolioRule(
        alpha=np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]),
        multiplier=np.ones((2, 1)),
        beta=np.array([[0.0], [-0.5]]),
        cost=np.ones((2, 1)),
        bids=np.array([0.0, 10.0]),
        saved=np.array([[0.0, 10.0]]),
    )
    got = assign(rule, np.array([[0.6, 0.5, 0.0], [0.4, 0.5, 0.0], [0.0, 0.2, 0.9]]), np.zeros(3, np.int16))
    np.testing.assert_array_equal(got.campaign, [0, 1, -1])  # worth 0.6 and 0.5; 0.4 and 0.5; nothing
    np.testing.assert_allclose(got.bid, [0.6, 0.5, 0.0])


def test_money_that_costs_less_wins_the_same_worth() -> None:
    """A campaign held above its wish (cheap money) keeps less of what it bids than its worth in the owner's eyes."""
    rule = PortfolioRule(
        alpha=np.array([[1.0, 0.0, 0.0], [0.5, 0.0, 0.0]]),  # one worth, 0.5 utility; money costs 0.5 and 1
        multiplier=np.ones((2, 1)),
        beta=np.zeros((2, 1)),
        cost=np.array([[0.5], [1.0]]),
        bids=np.array([0.0, 0.2, 10.0]),
        saved=np.array([[0.0, 0.0, 9.8]]),  # every price is 0.2
    )
    got = assign(rule, np.array([[1.0, 0.0, 0.0]]), np.zeros(1, np.int64))
    assert got.campaign[0] == 0  # 0.5 * (1 - 0.2) = 0.4 against 1 * (0.5 - 0.2) = 0.3


def test_the_surplus_is_what_bids_save_over_the_forecasts_prices(plan: PortfolioPlan, day: DayAuctions) -> None:
    forecast = expected_day(preset_forecast())
    bid, surplus = offers(plan.rule, day.predicted[:40], day.segment[:40])
    for i in range(0, 40, 13):
        here = forecast.segment == day.segment[i]
        for c in range(3):
            saved = np.average(np.maximum(bid[i, c] - forecast.price[here], 0.0), weights=forecast.count[here])
            assert surplus[i, c] == pytest.approx(plan.rule.cost[c, day.segment[i]] * saved, rel=0.01, abs=1e-9)


@pytest.mark.parametrize("budgets", [np.ones(2), np.array([1.0, -1.0, 1.0]), np.array([np.nan, 1.0, 1.0])])
def test_budgets_that_do_not_fit_are_refused(
    plan: PortfolioPlan, day: DayAuctions, budgets: NDArray[np.float64]
) -> None:
    with pytest.raises(InvalidPortfolio, match="3 finite amounts"):
        replay_day(day, plan.rule, budgets)


def test_auctions_that_do_not_fit_are_refused(plan: PortfolioPlan) -> None:
    with pytest.raises(InvalidPortfolio, match="predicted"):
        assign(plan.rule, np.ones((4, 2)), np.zeros(4, np.int64))
    with pytest.raises(InvalidPortfolio, match=r"0 \.\. 7"):
        assign(plan.rule, np.ones((1, 3)), np.array([8]))

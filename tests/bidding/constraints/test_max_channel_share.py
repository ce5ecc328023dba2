"""A channel's share of the day's spend: its row, its excess, and what plan, day, solvers and evaluation make of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.constraints.base import Terms
from bidpilot.bidding.constraints.max_channel_share import MaxChannelShare
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.errors import InfeasibleCampaign, InvalidCampaign, UnknownChannel
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs.bidding_env.constraint_prices import ConstraintPrices
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.solvers.allocation import allocate
from bidpilot.solvers.hindsight import hindsight_optimum
from bidpilot.training.evaluation.play import Arena

SEGMENTS = ("feed/head", "feed/tail", "search/head")
SHARE = MaxChannelShare()
FEED = {"max_channel_share": {"feed": 0.2}}


def campaign(**changes: Any) -> Campaign:
    return Campaign(**{**preset_campaign().model_dump(), **changes})


def terms(share: float) -> Terms:
    return Terms({"channel_share/feed": share}, 40.0, 12.0, np.ones(3), np.array([1.0, 1.0, 12.0]), SEGMENTS, 0.1)


def test_its_row_takes_the_channels_spend_beyond_its_share_of_all() -> None:
    (row,) = SHARE.rows(terms(0.25))
    assert row.name == "channel_share/feed"
    np.testing.assert_array_equal(row.money, [0.75, 0.75, -0.25])
    assert row.bound == 0.0
    spend = np.array([0.2, 0.1, 0.5])  # 0.3 of 0.8 where 0.2 may be
    assert row.excess(spend, np.zeros(3), np.zeros(3)) == pytest.approx(0.1)
    assert SHARE.per_unit(row.name, terms(0.25), spend, np.zeros(3), np.zeros(3)) == pytest.approx(0.8)
    assert SHARE.loosened(0.25, 1.0) == 1.0


def test_its_excess_is_relative_to_what_the_channel_might_have_had() -> None:
    totals = DayTotals(
        np.array([10.0, 10.0, 0.0]), np.zeros((3, 3)), np.zeros(3), np.zeros(3),
        np.array([[4.0, 6.0], [2.0, 8.0], [0.0, 0.0]]), ("feed", "search"), np.ones(3),
    )  # fmt: skip
    bounds = {"channel_share/feed": np.array([0.25, 0.25, 0.25])}
    np.testing.assert_allclose(SHARE.missed(bounds, totals), [0.6, 0.0, 0.0])
    np.testing.assert_allclose(SHARE.attained("feed", totals), [0.4, 0.2, 0.0])
    np.testing.assert_array_equal(
        SHARE.channel_most({"channel_share/feed": np.array([0.25, np.nan])}, ("feed", "search"), np.array([8.0, 8.0])),
        [[2.0, np.inf], [np.inf, np.inf]],
    )


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(InvalidCampaign, match="max_channel_share"):
        campaign(max_channel_share={"feed": share})


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownChannel, match=r"feeed.*feed, search"):
        Planner(preset_forecast()).plan(CampaignBatch.repeat(campaign(max_channel_share={"feeed": 0.2}), 1))


def test_plan_and_program_keep_it_at_the_same_price() -> None:
    """Unasked, feed takes half of the spend."""
    plan, _ = Planner(preset_forecast()).plan(CampaignBatch.repeat(campaign(**FEED), 1))
    exact = allocate(preset_forecast(), campaign(**FEED))
    spend = exact.spend.sum(axis=0)
    assert spend[:2].sum() / spend.sum() == pytest.approx(0.2, abs=1e-6)
    assert spend.sum() == pytest.approx(40.0, rel=1e-6)
    dual = next(d for d in exact.duals if d.name == "channel_share/feed")
    assert dual.bound == 0.2
    assert dual.attained == pytest.approx(0.2, abs=1e-6)
    assert plan.duals[0]["channel_share/feed"] == pytest.approx(exact.row_duals["channel_share/feed"], rel=1e-2)
    assert plan.multiplier[0, 0] == plan.multiplier[0, 1] < 0.7
    np.testing.assert_array_equal(plan.multiplier[0, 2:], 1.0)
    more = allocate(preset_forecast(), campaign(max_channel_share={"feed": 0.21}))
    assert more.utility - exact.utility == pytest.approx(0.01 * dual.utility_per_unit, rel=0.1)


def test_what_it_conflicts_with_is_named_with_what_would_mend_it() -> None:
    """Without most of feed and search the budget buys too few conversions."""
    asked = campaign(max_channel_share={"feed": 0.02, "search": 0.02}, kpi_floors=(0.0, 0.0, 10.0))
    with pytest.raises(InfeasibleCampaign, match="channel_share/feed") as caught:
        allocate(preset_forecast(), asked)
    conflict = next(c for c in caught.value.conflicts if c.name == "floor/conversion")
    assert conflict.needed is not None
    mended = campaign(max_channel_share=asked.max_channel_share, kpi_floors=(0.0, 0.0, conflict.needed))
    assert allocate(preset_forecast(), mended).status == "optimal"


def finished(agent: str, rows: int = 16) -> Episode:
    market = preset_market()
    days = market.days(np.random.default_rng(3).random((rows, market.draws)))
    episode = Episode(market, preset_forecast(), rows)
    observation = episode.begin(days, CampaignBatch.repeat(campaign(**FEED), rows))
    day = AgentDay(controller_agent(agent), rows, episode.segments, episode.replan)
    for _ in range(episode.slots):
        observation = episode.play(day.act(observation))
    return episode


def test_steering_holds_it_where_the_plan_does_not_and_what_is_missed_is_priced() -> None:
    planned, steered = finished("plan"), finished("mpc")
    share = steered.statistics.channel_spend[-1][:, 0] / steered.statistics.spend[-1]
    np.testing.assert_allclose(share, 0.2, atol=0.005)
    assert (steered.statistics.spend[-1] > 0.95 * 40.0).all()
    missed = planned.violations()["max_channel_share"]
    assert missed.max() > 0.02
    np.testing.assert_array_equal(planned.violation(), missed)
    prices = ConstraintPrices()
    assert not prices.charge(planned).any()
    np.testing.assert_allclose(
        prices.charge(planned), prices.rate * (missed.mean() - prices.tolerance) * missed, rtol=1e-9
    )


def test_hindsight_is_the_linear_program_over_the_days_auctions() -> None:
    market = preset_market()
    days = market.days(np.random.default_rng(0).random((2, market.draws)))
    days.count[:] = 12
    campaigns = CampaignBatch.repeat(campaign(budget=2.0, **FEED), 2)
    ideal = np.tile([300.0, 40.0, 1.5], (2, 1))
    got = hindsight_optimum(market, days, campaigns, ideal)
    for b in range(2):
        day = materialise(market, days, b)
        price = day.price.astype(np.float64)
        value = day.true.astype(np.float64) @ (campaigns.preference[b] / ideal[b])
        beyond = price * ((day.segment < 2) - 0.2)
        best = linprog(-value, A_ub=np.stack([price, beyond]), b_ub=[2.0, 0.0], bounds=(0, 1), method="highs")
        assert got.utility[b] == pytest.approx(-best.fun, rel=1e-6)
        assert got.bound[b] == pytest.approx(-best.fun, rel=1e-6)
    free = hindsight_optimum(market, days, CampaignBatch.repeat(campaign(budget=2.0), 2), ideal)
    assert (got.bound < 0.999 * free.bound).all()


def test_an_evaluation_counts_the_days_that_miss_it() -> None:
    market = preset_market()
    days = market.days(np.random.default_rng(3).random((8, market.draws)))
    arena = Arena(market, preset_forecast(), campaign(**FEED), days)
    planned, steered = arena.play(controller_agent("plan")), arena.play(controller_agent("mpc"))
    assert planned.violated.mean() > 0.3
    assert planned.violation.mean() > 3 * steered.violation.mean()
    assert (steered.ratio > planned.ratio).mean() > 0.8

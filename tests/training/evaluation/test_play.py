"""What an agent's days say: score, totals, roughness; and which day plays which campaign."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers.base import scale_action
from bidpilot.agents.acting.state import State
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.day.action import SCALE_REACH
from bidpilot.bidding.day.replanners import Replan
from bidpilot.envs.bidding_env.oracle import InformedReplanner
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.evaluation.suites import Suite


class Swinging:
    """Bids the plan's scale times exp(+-1.5 a) by turns."""

    name = "swinging"
    replan = Replan.FORECAST

    def __init__(self, a: float) -> None:
        self.a = a

    def check(self, segments: int) -> None:
        pass

    def start(self, rows: int) -> State:
        return {"next": np.full(rows, -self.a)}

    def act(self, observation: NDArray[np.float32], state: State) -> tuple[NDArray[np.float64], State]:
        return scale_action(state["next"], observation), {"next": -state["next"]}


def test_roughness_is_the_mean_change_of_the_log_bid_between_slots(suite: Suite) -> None:
    np.testing.assert_allclose(suite.arena.play(Swinging(0.1)).roughness, 2 * 0.1 * SCALE_REACH)
    np.testing.assert_array_equal(suite.arena.play(controller_agent("plan")).roughness, 0.0)
    np.testing.assert_array_equal(suite.arena.play_constant().roughness, 0.0)


def test_totals_in_ideal_points_make_the_score(suite: Suite) -> None:
    arena = suite.arena
    outcome = arena.play(controller_agent("mpc"))
    utility = outcome.reached @ np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(outcome.ratio, utility / arena.best, rtol=1e-12)
    assert (outcome.ratio <= 1.0).all()


def test_days_take_turns_with_the_campaigns_each_played_as_if_alone(make_arena: Callable[..., Arena]) -> None:
    balanced = Campaign(budget=4.0, conversion_value=12.0, scalarisation=Scalarisation.chebyshev)
    exposure = Campaign(budget=4.0, conversion_value=12.0, preference=(1.0, 0.0, 0.0))
    agent = controller_agent("mpc")
    mixed = make_arena(balanced, exposure).play(agent).ratio
    alone = [make_arena(campaign).play(agent).ratio for campaign in (balanced, exposure)]
    np.testing.assert_allclose(mixed[::2], alone[0][::2], rtol=1e-6)
    np.testing.assert_allclose(mixed[1::2], alone[1][1::2], rtol=1e-6)


def test_trainings_are_pooled_day_by_day(suite: Suite) -> None:
    outcomes = [suite.arena.play(Swinging(a)) for a in (0.0, 0.2)]
    pooled = Outcome.pooled(outcomes)
    np.testing.assert_allclose(pooled.ratio, (outcomes[0].ratio + outcomes[1].ratio) / 2)
    for field in fields(Outcome):
        assert getattr(pooled, field.name).shape == getattr(outcomes[0], field.name).shape


def test_a_target_is_violated_on_days_whose_conversions_cost_more(make_arena: Callable[..., Arena]) -> None:
    target = 3.0
    arena = make_arena(Campaign(budget=4.0, conversion_value=12.0, max_cpa=target))
    outcome = arena.play(Swinging(0.5))
    cost = outcome.spend_share * 4.0 / (outcome.reached[:, 2] * arena.episode.today.ideal[:, 2])
    np.testing.assert_array_equal(outcome.violated > 0, cost > 1.001 * target)
    assert outcome.violated.mean() > 0


def test_a_margin_is_kept_free_and_scored_by_the_target_itself(make_arena: Callable[..., Arena]) -> None:
    target = 3.0
    campaign = Campaign(budget=4.0, conversion_value=12.0, max_cpa=target)
    usual = make_arena(campaign)
    careful = Arena(usual.market, usual.forecast, campaign, usual.days, cpa_margin=0.2)
    before, after = (arena.play(controller_agent("mpc")) for arena in (usual, careful))
    assert after.violated.mean() < before.violated.mean()
    cost = after.spend_share * 4.0 / (after.reached[:, 2] * careful.episode.today.ideal[:, 2])
    np.testing.assert_array_equal(after.violated > 0, cost > 1.001 * target)
    np.testing.assert_array_equal(careful.best, usual.best)


FIRST = Campaign(budget=4.0, conversion_value=12.0, auction="first")


def test_at_first_price_r_star_is_the_best_rule_that_knows_the_levels(make_arena: Callable[..., Arena]) -> None:
    arena = make_arena(FIRST)
    told, usual = arena.play(controller_agent("mpc"), InformedReplanner), arena.play(controller_agent("mpc"))
    assert (told.ratio <= 1.0 + 1e-6).all()
    assert told.ratio.mean() > usual.ratio.mean()
    np.testing.assert_allclose(told.to_bound, told.ratio * arena.best / arena.optimum.bound, rtol=1e-12)
    assert (arena.best < 0.9 * arena.optimum.bound).all()  # market prices, which no bid reaches
    np.testing.assert_array_equal(make_arena(FIRST).best, arena.best)


def test_at_second_price_r_star_is_the_certified_bound(suite: Suite) -> None:
    assert not suite.arena.at_first_price
    np.testing.assert_array_equal(suite.arena.best, suite.arena.optimum.bound)
    outcome = suite.arena.play(controller_agent("mpc"))
    np.testing.assert_array_equal(outcome.to_bound, outcome.ratio)


def test_where_auctions_take_turns_each_day_has_the_r_star_of_its_own(make_arena: Callable[..., Arena]) -> None:
    second = FIRST.model_copy(update={"auction": "second"})
    mixed = make_arena(FIRST, second)
    np.testing.assert_allclose(mixed.best[::2], make_arena(FIRST).best[::2], rtol=1e-6)
    np.testing.assert_array_equal(mixed.best[1::2], make_arena(second).best[1::2])
    np.testing.assert_array_equal(mixed.best_kpi[1::2], mixed.optimum.kpi[1::2])
    weight = np.array([0.2, 0.3, 0.5]) / mixed.episode.today.ideal
    np.testing.assert_allclose((mixed.best_kpi * weight).sum(axis=1), mixed.best, rtol=1e-5)


def test_an_agent_plays_by_the_re_plan_that_it_was_made_for(suite: Suite) -> None:
    """Both follow the observation's re-plan as it is: all that tells them apart is which one that is."""
    usual, adaptive = (suite.arena.play(controller_agent(name)).ratio for name in ("mpc", "adaptive"))
    assert (usual != adaptive).all()
    np.testing.assert_allclose(usual, adaptive, atol=0.1)

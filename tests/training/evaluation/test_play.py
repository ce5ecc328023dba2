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
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.evaluation.suites import Suite


class Swinging:
    """Bids the plan's scale times exp(+-1.5 a) by turns."""

    name = "swinging"

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


def test_at_first_price_even_the_best_constant_rule_stays_below_the_optimum(
    make_arena: Callable[..., Arena], suite: Suite
) -> None:
    rule = make_arena(Campaign(budget=4.0, conversion_value=12.0, auction="first")).constant_rule_ratio()
    assert rule is not None
    assert ((rule > 0) & (rule < 1)).all()
    assert suite.arena.constant_rule_ratio() is None

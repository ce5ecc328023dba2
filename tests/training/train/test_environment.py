"""Where a policy trains: constraints of one's own campaign are priced, with a pool of campaigns and without one."""

from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from bidpilot.agents.acting.residual import RESIDUALS, Base
from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.agents.learners.common.learner import trained_policy
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.plan.outlook import outlook
from bidpilot.envs.bidding_env.campaign_pool import draw_pool
from bidpilot.envs.bidding_env.pool_config import PoolConfig
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.suites import validation_arena
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.train import run as train
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.environment import TrainingGround, new_model, training_ground


@pytest.mark.parametrize(
    ("asked", "priced"),
    [
        ({"randomise": False}, False),
        ({"randomise": False, "preference": (1.0, 0.0, 0.0)}, False),
        ({"randomise": False, "min_tail_share": 0.3}, True),
        ({"randomise": False, "channel_caps": {"feed": 1.0}}, True),
        ({"randomise": True}, True),
    ],
)
def test_missed_constraints_cost_where_a_campaign_may_have_some(asked: dict[str, Any], priced: bool) -> None:
    config = TrainConfig.model_validate({"market": "steady", "rows": 128, "pool": PoolConfig(size=4), **asked})
    setting = training_setting(config.market, None, 0, config)
    environment = training_ground(config, setting).environment(config)
    assert (environment.vector.prices is not None) == priced
    assert environment.vector.campaign == setting.campaign


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("on", [True, False])
def test_a_policy_is_validated_behind_the_filter_that_it_learns_behind(
    on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        """Raised where training would begin."""

    validated = []

    def stop(trained: TrainConfig, ground: TrainingGround, features: object) -> None:
        env = ground.environment(trained)
        env.reset()
        validated.append(env.vector.episode.statistics.traffic is not None)
        raise Stopped

    def watched(*args: Any) -> Arena:
        arena = validation_arena(*args)
        validated.append(arena.filtered)
        return arena

    monkeypatch.setattr(train, "validation_arena", watched)
    monkeypatch.setattr(train, "new_model", stop)
    config = TrainConfig(market="steady", rows=128, randomise=False, validation_days=2, traffic_filter=on)
    with pytest.raises(Stopped):
        train.run(config)
    assert validated == [on, on]


@pytest.mark.parametrize("base", RESIDUALS)
@pytest.mark.parametrize("residual", [True, False])
def test_a_policy_trains_under_the_re_plan_that_it_is_played_under(
    base: Base, residual: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the adaptive re-plan expects of the pool's plans is computed once for all days."""
    made = Mock(wraps=outlook)
    monkeypatch.setattr("bidpilot.bidding.plan.planner.outlook", made)
    asked = {"market": "steady", "rows": 128, "ppo": {"base": base, "residual": residual}}
    config = TrainConfig.model_validate(asked)
    setting = training_setting(config.market, None, 0, config)
    pool = draw_pool(PoolConfig(size=4), setting.campaign, setting.forecast, np.random.default_rng(0))
    model, env = new_model(config, TrainingGround(setting, setting.market, pool))
    policy = trained_policy(LEARNERS[config.learner].load(), model, env)
    assert policy.residual is (RESIDUALS[base] if residual else None)
    assert env.vector.replan is policy.replan
    for _ in range(3):
        env.reset()
    assert made.call_count == (policy.replan is Replan.ADAPTIVE)


@pytest.mark.parametrize(
    ("asked", "shrinks"),
    [
        ({}, True),
        ({"randomise": False}, False),
        ({"log": "logs/mine"}, False),
        ({DEFAULT: {"residual": False}}, False),
    ],
)
def test_answers_are_shrunk_where_a_policy_adds_to_a_replan_and_learnt_drawn_markets(
    asked: dict[str, Any], shrinks: bool
) -> None:
    assert TrainConfig.model_validate(asked).shrinks is shrinks

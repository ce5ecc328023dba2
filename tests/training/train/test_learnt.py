"""What a run says of the learner: whether it improved on imitation, by which days."""

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest

from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.agents.learners.common.snapshot import Point, Standing
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.learnt import learnt_told, training_curve
from bidpilot.training.train.verdict import Gap, Verdict

CONFIG = TrainConfig(market="steady")
FIRST, LATER = Mock(), Mock()
BETTER = Standing().after(Point(0, 0.9, 0.8, 1.0, 0.9, -0.01, -0.02, 0.0), FIRST)
BETTER = BETTER.after(Point(96, 0.92, 0.8, 1.0, 0.92, 0.01, 0.005, 0.015), LATER)


def told(verdict: Gap | None, standing: Standing = BETTER, config: TrainConfig = CONFIG) -> str:
    """By a verdict over days that chose nothing, or on validation days that are 0.0, 0.02 and 0.04 apart."""
    arena = Mock(kept=np.ones(3, np.bool_), days=range(3))
    arena.play.side_effect = lambda policy: Mock(
        ratio=np.array([0.9, 0.9, 0.9]) + (policy is LATER) * np.arange(3) / 50
    )
    judged = Mock(spec=Verdict, learnt=verdict)
    return learnt_told(config, Mock(split=None), arena, standing, judged)


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ((0.01, 0.005, 0.015), "ppo improved on imitation: +0.0100 (+0.0050 to +0.0150) on days that chose nothing"),
        ((0.01, -0.005, 0.015), "ppo is not shown to improve on imitation: +0.0100 (-0.0050 to +0.0150) on days that"),
        ((-0.01, -0.02, -0.005), "ppo is not shown to improve on imitation: -0.0100"),
        (None, "ppo is not shown to improve on imitation: +0.0200 (-0.0"),  # three days are few
    ],
)
def test_days_that_chose_nothing_decide_and_where_none_judge_those_that_chose(verdict: Gap | None, said: str) -> None:
    assert told(verdict).startswith(said)
    assert told(verdict).endswith("the days that chose it") == (verdict is None)


def test_a_policy_that_imitation_left_was_not_improved_whatever_was_played() -> None:
    worse = Standing().after(BETTER.curve[1], FIRST)
    worse = replace(worse, curve=(replace(BETTER.curve[1], step=0), BETTER.curve[0]))
    assert told((0.01, 0.005, 0.015), worse).startswith("ppo did not improve on imitation")
    assert told(None, config=CONFIG.model_copy(update={"total_steps": 0})) == "imitation alone"
    cold = CONFIG.model_copy(update={"imitation": ImitationConfig(rounds=0)})
    assert told(None, config=cold) == "ppo was trained without imitation"


def test_the_curve_of_a_run_from_before_differences_were_kept_has_one_panel() -> None:
    old = Standing().after(Point(0, 0.9, 0.8, 1.0, 0.9), FIRST)
    assert len(training_curve("ppo", old, {}, "steady", "").axes) == 1
    assert len(training_curve("ppo", BETTER, {"mpc": 0.91}, "steady", "said").axes) == 2
    few = Standing().after(Point(0, 0.9, 0.8, 1.0, 0.9, 0.01), FIRST)  # days too few for an interval
    assert len(training_curve("ppo", few, {}, "steady", "").axes[1].collections) == 0

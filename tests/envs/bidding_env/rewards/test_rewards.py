"""Rewards are given to the environment: what each pays, worked out by hand, and that another one is paid instead."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.bidding_env.constraint_prices import ConstraintPrices
from bidpilot.envs.bidding_env.env import BiddingVectorEnv, MOBiddingVectorEnv
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.bidding_env.rewards.utility import UtilityReward
from bidpilot.envs.bidding_env.rewards.vector import VectorReward


class Wins:
    """Pays for wins."""

    def begin(self, episode: Episode) -> None:
        self.begun = episode

    def pay(self, episode: Episode) -> NDArray[np.float64]:
        return episode.totals.wins.astype(np.float64)


def test_the_reward_that_is_given_is_the_one_that_is_paid() -> None:
    reward = Wins()
    env = BiddingVectorEnv(3, reward=reward)
    env.reset(seed=0)
    assert reward.begun is env.episode
    _, paid, *_ = env.step(np.zeros(env.action_space.shape or (), np.float32))
    assert paid.tolist() == env.episode.totals.wins.tolist()
    assert paid.any()


def played(**state: Any) -> Any:
    """An episode of one row and two slots, as far as a reward reads it."""
    usual: dict[str, Any] = {"slots": 2, "score": lambda: np.array([0.25])}
    today = {"plan_utility": np.array([0.5])} | {name: state.pop(name) for name in ("ideal",) if name in state}
    return SimpleNamespace(today=SimpleNamespace(**today), **(usual | state))


def test_utility_is_paid_as_it_grows_over_the_plans_and_the_last_slot_makes_it_the_score() -> None:
    reward = UtilityReward()
    reward.begin(played(utility=np.zeros(1), t=0))
    assert reward.pay(played(utility=np.array([0.1]), t=1)).tolist() == [0.2]
    assert reward.pay(played(utility=np.array([0.4]), t=2)) == pytest.approx([(0.25 - 0.1) / 0.5], rel=1e-12)


def test_each_kpi_is_paid_over_its_ideal_and_none_where_that_is_zero() -> None:
    ideal = np.array([[4.0, 2.0, 0.0]])
    reward = VectorReward()
    reward.begin(played(kpi=np.zeros((1, 3)), ideal=ideal))
    assert reward.pay(played(kpi=np.array([[1.0, 1.0, 5.0]]), ideal=ideal)).tolist() == [[0.25, 0.5, 0.0]]
    assert reward.pay(played(kpi=np.array([[2.0, 1.0, 9.0]]), ideal=ideal)).tolist() == [[0.25, 0.0, 0.0]]


@pytest.mark.parametrize("asked", [{"regret": True}, {"prices": ConstraintPrices()}], ids=["regret", "prices"])
def test_what_shapes_one_reward_is_refused_for_three(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidMarket, match="not three"):
        MOBiddingVectorEnv(1, **asked)

"""Regrets as rewards: what they sum to, and that they hold less of the day's luck."""

import numpy as np
import pytest

from bidpilot.agents.policy import compose
from bidpilot.bidding.campaign import Campaign
from bidpilot.envs.bidding import BiddingVectorEnv
from bidpilot.envs.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.envs.regret import REWARD_SCALE, HindsightBaseline
from bidpilot.solvers.hindsight import hindsight_optimum

ROWS = 64


def environment(campaign: Campaign | None = None, regret: bool = True) -> BiddingVectorEnv:
    """Days of `daily`, begun with seed 3."""
    setting = preset_market("daily"), preset_forecast("daily"), campaign or preset_campaign("daily")
    env = BiddingVectorEnv(ROWS, *setting, regret=regret)
    env.reset(seed=3)
    return env


def play(env: BiddingVectorEnv) -> np.ndarray:
    """A day by the re-plan: rewards (T, B) in plan utilities."""
    observation, rewards = env.episode.observer.observe(env.episode.statistics, None), []
    for _ in range(env.episode.slots):
        observation, reward, *_ = env.step(compose(observation, np.zeros((ROWS, 11), np.float32), residual=True))
        rewards.append(reward)
    return np.array(rewards)


@pytest.mark.parametrize(
    "change",
    [{}, {"scalarisation": "nash"}, {"scalarisation": "chebyshev"}, {"max_cpa": 2.5}, {"auction": "first"}],
    ids=str,
)
def test_a_day_sums_to_its_score_less_hindsights_utility(change: dict[str, object]) -> None:
    campaign = Campaign(**{**preset_campaign("daily").model_dump(), **change})
    regrets, plain = environment(campaign), environment(campaign, regret=False)
    hindsight = regrets._baseline.potential.copy()
    np.testing.assert_allclose(
        play(regrets).sum(axis=0) / REWARD_SCALE, play(plain).sum(axis=0) - hindsight, atol=1e-12
    )


def test_hindsight_at_the_start_of_the_day_is_close_to_the_optimum() -> None:
    """It buys by predictions in the plan's direction, and bins them: a few per cent below what true values buy."""
    episode = environment().episode
    optimum = hindsight_optimum(episode.market, episode.days, episode.campaigns, episode.ideal)
    ratio = HindsightBaseline(episode).potential * episode.plan_utility / optimum.utility
    assert 0.97 < ratio.min() <= ratio.max() < 1.0


def test_regrets_vary_far_less_than_rewards() -> None:
    regrets, plain = play(environment()).sum(axis=0) / REWARD_SCALE, play(environment(regret=False)).sum(axis=0)
    assert regrets.var() < 0.05 * plain.var()


def test_hindsight_loses_next_to_nothing() -> None:
    env = environment()
    rewards = []
    for _ in range(env.episode.slots):
        _, reward, *_ = env.step(env.episode.hindsight_action().astype(np.float32))
        rewards.append(reward / REWARD_SCALE)
    assert abs(np.sum(rewards, axis=0).mean()) < 0.004  # the re-plan loses 0.02


def test_money_that_buys_everything_leaves_no_regret() -> None:
    campaign = preset_campaign("daily").model_copy(update={"budget": 5000.0})
    env = environment(campaign)
    total = np.zeros(ROWS)
    for _ in range(env.episode.slots):
        _, reward, *_ = env.step(np.ones((ROWS, 11), np.float32))
        total += reward / REWARD_SCALE
    assert (np.abs(total) < 0.01).all()

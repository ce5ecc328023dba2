"""Regrets as rewards: what they sum to, and that they hold less of the day's luck."""

from types import SimpleNamespace

import numpy as np
import pytest

from bidpilot.agents.acting.residual import RESIDUAL, compose
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.envs.bidding_env.constraint_prices import ConstraintPrices
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.bidding_env.oracle import Oracle
from bidpilot.envs.bidding_env.rewards.regret import REWARD_SCALE, HindsightBaseline
from bidpilot.envs.logs.day_batch import SourceDays
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.solvers.hindsight import hindsight_optimum

ROWS = 64


def environment(
    campaign: Campaign | None = None, regret: bool = True, prices: ConstraintPrices | None = None
) -> BiddingVectorEnv:
    """Days of `daily`, begun with seed 3."""
    setting = preset_market("daily"), preset_forecast("daily"), campaign or preset_campaign("daily")
    env = BiddingVectorEnv(ROWS, *setting, regret=regret, prices=prices)
    env.reset(seed=3)
    return env


def play(env: BiddingVectorEnv) -> np.ndarray:
    """A day by the re-plan: rewards (T, B) in plan utilities."""
    observation, rewards = env.episode.observer.observe(env.episode.statistics, None), []
    for _ in range(env.episode.slots):
        observation, reward, *_ = env.step(compose(observation, np.zeros((ROWS, 11), np.float32), RESIDUAL))
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
    hindsight = HindsightBaseline(regrets.episode).potential
    np.testing.assert_allclose(
        play(regrets).sum(axis=0) / REWARD_SCALE, play(plain).sum(axis=0) - hindsight, atol=1e-12
    )


def test_missed_constraints_are_charged_in_the_same_unit() -> None:
    campaign = Campaign(**{**preset_campaign("daily").model_dump(), "min_tail_share": 0.45})
    days = []
    for regret in (True, False):
        prices = ConstraintPrices(rate=0.0)
        prices.multiplier[:] = 3.0
        env = environment(campaign, regret, prices)
        hindsight = HindsightBaseline(env.episode).potential if regret else 0.0
        total = np.zeros(ROWS)
        for _ in range(env.episode.slots):
            total += env.step(np.zeros((ROWS, 11), np.float32))[1]
        days.append(total / REWARD_SCALE + hindsight if regret else total)
    np.testing.assert_allclose(days[0], days[1], atol=1e-12)
    unpriced = environment(campaign, regret=False)
    total = np.sum([unpriced.step(np.zeros((ROWS, 11), np.float32))[1] for _ in range(48)], axis=0)
    assert (days[1] < total - 1e-6).any()


# half of the source's auctions arrive; a fifth of them is another source's, of the rest half is invalid
SOURCES = SourceDays.plain(1, 1, 1)._replace(
    viral_share=np.array([[0.2]], np.float32),
    invalid_rate=np.array([[0.5]], np.float32),
    keep=np.array([[[0.5]]], np.float32),
)


@pytest.mark.parametrize(("sources", "arriving", "valid"), [(None, 1.0, 1.0), (SOURCES, 0.5, 0.6)])
def test_what_is_left_counts_thinning_invalid_traffic_errors_of_prediction_and_the_rule(
    sources: SourceDays | None, arriving: float, valid: float
) -> None:
    """One slot of two auctions worked out by hand: the second, in a segment that bids a quarter, is the worse one."""
    days = SimpleNamespace(
        start=np.array([[0]]),
        count=np.array([[2]]),
        keep=np.array([[[0.5, 1.0]]], np.float32),
        price_scale=np.array([[[2.0, 1.0]]], np.float32),
        value_scale=np.array([[[1.0, 3.0]]], np.float32),
        calibration=np.array([[1.0, 2.0, 1.0]], np.float32),
        invalid_share=np.array([[0.25]], np.float32),
        invalid_source=np.zeros((1, 1), np.int16),
        sources=sources,
        answers=None,
        salt=np.zeros(1, np.uint64),
    )
    ones = np.ones(2, np.float32)
    log = SimpleNamespace(
        market_price=np.array([1.0, 4.0], np.float32),
        exposure=ones, interaction=ones, conversion=ones,
        true_exposure=0.8 * ones, true_interaction=0.6 * ones, true_conversion=0.4 * ones,
        segment=np.array([0, 1], np.int16), source=np.zeros(2, np.int16), invalid=np.zeros(2, np.bool_),
    )  # fmt: skip
    today = SimpleNamespace(
        alpha=np.array([[1.0, 0.5, 1.0]]), multiplier=np.array([[1.0, 0.25]]), beta=np.array([[1.0, 0.0]]),
        ideal=np.ones((1, 3)), plan_utility=np.ones(1), days=days,
        campaigns=SimpleNamespace(preference=np.array([[0.5, 0.3, 0.2]]), kind=np.zeros(1, np.int64)),
    )  # fmt: skip
    episode = SimpleNamespace(
        market=SimpleNamespace(log=log, draws_outcomes=True), slots=1, rows=1, t=0,
        left=np.array([3.0 * arriving]), kpi=np.zeros((1, 3)), today=today,
    )  # fmt: skip
    # bids 1 + 1 + 1 + 1 = 4 against a price of 2, kept half the time; then (1 + 3 + 3) / 4 = 1.75 against 4
    first = 0.5 * 0.75 * np.array([0.8, 0.6, 0.4])
    second = 0.75 * np.array([0.8, 3 * 0.6, 3 * 0.4])
    expected = (
        arriving * valid * (first + 0.5 * second)
    )  # 1 of 3 is spent on half an auction at 2, and 2 of 4 on the second
    potential = HindsightBaseline(episode).potential  # type: ignore[arg-type]
    np.testing.assert_allclose(potential, [expected @ [0.5, 0.3, 0.2]], rtol=1e-6)


def test_hindsight_at_the_start_of_the_day_is_close_to_the_optimum() -> None:
    """It buys by predictions in the plan's direction, and bins them: a few per cent below what true values buy."""
    episode = environment().episode
    optimum = hindsight_optimum(episode.market, episode.today.days, episode.today.campaigns, episode.today.ideal)
    ratio = HindsightBaseline(episode).potential * episode.today.plan_utility / optimum.utility
    assert 0.97 < ratio.min() <= ratio.max() < 1.0


def test_regrets_vary_far_less_than_rewards() -> None:
    regrets, plain = play(environment()).sum(axis=0) / REWARD_SCALE, play(environment(regret=False)).sum(axis=0)
    assert regrets.var() < 0.05 * plain.var()


def test_hindsight_loses_next_to_nothing() -> None:
    env = environment()
    oracle, rewards = Oracle(env.episode), []
    for _ in range(env.episode.slots):
        _, reward, *_ = env.step(oracle.action().astype(np.float32))
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

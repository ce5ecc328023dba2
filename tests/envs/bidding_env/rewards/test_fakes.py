"""Interactions that bots fake are told, and earn nothing: no reward teaches to buy them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.bidding_env.rewards.base import Reward
from bidpilot.envs.bidding_env.rewards.regret import RegretReward
from bidpilot.envs.bidding_env.rewards.utility import UtilityReward
from bidpilot.envs.bidding_env.rewards.vector import VectorReward
from bidpilot.envs.markets import presets
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast
from bidpilot.envs.synthetic import SyntheticConfig, SyntheticMarket

ROWS = 8


class Day(NamedTuple):
    """What was paid, spent and told of a day of ROWS rows."""

    rewards: NDArray[np.float64]  # (T, B), or (T, B, 3)
    left: NDArray[np.float64]  # (B,) currency
    told: NDArray[np.float64]  # (B, 3) realised KPIs
    events: int  # interactions


def played(market: SyntheticConfig, reward: Reward) -> Day:
    """One day of random actions, the same whatever the market, without a filter of traffic."""
    made = SyntheticMarket(market.model_copy(update={"log_auctions": 100_000}), np.random.SeedSequence(0))
    env = BiddingVectorEnv(
        ROWS, made, preset_forecast("daily"), preset_campaign("daily"), reward=reward, traffic_filter=False
    )
    env.reset(seed=3)
    actions, rewards, events = np.random.default_rng(1), [], 0
    for _ in range(env.episode.slots):
        action = actions.uniform(-0.5, 0.5, (ROWS, 3 + env.episode.segments)).astype(np.float32)
        rewards.append(env.step(action)[1].copy())
        events += int(env.episode.totals.source_events.sum())
    return Day(np.array(rewards), env.episode.left.copy(), env.episode.statistics.realised[-1].copy(), events)


@pytest.mark.parametrize("reward", [UtilityReward, RegretReward, VectorReward])
def test_fakes_change_what_is_told_and_not_one_bit_of_what_is_paid(reward: Callable[[], Reward]) -> None:
    """`BOTS` is `INVALID` with bots that interact three times as often as people."""
    honest, faked = played(presets.INVALID, reward()), played(presets.BOTS, reward())
    assert honest.rewards.any()
    assert faked.rewards.tobytes() == honest.rewards.tobytes()
    assert faked.left.tobytes() == honest.left.tobytes()
    assert (faked.told[:, 1] > honest.told[:, 1]).all()
    assert faked.events > 1.1 * honest.events
    np.testing.assert_array_equal(faked.told[:, [0, 2]], honest.told[:, [0, 2]])

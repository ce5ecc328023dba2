"""Facts about the market as PettingZoo knows one: its own test passes, and agents compete for the same auctions."""

from __future__ import annotations

import warnings

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.envs.bidding_env.parallel import MarketParallelEnv
from tests.envs.answering.small import small_market


@pytest.fixture
def env() -> MarketParallelEnv:
    return MarketParallelEnv(small_market().config, played=3)


def plan_of(env: MarketParallelEnv) -> dict[str, NDArray[np.float32]]:
    """Everyone bids its plan."""
    shape = env.vector.action_space.shape
    assert shape is not None
    return dict(zip(env.possible_agents, np.zeros(shape, np.float32), strict=True))


@pytest.mark.filterwarnings("ignore::UserWarning")  # of observations that may be unbounded
def test_pettingzoo_accepts_it(env: MarketParallelEnv) -> None:
    with warnings.catch_warnings():  # its tests import games that it has deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        from pettingzoo.test import parallel_api_test
    parallel_api_test(env, num_cycles=2 * env.vector.episode.slots)


def test_the_same_seed_plays_the_same_day(env: MarketParallelEnv) -> None:
    days = []
    for _ in range(2):
        observations, _ = env.reset(seed=5)
        rewards = 0.0
        while env.agents:
            actions = plan_of(env)
            observations, gained, _, _, infos = env.step(actions)
            rewards += sum(gained.values())
        days.append((rewards, *(infos[agent]["spend"] for agent in env.possible_agents)))
        assert all(np.isfinite(list(observations.values())).ravel())
    assert days[0] == days[1]


def test_who_bids_more_takes_from_the_others(env: MarketParallelEnv) -> None:
    wins = {}
    for bold in (0.0, 0.9):
        env.reset(seed=5)
        actions = plan_of(env)
        actions["bidder_0"] = actions["bidder_0"] + np.float32(bold) * (np.arange(len(actions["bidder_0"])) == 0)
        env.step(actions)
        wins[bold] = env.vector.episode.totals.wins.copy()
    assert wins[0.9][0] > wins[0.0][0]
    assert wins[0.9][1:].sum() < wins[0.0][1:].sum()


def test_a_step_wants_a_day(env: MarketParallelEnv) -> None:
    with pytest.raises(gym.error.ResetNeeded):
        env.step({})

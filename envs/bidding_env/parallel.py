"""A market of several bidders as PettingZoo knows one: some are agents, the rest are rivals who pace themselves.

It needs the extra `rivals`, for PettingZoo.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from bidpilot.envs import seeding
from bidpilot.envs.answering.config import RivalMarketConfig
from bidpilot.envs.answering.market import rival_campaign, rival_forecast, rival_market
from bidpilot.envs.bidding_env.env import BiddingVectorEnv

Observations = dict[str, NDArray[np.float32]]


class MarketParallelEnv(ParallelEnv[str, NDArray[np.float32], NDArray[np.float32]]):  # type: ignore[misc]
    """Bidders of one market who buy at each other's bids, one slot a step, all at once.

    Description:
        The first `played` bidders of a market are agents, named `bidder_0`, `bidder_1`, ...; the others pace their
        budgets by themselves. The market price of an agent is the best of all others' bids.

    Action Space, Observation Space, Rewards:
        Of each agent as of a row of `BiddingVectorEnv`, in its own units.

    Starting State:
        A day drawn at every reset; the same seed gives the same days.

    Episode End:
        Termination of all agents after the last slot, T.

    Arguments:
        config: of the market; the suite's where None.
        played: agents, at least 1 and at most all bidders.
        seed: of the bidders, who stay the same from day to day.
    """

    metadata: ClassVar[dict[str, Any]] = {"name": "bidpilot_market_v0", "render_modes": []}

    def __init__(self, config: RivalMarketConfig | None = None, played: int = 2, seed: int = 0) -> None:
        config = config or RivalMarketConfig()
        market = rival_market(config, seeding.LOG_TRAINING, seed, played)
        self.vector = BiddingVectorEnv(
            played, market, rival_forecast(config, seed), rival_campaign(config), group=played
        )
        self.render_mode = None
        self.possible_agents = [f"bidder_{j}" for j in range(played)]
        self.agents: list[str] = []

    @cache  # noqa: B019 - an agent has one space, as PettingZoo asks, and there are few
    def observation_space(self, agent: str) -> gym.Space[Any]:
        """Of every agent alike, as a row of `BiddingVectorEnv`."""
        return self.vector.single_observation_space

    @cache  # noqa: B019
    def action_space(self, agent: str) -> gym.Space[Any]:
        """Of every agent alike, as a row of `BiddingVectorEnv`."""
        return self.vector.single_action_space

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, dict[str, Any]]]:
        """Begin a day."""
        self.agents = list(self.possible_agents)
        observation, _ = self.vector.reset(seed=seed)
        return self._by_agent(observation), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, NDArray[np.float32]]
    ) -> tuple[Observations, dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Play one slot of all agents.

        Raises:
            gymnasium.error.ResetNeeded: no day has begun, or it is over.
        """
        if not self.agents:
            raise gym.error.ResetNeeded("no day has begun, or it is over. Call reset before step.")
        observation, reward, done = self.vector.play(np.stack([actions[agent] for agent in self.agents]))
        playing = self.agents
        infos: dict[str, dict[str, Any]] = {agent: {} for agent in playing}
        if done:
            final = self.vector._final(observation)["final_info"]
            told = {key: value for key, value in final.items() if not key.startswith("_")}
            infos = {agent: {key: value[j] for key, value in told.items()} for j, agent in enumerate(playing)}
            self.agents = []
        return (
            dict(zip(playing, observation, strict=True)),
            {agent: float(reward[j]) for j, agent in enumerate(playing)},
            dict.fromkeys(playing, done),
            dict.fromkeys(playing, False),
            infos,
        )

    def _by_agent(self, observation: NDArray[np.float32]) -> Observations:
        return dict(zip(self.possible_agents, observation, strict=True))

"""Plays an agent over held-out days and scores it against the hindsight optimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.agent import Agent
from bidpilot.agents.constant import constant_bids, constant_rule
from bidpilot.bidding.campaign import Campaign, CampaignBatch
from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.forecast import Forecast
from bidpilot.envs.days import DayBatch, Market
from bidpilot.envs.episode import Episode
from bidpilot.solvers.hindsight import hindsight_utility


@dataclass(frozen=True)
class Outcome:
    """One agent's days."""

    ratio: NDArray[np.float64]  # (D,) R / R*
    spend_share: NDArray[np.float64]  # (D,) spend / budget
    left: NDArray[np.float64]  # (D, T + 1) budget left / budget after each slot
    violation: NDArray[np.float64]  # (D,) the worst relative excess over a constraint, 0 where all are kept


class Arena:
    """Fixed days with their hindsight optima, on which every agent plays.

    Days on which no purchase keeps the campaign's constraints are left out.

    Raises:
        InfeasibleCampaign: no day is left.
    """

    def __init__(self, market: Market, forecast: Forecast, campaign: Campaign, days: DayBatch) -> None:
        self.days, self.forecast = days, forecast
        self.campaigns = CampaignBatch.repeat(campaign, len(days), days.budget, days.conversion_value, days.max_cpa)
        self.episode = Episode(market, forecast, len(days))
        self.episode.begin(days, self.campaigns)
        self.best = hindsight_utility(market, days, self.campaigns, self.episode.ideal)
        self.kept = self.best > 0
        if not self.kept.any():
            raise InfeasibleCampaign("no held-out day can keep the campaign's constraints. Relax them.")

    @property
    def planned(self) -> NDArray[np.float64]:
        """Budget left by the plan over budget (D, T + 1)."""
        return 1.0 - self.episode.plan.spend[self.episode.index] / self.campaigns.budget[:, None]

    def play(self, agent: Agent, informed: bool = False) -> Outcome:
        """The agent's days; where `informed`, its re-plan is told the levels to come."""
        episode = self.episode
        observation = episode.begin(self.days, self.campaigns, informed)
        agent.start(episode.rows, episode.segments)
        for _ in range(episode.slots):
            observation = episode.play(agent.act(observation))
        return self._outcome()

    def play_constant(self, gain: float = 1.0) -> Outcome:
        """The days of one bid for everything."""
        episode = self.episode
        episode.begin(self.days, self.campaigns)
        rule = constant_rule(constant_bids(self.forecast, self.campaigns.budget, gain), episode.segments)
        for _ in range(episode.slots):
            episode.play_rule(rule)
        return self._outcome()

    def _outcome(self) -> Outcome:
        kept = self.kept
        spend = (self.episode.statistics.spend.T / self.campaigns.budget[:, None])[kept]
        ratio = self.episode.score()[kept] / self.best[kept]
        return Outcome(ratio, spend[:, -1].copy(), 1.0 - spend, self.episode.violation()[kept])

"""Days that an agent plays while they are watched, and the bands that are learnt from those of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent, AgentDay, controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.calendar import UNDATED, weekday_of
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.traffic.detector import detector_for
from bidpilot.bidding.watch.bands import Bands
from bidpilot.bidding.watch.metrics import Slots
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.alerts.learn import learn

_TOGETHER = 512  # days that are played side by side


@dataclass(frozen=True)
class Watched:
    """What was counted of D whole days."""

    slots: Slots
    weekday: NDArray[np.int64] | None  # (D,) Monday 0, below 0 where a day has no date; None: no day has one

    @classmethod
    def joined(cls, parts: Sequence[Watched]) -> Watched:
        """The days of one after those of another, whole ones all."""
        slots = Slots(np.concatenate([part.slots.budget for part in parts]), parts[0].slots.length)
        slots.t = slots.length
        for name, counts in slots.counts.items():
            counts[:] = np.concatenate([part.slots.counts[name] for part in parts])
        known = [part.weekday for part in parts if part.weekday is not None]
        return cls(slots, np.concatenate(known) if len(known) == len(parts) else None)

    def silenced(self, name: str, since: NDArray[np.int64]) -> Watched:
        """The same days with nothing told of `name` from slot `since` (D,) on."""
        slots = Slots(self.slots.budget, self.slots.length)
        slots.t = slots.length
        slots.counts = {key: counts.copy() for key, counts in self.slots.counts.items()}
        slots.counts[name] *= np.arange(slots.length) < since[:, None]
        return replace(self, slots=slots)


def play(market: Market, forecast: Forecast, campaign: Campaign, days: DayBatch, agent: Agent | None = None) -> Watched:
    """Play days behind the detector of invalid traffic; `agent` is `mpc` with neutral gains where None."""
    agent = controller_agent(MPC.name) if agent is None else agent
    campaigns = CampaignBatch.repeat(campaign, len(days), days.budget, days.conversion_value, days.bounds)
    episode = Episode(market, forecast, len(days))
    observation = episode.begin(days, campaigns, traffic=detector_for(forecast, len(days)), replan=agent.replan)
    acting, slots = AgentDay(agent, len(days), episode.segments, episode.replan), Slots(campaigns.budget, market.slots)
    for _ in range(market.slots):
        observation = episode.play(acting.act(observation))
        slots.close(episode.totals)
    if days.date is None:
        return Watched(slots, None)
    return Watched(slots, np.where(days.date == UNDATED, -1, weekday_of(days.date)))


def play_drawn(
    market: Market, forecast: Forecast, campaign: Campaign, uniforms: NDArray[np.float64], agent: Agent | None = None
) -> Watched:
    """Play the days that are made from `uniforms` (D, draws)."""
    parts = range(0, len(uniforms), _TOGETHER)
    return Watched.joined(
        [play(market, forecast, campaign, market.days(uniforms[k : k + _TOGETHER]), agent) for k in parts]
    )


def learn_bands(
    market: Market, forecast: Forecast, campaign: Campaign, days: int, seed: int, agent: Agent | None = None
) -> Bands:
    """The bands of a market of training days, from a random stream that no evaluation has.

    Raises:
        InvalidBands: too few days.
    """
    uniforms = seeding.stream(seeding.BANDS, seed).random((days, market.draws))
    found = play_drawn(market, forecast, campaign, uniforms, agent)
    return learn(found.slots, found.weekday)


def training_bands(market: SyntheticConfig, campaign: Campaign, days: int, seed: int) -> Bands:
    """Bands of the training days of a configuration's market, of its training log."""
    log = synthetic_market(market, seeding.LOG_TRAINING, 0)
    return learn_bands(log, synthetic_forecast(market, 0), campaign, days, seed)

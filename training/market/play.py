"""A market whose bidders are all one policy, played for some days; and the rivals' own, as what it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent, AgentDay
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.envs import seeding
from bidpilot.envs.answering.config import RivalMarketConfig
from bidpilot.envs.answering.days import RivalDays
from bidpilot.envs.answering.market import RivalMarket, rival_campaign, rival_forecast, rival_market
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.solvers.hindsight import hindsight_optimum

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Everyone:
    """G days of a market of N bidders, all of them alike."""

    paid: Array  # (G, T) currency, of all auctions that were sold
    auctions: NDArray[np.int64]  # (G, T)
    won: Array  # (G, N) value that each has for its money: utility, or what it bid for what it won
    left: Array  # (G, N) share of the budget
    ratio: Array | None  # (G, N) R / R*, R* at the prices that came about; None where nobody has one


def everyone(config: RivalMarketConfig, agent: Agent, days: int, seed: int, step: Callable[[int], None]) -> Everyone:
    """Play `days` days of which every bidder is `agent`, with the forecast of the market of rivals.

    R* is each bidder's hindsight optimum at the prices that the others' bids came to. `step` is told every slot.
    """
    market = RivalMarket(config, _seeds(seed), played=config.bidders)
    drawn = market.days(np.repeat(_uniforms(market, days, seed), config.bidders, axis=0))
    forecast = rival_forecast(config)
    campaigns = CampaignBatch.repeat(rival_campaign(config), len(drawn))
    episode = Episode(market, forecast, len(drawn))
    observation = episode.begin(drawn, campaigns, replan=agent.replan)
    day = AgentDay(agent, episode.rows, episode.segments, episode.replan)
    paid = np.zeros((market.slots, days))
    for t in range(market.slots):
        step(t)
        observation = episode.play(day.act(observation))
        paid[t] = episode.totals.spend.reshape(days, -1).sum(axis=1)
    best = hindsight_optimum(market, drawn, campaigns, episode.today.ideal).bound
    shape = days, config.bidders
    return Everyone(
        paid=paid.T,
        auctions=drawn.count[:: config.bidders],
        won=episode.score().reshape(shape),
        left=(episode.left / campaigns.budget).reshape(shape),
        ratio=(episode.score() / best).reshape(shape),
    )


def rivals_alone(config: RivalMarketConfig, days: int, seed: int) -> Everyone:
    """The same days among the market's own rivals, each by its kind of pacing and with a budget of its own."""
    market = rival_market(config, seeding.LOG_HELD_OUT, seed)
    drawn = market.days(_uniforms(market, days, seed))
    rivals = drawn.answers
    assert isinstance(rivals, RivalDays)
    paid = np.zeros((market.slots, days))

    def kept(t: int) -> None:
        paid[t] = rivals.slot.spent[:, 1:].sum(axis=1)

    rivals.play_alone(kept)
    return Everyone(
        paid=paid.T,
        auctions=drawn.count,
        won=rivals.books.value[:, 1:].copy(),
        left=rivals.field.left[:, 1:] / market.bidders.budget[1:],
        ratio=None,
    )


def _seeds(seed: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seeding.LOG_HELD_OUT, seed])


def _uniforms(market: RivalMarket, days: int, seed: int) -> Array:
    return seeding.stream(seeding.suite_domain("market"), seed).random((days, market.draws))

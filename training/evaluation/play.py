"""Plays an agent over held-out days and scores it against R*, the best that could have been had."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent, AgentDay
from bidpilot.agents.baselines.constant import constant_bids, constant_rule
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.constraints.together import score_factor, tightened
from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode, ReplannerOf
from bidpilot.envs.clearing.traffic import TrueTraffic
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.solvers.first_price import best_known_rule
from bidpilot.solvers.hindsight import hindsight_optimum
from bidpilot.training.evaluation.traffic import FilterOf, detected

_SLIGHT = 0.001  # relative excess over a constraint that still counts as kept


@dataclass(frozen=True)
class Outcome:
    """One agent's days."""

    ratio: NDArray[np.float64]  # (D,) R / R*
    spend_share: NDArray[np.float64]  # (D,) spend / budget
    left: NDArray[np.float64]  # (D, T + 1) budget left / budget after each slot
    violation: NDArray[np.float64]  # (D,) the worst relative excess over a constraint, 0 where all are kept
    violated: NDArray[np.float64]  # (D,) 1 where that is more than slight, else 0; in between after pooling
    roughness: NDArray[np.float64]  # (D,) mean absolute change of the log bid on the mean auction between slots
    reached: NDArray[np.float64]  # (D, 3) x / z, 0 where z is
    realised: NDArray[np.float64]  # (D,) R / R* with R of the outcomes that were drawn or recorded
    to_bound: NDArray[np.float64]  # (D,) R over the certified bound at market prices; at second price that is R*

    @classmethod
    def pooled(cls, outcomes: Sequence[Outcome]) -> Outcome:
        """The mean over several trainings of one agent, day by day."""
        return cls(**{f.name: np.mean([getattr(o, f.name) for o in outcomes], axis=0) for f in fields(cls)})

    @classmethod
    def joined(cls, outcomes: Sequence[Outcome]) -> Outcome:
        """The days of one outcome after those of another."""
        return cls(**{f.name: np.concatenate([getattr(o, f.name) for o in outcomes]) for f in fields(cls)})


class Arena:
    """Fixed days with their R*, on which every agent plays.

    At second price R* is the certified bound of the hindsight optimum, at first price what the best rule with the
    levels known has (`solvers.first_price`), since the optimum pays market prices, which no bidder can.
    Where there are several campaigns, the days take turns. Days on which no purchase keeps the campaign's
    constraints are left out. Agents are told `1 - cpa_margin` times a target cost, and scored by the target itself.
    Every agent plays behind the filter of traffic that `filter_of` makes, the detector by default; R* does not.
    Auctions are cleared on so many `threads`, which changes no bit.

    Raises:
        InfeasibleCampaign: no day is left.
    """

    def __init__(
        self,
        market: Market,
        forecast: Forecast,
        campaign: Campaign | Sequence[Campaign],
        days: DayBatch,
        cpa_margin: float = 0.0,
        filter_of: FilterOf = detected,
        threads: int = 1,
    ) -> None:
        self.market, self.days, self.forecast, self.filter_of = market, days, forecast, filter_of
        self.campaigns = _by_turns([campaign] if isinstance(campaign, Campaign) else campaign, days)
        self._told = replace(self.campaigns, bounds=tightened(self.campaigns.bounds, cpa_margin))
        self.episode = Episode(market, forecast, len(days), threads)
        self.episode.begin(days, self.campaigns)
        self.optimum = hindsight_optimum(market, days, self.campaigns, self.episode.today.ideal)
        self.best, self.best_kpi = self.optimum.bound, self.optimum.kpi
        if self.at_first_price:
            rule, first = best_known_rule(self.episode, days, self.campaigns, self.optimum), self.campaigns.first_price
            self.best = np.where(first, rule.score, self.best)
            self.best_kpi = np.where(first[:, None], rule.kpi, self.best_kpi)
        self.kept = (self.optimum.bound > 0) & (self.best > 0)
        if not self.kept.any():
            raise InfeasibleCampaign("no held-out day can keep the campaign's constraints. Relax them.")

    def __getstate__(self) -> dict[str, Any]:
        """All but the episode, whose arrays are views of each other and would come apart."""
        return {name: value for name, value in vars(self).items() if name != "episode"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.episode = Episode(self.market, self.forecast, len(self.days))
        self.episode.begin(self.days, self.campaigns)

    @property
    def at_first_price(self) -> bool:
        """Whether a day is at first price, so that the certified bound is not R*."""
        return bool(self.campaigns.first_price.any())

    @property
    def reference(self) -> NDArray[np.float64]:
        """R* of the days that are played (K,): alike where days and campaigns are, and nowhere else."""
        return self.best[self.kept]

    @property
    def planned(self) -> NDArray[np.float64]:
        """Budget left by the plan over budget (D, T + 1)."""
        return 1.0 - self.episode.today.plan.spend[self.episode.today.index] / self.campaigns.budget[:, None]

    @cached_property
    def traffic(self) -> TrueTraffic:
        """What each source sends on these days, and what of it is invalid."""
        return TrueTraffic.of(self.market, self.days)

    @property
    def filtered(self) -> bool:
        """Whether agents play behind a filter of traffic, unless another one is asked for."""
        return self.filter_of(self, None) is not None

    @property
    def tempts_filters(self) -> bool:
        """Whether some of these days' traffic is invalid, or honest sources do what invalid ones may."""
        return self.days.sources is not None or bool(self.traffic.invalid.any())

    def play(
        self,
        agent: Agent,
        replanner_of: ReplannerOf | None = None,
        filter_of: FilterOf | None = None,
        watch: Callable[[Episode], None] | None = None,
    ) -> Outcome:
        """The agent's days; `replanner_of` makes its re-plan in place of the usual one.

        `filter_of` makes the filter of traffic in place of the arena's own; `watch` is shown the episode after each
        slot.
        """
        traffic = (filter_of or self.filter_of)(self, None)
        observation = self.episode.begin(self.days, self._told, replanner_of, traffic=traffic, replan=agent.replan)
        day = AgentDay(agent, self.episode.rows, self.episode.segments, self.episode.replan)

        def step(episode: Episode) -> None:
            nonlocal observation
            observation = episode.play(day.act(observation))
            if watch is not None:
                watch(episode)

        return self._played(step)

    def play_rules(self, decide: Callable[[Episode], Rule], filter_of: FilterOf | None = None) -> Outcome:
        """The days of what bids by rules outright; `decide` gives that of the coming slot, which the gate joins."""
        traffic = (filter_of or self.filter_of)(self, None)
        self.episode.begin(self.days, self.campaigns, traffic=traffic)

        def step(episode: Episode) -> None:
            episode.play_rule(replace(decide(episode), gate=episode.statistics.gate()))

        return self._played(step)

    def play_constant(self, gain: float = 1.0) -> Outcome:
        """The days of one bid for everything."""
        rule = constant_rule(constant_bids(self.forecast, self.campaigns.budget, gain), self.episode.segments)
        return self.play_rules(lambda episode: rule)

    def _played(self, step: Callable[[Episode], None]) -> Outcome:
        """The days that have begun, played slot by slot."""
        episode = self.episode
        log_bid, realised = np.zeros((episode.slots, episode.rows)), np.zeros((episode.rows, 3))
        for t in range(episode.slots):
            step(episode)
            log_bid[t] = _log_bid(episode.rule, self.forecast)
            realised += episode.totals.realised
        return self._outcome(np.abs(np.diff(log_bid, axis=0)).sum(axis=0) / max(episode.slots - 1, 1), realised)

    def _outcome(self, roughness: NDArray[np.float64], realised: NDArray[np.float64]) -> Outcome:
        kept, episode, c = self.kept, self.episode, self.campaigns
        episode.judge_by(c)
        spend = (episode.statistics.spend.T / c.budget[:, None])[kept]
        drawn = utility(realised, episode.today.ideal, c.preference, c.kind)
        factor = score_factor(c.bounds, c.budget - episode.left, realised)
        violation = episode.violation()[kept]
        return Outcome(
            ratio=episode.score()[kept] / self.best[kept],
            spend_share=spend[:, -1].copy(),
            left=1.0 - spend,
            violation=violation,
            violated=(violation > _SLIGHT).astype(np.float64),
            roughness=roughness[kept],
            reached=in_ideal_points(episode.kpi, episode.today.ideal)[kept],
            realised=(drawn if factor is None else drawn * factor)[kept] / self.best[kept],
            to_bound=episode.score()[kept] / self.optimum.bound[kept],
        )


def in_ideal_points(kpi: NDArray[np.float64], ideal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Totals (B, 3) over the ideal point (B, 3); 0 where that is 0."""
    return kpi * (ideal > 0) / np.where(ideal > 0, ideal, 1.0)


def _log_bid(rule: Rule, forecast: Forecast) -> NDArray[np.float64]:
    """(B,) log of what is bid for the value of the mean auction; 0 where no value is bid for."""
    bid = rule.alpha @ forecast.landscape.mean_value
    return np.log(np.where(bid > 0, bid, 1.0))


def _by_turns(campaigns: Sequence[Campaign], days: DayBatch) -> CampaignBatch:
    """Day d's row is campaign d modulo their number, with what the day records of its own."""
    if len(campaigns) == 1:
        return CampaignBatch.repeat(campaigns[0], len(days), days.budget, days.conversion_value, days.bounds)
    rows = []
    for d in range(len(days)):
        own = slice(d, d + 1)
        campaign, recorded = campaigns[d % len(campaigns)], {name: bound[own] for name, bound in days.bounds.items()}
        rows.append(CampaignBatch.repeat(campaign, 1, days.budget[own], days.conversion_value[own], recorded))
    return CampaignBatch.concatenate(rows)

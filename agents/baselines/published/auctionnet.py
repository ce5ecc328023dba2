"""The AuctionNet protocol (Su et al., "AuctionNet", NeurIPS 2024 D&B): conversions under a target CPA.

Every (period, advertiser) is a day with its budget and target CPA. The score of a day is
`min(1, (target / CPA) ** 2) * conversions`, and what counts is its ratio to the hindsight optimum of the
same score. Conversions are expected ones, the sum of `pValue` over the auctions won; the score of
conversions drawn from them stands beside. Auctions are cleared in arrival order and the last bids are cut
to the budget left, where the public code drops won auctions at random until the slot fits the budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent, AgentDay
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidProtocol
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.solvers.hindsight import hindsight_optimum

Floats = NDArray[np.float64]

CONVERSION = 2  # place in the KPI triple
CONVERSIONS_ALONE = (0.0, 0.0, 1.0)


def penalised(conversions: Floats, spend: Floats, target: Floats) -> Floats:
    """Score (D,) `min(1, (target / CPA) ** 2) * conversions`; 0 where money bought no conversion.

    Args:
        conversions: (D,) >= 0.
        spend: (D,) currency, >= 0.
        target: target CPA (D,), currency, > 0.
    """
    over = spend > target * conversions
    ratio = np.divide(target * conversions, spend, out=np.ones_like(spend), where=over)
    return np.asarray(conversions * ratio**2)


@dataclass(frozen=True)
class Play:
    """What one bidder reached on D days; all (D,)."""

    conversions: Floats  # expected
    realised: Floats  # drawn from the expected ones, or the log's where it records them
    spend: Floats  # currency


@dataclass(frozen=True)
class TestDays:
    """The days of a log that bidders are scored on, with their hindsight optimum."""

    __test__ = False  # no test class

    log: AuctionLog
    target: Floats  # (D,) target CPA, currency
    budget: Floats  # (D,) currency
    units: NDArray[np.int64]  # (D,) days of one period share a unit
    oracle: Play  # what the hindsight optimum attains; nothing realised
    best: Floats  # (D,) R*, the certified bound of the score, conversions

    @classmethod
    def of(cls, log: AuctionLog) -> TestDays:
        """All days of a log.

        Raises:
            InvalidProtocol: a day has no target CPA, or none of its auctions is worth buying.
        """
        for day in log.days:
            if day.max_cpa is None:
                raise InvalidProtocol(f"Day {day.label!r} has no target CPA. The protocol needs one for every day.")
        market = RecordedMarket(log)
        days = market.recorded(np.arange(log.n_days))
        # An ideal point of one makes the utility the number of conversions.
        found = hindsight_optimum(market, days, _campaigns(days), np.ones((len(days), 3)))
        if not (found.bound > 0).all():
            label = log.days[int(np.argmin(found.bound))].label
            raise InvalidProtocol(f"No auction of day {label!r} has a conversion to buy. Leave the day out.")
        _, units = np.unique([day.unit for day in log.days], return_inverse=True)
        oracle = Play(found.kpi[:, CONVERSION], np.full(len(days), np.nan), found.spend)
        return cls(log, days.max_cpa, days.budget, units, oracle, found.bound)

    def __len__(self) -> int:
        return len(self.target)

    def score(self, play: Play) -> Floats:
        """R (D,): penalised expected conversions."""
        return penalised(play.conversions, play.spend, self.target)

    def realised_score(self, play: Play) -> Floats:
        """The same (D,) of realised conversions, their CPA included."""
        return penalised(play.realised, play.spend, self.target)

    def ratio(self, play: Play) -> Floats:
        """R / R* (D,)."""
        return self.score(play) / self.best


@dataclass(frozen=True)
class Seen:
    """What a bidder of the benchmark knows before slot `t`; all (D,)."""

    t: int
    slots: int
    target: Floats  # target CPA, currency
    left: Floats  # budget left, currency
    spend: Floats  # so far, currency
    last_spend: Floats  # of the slot before, currency
    conversions: Floats  # predicted conversions won so far


class BenchmarkBidder(Protocol):
    """Bids alpha times `pValue` for every auction of a slot."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    def start(self) -> None:
        """Forget the day before."""

    def alpha(self, seen: Seen) -> Floats:
        """Bids per unit of predicted conversion (D,), currency, >= 0."""


class Field:
    """The test days under one forecast, for agents that have one; the benchmark's bidders use none of it."""

    def __init__(self, test: TestDays, forecast: Forecast) -> None:
        market = RecordedMarket(test.log, level_slots=forecast.level_slots)
        self._test = test
        self._days = market.recorded(np.arange(len(test)))
        self._campaigns = _campaigns(self._days)
        self._episode = Episode(market, forecast, len(test))

    def play_agent(self, agent: Agent, informed: bool = False) -> Play:
        """Play an agent, whose campaigns have the days' target CPA; `informed`: its re-plan knows the levels."""
        episode, realised = self._episode, np.zeros(len(self._test))
        observation = episode.begin(self._days, self._campaigns, informed)
        day = AgentDay(agent, episode.rows, episode.segments)
        for _ in range(episode.slots):
            observation = episode.play(day.act(observation))
            realised += episode.totals.realised[:, CONVERSION]
        return self._played(realised)

    def play_bidder(self, bidder: BenchmarkBidder) -> Play:
        """Play a bidder of the benchmark."""
        episode, rows = self._episode, len(self._test)
        predicted, realised, last = np.zeros(rows), np.zeros(rows), np.zeros(rows)
        rule = Rule(np.zeros((rows, 3)), np.ones((rows, episode.segments)), np.zeros((rows, episode.segments)))
        episode.begin(self._days, self._campaigns)
        bidder.start()
        for t in range(episode.slots):
            left = episode.left.copy()
            seen = Seen(t, episode.slots, self._test.target, left, self._test.budget - left, last, predicted.copy())
            rule.alpha[:, CONVERSION] = bidder.alpha(seen)
            episode.play_rule(rule)
            last = left - episode.left
            predicted += episode.totals.predicted[:, CONVERSION]
            realised += episode.totals.realised[:, CONVERSION]
        return self._played(realised)

    def _played(self, realised: Floats) -> Play:
        return Play(self._episode.kpi[:, CONVERSION].copy(), realised, self._test.budget - self._episode.left)


def _campaigns(days: DayBatch) -> CampaignBatch:
    """Each day's own budget and target; those given here are replaced on every row."""
    stand_in = Campaign(budget=1.0, preference=CONVERSIONS_ALONE, max_cpa=1.0)
    return CampaignBatch.repeat(stand_in, len(days), days.budget, days.conversion_value, days.bounds)

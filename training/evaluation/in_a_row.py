"""Days in a row, over which a filter of traffic keeps what it has learnt of sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.filter import TrafficFilter
from bidpilot.envs.bidding_env.episode import Episode, ReplannerOf
from bidpilot.envs.clearing.traffic import TrueTraffic
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.evaluation.traffic import FilterOf, detected


class SequenceArena(Arena):
    """Several sequences of days in a row: the first day of all is played, then the second, and so on.

    As an arena it is that of the first days; what is played, and `kept`, are of all days, in the order of playing.
    Only the filter of traffic remembers: agents begin each day afresh.

    Args:
        days: day k of every sequence, K batches of as many rows.
    """

    def __init__(
        self,
        market: Market,
        forecast: Forecast,
        campaign: Campaign | Sequence[Campaign],
        days: Sequence[DayBatch],
        cpa_margin: float = 0.0,
        filter_of: FilterOf = detected,
        threads: int = 1,
    ) -> None:
        how = cpa_margin, filter_of, threads
        super().__init__(market, forecast, campaign, days[0], *how)
        later = (Arena(market, forecast, campaign, batch, *how) for batch in days[1:])
        self.turns = [Arena(market, forecast, campaign, days[0], *how), *later]
        self.kept = np.concatenate([turn.kept for turn in self.turns])

    @property
    def reference(self) -> NDArray[np.float64]:
        """R* of all days that are played."""
        return np.concatenate([turn.reference for turn in self.turns])

    @cached_property
    def traffic(self) -> TrueTraffic:
        """What each source sends on all days, and what of it is invalid."""
        return TrueTraffic(
            np.concatenate([turn.traffic.requests for turn in self.turns]),
            np.concatenate([turn.traffic.invalid for turn in self.turns]),
        )

    def play(
        self,
        agent: Agent,
        replanner_of: ReplannerOf | None = None,
        filter_of: FilterOf | None = None,
        watch: Callable[[Episode], None] | None = None,
    ) -> Outcome:
        """The agent's days, one after the other behind one filter."""
        return Outcome.joined(
            [turn.play(agent, replanner_of, today, watch) for turn, today in self._filters(filter_of or self.filter_of)]
        )

    def play_rules(self, decide: Callable[[Episode], Rule], filter_of: FilterOf | None = None) -> Outcome:
        """The days of what bids by rules outright, likewise."""
        filters = self._filters(filter_of or self.filter_of)
        return Outcome.joined([turn.play_rules(decide, today) for turn, today in filters])

    def _filters(self, filter_of: FilterOf) -> Iterator[tuple[Arena, FilterOf]]:
        """Every turn with what gives it the filter that has played the turns before."""
        traffic: TrafficFilter | None = None
        for turn in self.turns:
            traffic = filter_of(turn, traffic)
            yield turn, _always(traffic)


def _always(traffic: TrafficFilter | None) -> FilterOf:
    return lambda arena, before: traffic

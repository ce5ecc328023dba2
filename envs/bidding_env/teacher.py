"""Labels of actions by one that knows the law, not the future; and between these and hindsight's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.money import money_to_plan
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.bidding_env.knowable import KnowableReplanner
from bidpilot.envs.bidding_env.labels import near_target
from bidpilot.envs.bidding_env.law_tables import LawTables
from bidpilot.envs.bidding_env.oracle import Oracle


class Teacher:
    """Labels the actions of the day that an episode has begun, told the law of each row's market, the day's levels,
    and the money that is truly left: what is won and not yet reported has cost its price.

    Not told are later blocks, shocks and surges. Rows whose plan comes near a target cost are labelled with their own
    re-plan. `tables` are those of the episode's market and forecast.

    Raises:
        UnknownLaw: the days do not say what they were made from.
    """

    def __init__(self, episode: Episode, tables: LawTables) -> None:
        self._episode, self._replanner = episode, _TrueMoneyReplanner(episode, tables)
        self._targeted = near_target(episode)

    def action(self) -> NDArray[np.float64]:
        """The label (B, 3 + S) of the coming slot: the best that can be known."""
        observer = self._episode.observer
        label = observer.action_of(self._replanner, self._episode.statistics)
        return np.where(self._targeted[:, None], observer.replanned_action(), label)


class Blend:
    """Labels between the teacher's and hindsight's: `hindsight_share` of the way."""

    def __init__(self, episode: Episode, tables: LawTables, hindsight_share: float) -> None:
        self._teacher, self._oracle, self._share = Teacher(episode, tables), Oracle(episode), hindsight_share

    def action(self) -> NDArray[np.float64]:
        """The label (B, 3 + S) of the coming slot."""
        return (1.0 - self._share) * self._teacher.action() + self._share * self._oracle.action()


class _TrueMoneyReplanner(KnowableReplanner):
    """Plans with what is left by the episode's own account: unreported wins have cost their prices."""

    def __init__(self, episode: Episode, tables: LawTables) -> None:
        today, forecast = episode.today, episode.planner.forecast
        super().__init__(episode.market, today.days, today.campaigns, forecast, today.plan, today.index, tables)
        self._episode, self._last_block = episode, forecast.slots - forecast.level_slots
        self._held_back = today.campaigns.held_back * today.campaigns.budget
        self._planned_spend = today.plan.spend[today.index].T

    def scale(self, levels: Posterior, left: NDArray[np.float64], t: int) -> NDArray[np.float64]:
        """As its base's, of the true money left; `left` is what the statistics know of."""
        money = money_to_plan(self._episode.statistics, self._planned_spend, prices_told=True)
        held_back = self._held_back if t < self._last_block else 0.0
        return super().scale(levels, np.maximum(money - held_back, 0.0), t)

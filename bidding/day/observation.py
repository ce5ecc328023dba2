"""The observation: named, dimensionless features, computed by the same code in training and serving.

Every feature is a ratio of like quantities, or a function of such ratios, without additive epsilons: with
prices, budget and conversion value multiplied by a power of two the observation does not change by a bit,
nor with any KPI column multiplied so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.constraints.catalogue import CATALOGUE
from bidpilot.bidding.day import history
from bidpilot.bidding.day.action import FIRST_SEGMENT, SCALE_REACH, action_size
from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.features import POSITION, bounds, segment_features
from bidpilot.bidding.day.money import money_to_plan
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.day.statistics import PRICE, TRAFFIC, VALUE, DayStatistics
from bidpilot.bidding.day.steering import Steering
from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.traffic.filter import TrafficFilter


@dataclass(frozen=True)
class _Today:
    """What stays as it is over a day of B rows."""

    replanner: Replanner
    steering: Steering | None  # None where no row is constrained
    held_back: NDArray[np.float64]  # (B,) currency
    alpha: NDArray[np.float64]  # (B, 3) the plan's coefficients
    ideal: NDArray[np.float64]  # (B, 3), 1 where there is none
    planned_kpi: NDArray[np.float64]  # (B, 3), 1 where there is none
    planned_spend: NDArray[np.float64]  # (T + 1, B) currency, cumulative
    planned_ratio: NDArray[np.float64]  # (5, B) log2 of value per price, as expected of the date


class Observer:
    """Computes observations of B rows, from `begin` on slot by slot."""

    def __init__(self, forecast: Forecast, rows: int) -> None:
        self.forecast = forecast
        low, high = bounds(len(forecast.segments))
        self._wide = np.zeros((len(low), rows))
        self._low, self._high = low[:, None].astype(np.float64), high[:, None].astype(np.float64)
        self._row = {name: self._wide[i] for name, i in POSITION.items()}
        self._settled, self._left = np.zeros(rows), np.zeros(rows)  # before the slot, currency: settled, to plan with
        self._today: _Today

    def begin(
        self,
        statistics: DayStatistics,
        plan: BudgetPlan,
        index: NDArray[np.int64],
        replanner: Replanner,
        steering: Steering | None,
    ) -> None:
        """Begin the day that `statistics` has just begun; row b follows plan `index[b]`."""
        campaigns, row, slots = statistics.campaigns, self._row, self.forecast.slots
        self._today = _Today(
            replanner=replanner,
            steering=steering,
            held_back=campaigns.held_back * campaigns.budget,
            alpha=plan.alpha[index],
            ideal=np.where(plan.ideal > 0, plan.ideal, 1.0)[index],
            planned_kpi=np.where(plan.kpi > 0, plan.kpi, 1.0)[index],
            planned_spend=plan.spend[index].T.copy(),
            planned_ratio=statistics.expected.ratio_quantiles(plan, index),
        )
        self._wide[:] = 0.0
        row["tightness"][:] = np.log2(campaigns.budget / plan.market[index]) / 4
        for j, name in enumerate(KPI):
            row[f"{name}_preference"][:] = campaigns.preference[:, j]
        for kind in Scalarisation:
            row[kind.value][:] = campaigns.kind == kind.code
        row["first_price"][:] = campaigns.first_price
        row["full_feedback"][:] = campaigns.full_feedback
        row["win_delay"][:] = campaigns.win_delay / slots
        row["interaction_delay"][:] = campaigns.interaction_delay / slots
        row["conversion_delay"][:] = campaigns.conversion_delay / slots
        for constraint in CATALOGUE:
            constraint.begin(campaigns.bounds, row)

    def observe(self, statistics: DayStatistics, last_action: NDArray[np.floating] | None) -> NDArray[np.float32]:
        """The observation (B, F) before slot `statistics.t`; `last_action` (B, A) is None at the start."""
        self._time(statistics.t)
        self._money(statistics)
        self._levels(statistics)
        if statistics.t > 0:
            self._results(statistics)
        if last_action is not None:
            self._row["last_scale"][:] = last_action[:, 0]
            self._row["last_interaction_tilt"][:] = last_action[:, 1]
            self._row["last_conversion_tilt"][:] = last_action[:, 2]
        np.subtract(self._row["replan"], self._row["last_scale"], out=self._row["replan_change"])
        return np.minimum(np.maximum(self._wide, self._low), self._high).T.astype(np.float32)

    def _time(self, t: int) -> None:
        f, row = self.forecast, self._row
        row["time_left"][:] = 1.0 - t / f.slots
        row["block_left"][:] = 1.0 - (t % f.level_slots) / f.level_slots
        row["hour_sin"][:] = math.sin(2 * math.pi * t / f.slots)
        row["hour_cos"][:] = math.cos(2 * math.pi * t / f.slots)
        if t < f.slots:
            planned = self._today.planned_spend
            np.divide((planned[t + 1] - planned[t]) * f.slots, planned[-1], out=row["planned_share"])

    def _money(self, statistics: DayStatistics) -> None:
        row, budget, t = self._row, statistics.campaigns.budget, statistics.t
        settled, reserved = statistics.budget()
        np.subtract(1.0, settled / budget, out=row["budget_left"])
        np.divide(np.maximum(budget - settled - reserved, 0.0), budget, out=row["budget_free"])
        np.divide(self._today.planned_spend[t] - settled, budget, out=row["pace_gap"])
        self._settled = settled
        self._left = money_to_plan(statistics, self._today.planned_spend)

    def _levels(self, statistics: DayStatistics) -> None:
        row, levels = self._row, statistics.levels()
        last = statistics.log_level
        np.multiply(last[TRAFFIC], 0.5, out=row["traffic_slot"])
        np.multiply(levels.block[TRAFFIC], 0.5, out=row["traffic_block"])
        np.multiply(levels.day[TRAFFIC], 0.5, out=row["traffic_day"])
        np.multiply(last[VALUE], 0.5, out=row["value_slot"])
        np.multiply(levels.block[VALUE], 0.5, out=row["value_block"])
        np.multiply(levels.day[VALUE], 0.5, out=row["value_day"])
        np.multiply(levels.block[PRICE], 0.5, out=row["price_block"])
        np.multiply(levels.day[PRICE], 0.5, out=row["price_day"])
        mean = statistics.mean_levels()
        np.multiply(mean[TRAFFIC], 0.5, out=row["traffic_mean"])
        np.multiply(mean[VALUE], 0.5, out=row["value_mean"])
        np.multiply(mean[PRICE], 0.5, out=row["price_mean"])
        first = POSITION[history.FEATURES[0].name]
        self._wide[first : first + len(history.FEATURES)] = statistics.history.features
        if statistics.t > 0:
            first = POSITION["ratio_50"]
            shown = statistics.campaigns.full_feedback
            gap = statistics.ratio_quantiles.T - self._today.planned_ratio
            np.multiply(gap, 0.5 * shown, out=self._wide[first : first + 5])
        if statistics.t < self.forecast.slots:
            scale, segment = self._replanned(statistics, self._today.replanner, levels)
            np.multiply(scale, np.log(2.0) / SCALE_REACH, out=row["replan"])
            if self._today.steering is not None:
                segment_features(self._wide.T)[self._today.steering.rows] = segment

    def replanned_action(self) -> NDArray[np.float64]:
        """The action (B, 3 + S) that follows the re-plan of the latest observation."""
        action = np.zeros((self._wide.shape[1], action_size(len(self.forecast.segments))))
        action[:, 0] = self._row["replan"]
        action[:, FIRST_SEGMENT:] = segment_features(self._wide.T)
        return np.clip(action, -1.0, 1.0)

    def action_of(self, replanner: Replanner, statistics: DayStatistics) -> NDArray[np.float64]:
        """The action (B, 3 + S) that follows the re-plan of any replanner, given the day so far; after `observe`."""
        scale, segment = self._replanned(statistics, replanner, statistics.levels())
        action = np.zeros((len(scale), action_size(len(self.forecast.segments))))
        action[:, 0] = scale * (np.log(2.0) / SCALE_REACH)
        if self._today.steering is not None:
            action[self._today.steering.rows, FIRST_SEGMENT:] = segment
        return np.clip(action, -1.0, 1.0)

    def _replanned(
        self, statistics: DayStatistics, replanner: Replanner, levels: Posterior
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """log2 of the scale (B,) against the plan's, and segment entries (R, S) of the constrained rows."""
        beliefs = replanner.beliefs(levels, statistics)
        scale = replanner.scale(beliefs, self._spendable(statistics.t), statistics.t)
        steering = self._today.steering
        if steering is None:
            return scale, np.zeros((0, len(self.forecast.segments)))
        progress = statistics.told()
        value = (progress.kpi * self._today.alpha).sum(axis=1)
        rows = steering.rows
        scale[rows], segment = steering.steer(scale[rows], beliefs, statistics.t, progress, value)
        return scale, segment

    def _spendable(self, t: int) -> NDArray[np.float64]:
        """The money to plan with (B,) without what is held back of it, which the day's last block releases."""
        if t >= self.forecast.slots - self.forecast.level_slots:
            return self._left
        return np.maximum(self._left - self._today.held_back, 0.0)

    def _results(self, statistics: DayStatistics) -> None:
        row, told = self._row, statistics.reported
        wins, before = (told(statistics.wins, back) for back in (0, 1))
        seen, seen_before = (told(statistics.auctions, back) for back in (0, 1))
        _ratio(wins - before, seen - seen_before, row["win_rate"])
        _ratio(wins, seen, row["win_rate_day"])
        settled_before = told(statistics.spend, back=1)
        planned, planned_before = (told(self._today.planned_spend, back) for back in (0, 1))
        _ratio(self._settled - settled_before, planned - planned_before, row["cost_slot"])
        _ratio(self._settled, planned, row["cost_day"])
        progress = statistics.told()
        kpi = progress.kpi
        share = self._settled / self._today.planned_spend[-1]
        first = POSITION["exposure_to_plan"]
        _ratio(kpi.T, self._today.planned_kpi.T * share, self._wide[first : first + 3])
        first = POSITION["exposure_to_ideal"]
        np.divide(kpi.T, self._today.ideal.T, out=self._wide[first : first + 3])
        for constraint in CATALOGUE:
            constraint.observe(statistics.campaigns.bounds, progress, row)
        if statistics.traffic is not None:
            self._traffic(statistics, statistics.traffic)

    def _traffic(self, statistics: DayStatistics, traffic: TrafficFilter) -> None:
        """What was refused, which is known at once, and what the filter believes of wins, which is told late."""
        row, t = self._row, statistics.t
        requests, refused = statistics.requests, statistics.refused
        _ratio(refused[t] - refused[t - 1], requests[t] - requests[t - 1], row["refused_slot"])
        _ratio(refused[t], requests[t], row["refused_day"])
        row["invalid_share"][:], row["invalid_slot"][:], row["suspect_interactions"][:] = traffic.estimates()


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """above / below where below is positive, else 0; written to `out`."""
    out[:] = 0.0
    np.divide(above, below, out=out, where=below > 0)

"""The observation: named, dimensionless features, computed by the same code in training and serving.

Every feature is a ratio of like quantities, or a function of such ratios, without additive epsilons: with
prices, budget and conversion value multiplied by a power of two the observation does not change by a bit,
nor with any KPI column multiplied so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.constraints.catalogue import CATALOGUE
from bidpilot.bidding.day import history
from bidpilot.bidding.day.action import FIRST_SEGMENT, SCALE_REACH, action_size
from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.features import FEATURES, POSITION, bounds, segment_features, span
from bidpilot.bidding.day.money import money_to_plan
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.day.statistics import PRICE, TRAFFIC, VALUE, DayStatistics
from bidpilot.bidding.day.steering import Steering
from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.traffic.filter import TrafficFilter

_LEVEL_OF = {
    f"{level}_{of}": 3 * k + j
    for k, of in enumerate(("slot", "block", "day", "mean"))
    for level, j in (("value", VALUE), ("price", PRICE), ("traffic", TRAFFIC))
}
_LEVEL_ROWS = np.array([_LEVEL_OF[f.name] for f in FEATURES if f.name in _LEVEL_OF])


@dataclass(frozen=True)
class _Today:
    """What stays as it is over a day of B rows."""

    replanner: Replanner
    steering: Steering | None  # None where no row is constrained
    held_back: NDArray[np.float64]  # (B,) currency
    alpha: NDArray[np.float64]  # (B, 3) the plan's coefficients
    ideal: NDArray[np.float64]  # (3, B), 1 where there is none
    planned_kpi: NDArray[np.float64]  # (3, B), 1 where there is none
    planned_spend: NDArray[np.float64]  # (T + 1, B) currency, cumulative
    planned_share: NDArray[np.float64]  # (T, B) of each slot, times T


class _Rows(NamedTuple):
    """Features that are written at once, as views (K, B) of the observation (F, B)."""

    clock: NDArray[np.float64]
    money: NDArray[np.float64]
    levels: NDArray[np.float64]
    ratio_quantiles: NDArray[np.float64]
    ratios: NDArray[np.float64]
    to_ideal: NDArray[np.float64]
    last_action: NDArray[np.float64]
    history: NDArray[np.float64]

    @classmethod
    def of(cls, wide: NDArray[np.float64]) -> _Rows:
        """The rows of `wide`, where the features stand."""
        return cls(
            clock=wide[span("time_left", "hour_cos")],
            money=wide[span("budget_left", "pace_gap")],
            levels=wide[span("traffic_slot", "price_day")],
            ratio_quantiles=wide[span("ratio_50", "ratio_99")],
            ratios=wide[span("win_rate", "conversion_to_plan")],
            to_ideal=wide[span("exposure_to_ideal", "conversion_to_ideal")],
            last_action=wide[span("last_scale", "last_conversion_tilt")],
            history=wide[span(history.FEATURES[0].name, history.FEATURES[-1].name)],
        )


class Observer:
    """Computes observations of B rows, from `begin` on slot by slot."""

    def __init__(self, forecast: Forecast, rows: int) -> None:
        self.forecast = forecast
        low, high = bounds(len(forecast.segments))
        self._wide = np.zeros((len(low), rows))
        self._low, self._high = (np.repeat(b[:, None], rows, axis=1) for b in (low, high))  # NumPy is slow at (F, 1)
        self._row = {name: self._wide[i] for name, i in POSITION.items()}
        self._rows = _Rows.of(self._wide)
        self._clock = np.array([_clock(forecast, t) for t in range(forecast.slots + 1)])[:, :, None]
        self._above, self._below = (np.zeros_like(self._rows.ratios) for _ in range(2))
        self._left = np.zeros(rows)  # before the slot, to plan with, currency
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
        spend = plan.spend[index].T.copy()
        self._today = _Today(
            replanner=replanner,
            steering=steering,
            held_back=campaigns.held_back * campaigns.budget,
            alpha=plan.alpha[index],
            ideal=np.where(plan.ideal > 0, plan.ideal, 1.0)[index].T.copy(),
            planned_kpi=np.where(plan.kpi > 0, plan.kpi, 1.0)[index].T.copy(),
            planned_spend=spend,
            planned_share=np.diff(spend, axis=0) * slots / spend[-1],
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
        """The observation (B, F) before slot `statistics.t`.

        Entries of `last_action` (B, A) outside [-1, 1] are clipped, as where it was decoded; None: the day begins.
        """
        t = statistics.t
        self._rows.clock[:] = self._clock[t]
        if t < self.forecast.slots:
            self._row["planned_share"][:] = self._today.planned_share[t]
        self._money(statistics)
        self._levels(statistics)
        if t > 0:
            self._results(statistics)
        if last_action is not None:
            last = self._rows.last_action
            np.maximum(last_action[:, :FIRST_SEGMENT].T, -1.0, out=last)
            np.minimum(last, 1.0, out=last)
        np.subtract(self._row["replan"], self._row["last_scale"], out=self._row["replan_change"])
        with np.errstate(over="ignore"):  # what float32 cannot hold is beyond the range, and held to it
            observation = self._wide.astype(np.float32)
        np.maximum(observation, self._low, out=observation)
        np.minimum(observation, self._high, out=observation)
        return observation.T

    def _money(self, statistics: DayStatistics) -> None:
        budget, money = statistics.campaigns.budget, self._rows.money
        settled, reserved = statistics.budget()
        money[0] = settled
        free = np.subtract(budget, settled, out=money[1])
        free -= reserved
        np.maximum(free, 0.0, out=free)
        np.subtract(self._today.planned_spend[statistics.t], settled, out=money[2])
        money /= budget
        np.subtract(1.0, money[0], out=money[0])
        self._left = money_to_plan(statistics, self._today.planned_spend)

    def _levels(self, statistics: DayStatistics) -> None:
        row, levels = self._row, statistics.levels()
        told = np.concatenate([statistics.log_level, levels.block, levels.day, statistics.mean_levels()])
        told *= 0.5
        told.take(_LEVEL_ROWS, axis=0, out=self._rows.levels, mode="clip")  # NumPy buffers what it may raise on
        self._rows.history[:] = statistics.history.features
        self._rows.ratio_quantiles[:] = statistics.history.ratio
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
        told, above, below = statistics.reported, self._above, self._below
        progress, planned_spend = statistics.told(), self._today.planned_spend
        settled, wins, kpi = progress.spend, progress.wins, progress.kpi.T
        seen, planned = told(statistics.auctions), told(planned_spend)
        np.subtract(wins, told(statistics.wins, back=1), out=above[0])
        np.subtract(seen, told(statistics.auctions, back=1), out=below[0])
        above[1], below[1] = wins, seen
        np.subtract(settled, told(statistics.spend, back=1), out=above[2])
        np.subtract(planned, told(planned_spend, back=1), out=below[2])
        above[3], below[3] = settled, planned
        above[4:] = kpi
        np.multiply(self._today.planned_kpi, settled / planned_spend[-1], out=below[4:])
        _ratio(above, below, self._rows.ratios)
        np.divide(kpi, self._today.ideal, out=self._rows.to_ideal)
        for constraint in CATALOGUE:
            constraint.observe(statistics.campaigns.bounds, progress, self._row)
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


def _clock(forecast: Forecast, t: int) -> tuple[float, float, float, float]:
    """The features of the time before slot `t`."""
    slots, block = forecast.slots, forecast.level_slots
    turn = 2 * math.pi * t / slots
    return 1.0 - t / slots, 1.0 - (t % block) / block, math.sin(turn), math.cos(turn)

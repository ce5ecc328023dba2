"""What is told the truth: re-plans and a gate, upper references for evaluation; labels of actions, for imitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.day.statistics import PRICE, TRAFFIC, VALUE, DayStatistics
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.rule import Rule, price
from bidpilot.bidding.traffic.filter import SourceTotals
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.bidding_env.labels import near_target
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.clearing.traffic import TrueTraffic
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.forecasting import true_levels

if TYPE_CHECKING:
    from bidpilot.envs.bidding_env.episode import Episode

_LEAST = 2.0**-16


class InformedReplanner(Replanner):
    """Knows each block's value and price level and each slot's auctions of B days; not the auctions themselves."""

    def __init__(
        self,
        market: Market,
        days: DayBatch,
        campaigns: CampaignBatch,
        forecast: Forecast,
        plan: BudgetPlan,
        index: NDArray[np.int64],
    ) -> None:
        super().__init__(forecast, plan, index)
        self._market, self._days, self._first_price = market, days, campaigns.first_price
        level, counts = true_levels(market, days, forecast, campaigns.conversion_value)
        part = plan.alpha[index] / forecast.kpi_unit(campaigns.conversion_value) * forecast.landscape.mean_value
        share = part / np.maximum(part.sum(axis=1, keepdims=True), _LEAST)
        value = np.log2(np.maximum(np.einsum("bj,btj->bt", share, level[:, :, :3]), _LEAST))
        price_level = np.log2(np.maximum(level[:, :, PRICE_LEVEL], _LEAST))
        traffic = np.log2(np.maximum(counts, 0.5) / np.maximum(forecast.auctions, _LEAST))
        self._level = np.stack([value, price_level, traffic])  # (3, B, T), in the order of `Posterior`
        assert (VALUE, PRICE, TRAFFIC) == (0, 1, 2)
        self._counts = counts
        self._spend_left = self._curves_of_rest(
            forecast, plan, index, counts, value - price_level, np.exp2(price_level)
        )

    def _curves_of_rest(
        self,
        forecast: Forecast,
        plan: BudgetPlan,
        index: NDArray[np.int64],
        counts: NDArray[np.int64],
        shift: NDArray[np.float64],
        price_level: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """(T + 1, B, POINTS) spend from each slot on."""
        now = plan.now[index]
        rest = np.zeros((forecast.slots + 1, *now.shape))
        for t in reversed(range(forecast.slots)):
            level = price_level[:, t] * forecast.price_curve[t]
            there = curves.GRID + (shift[:, t] - np.log2(forecast.price_curve[t]))[:, None]
            rest[t] = rest[t + 1] + curves.lookup(now, there) * (counts[:, t] * level)[:, None]
        return rest

    def beliefs(self, levels: Posterior, statistics: DayStatistics) -> Posterior:
        """The truth: the mean of later blocks, and the current block."""
        width, t = self._level_slots, statistics.t
        later = self._level[:, :, -(-t // width) * width :]
        block = self._level[:, :, min(t, self._level.shape[2] - 1)]
        day = later.mean(axis=2) if later.shape[2] else block
        return Posterior(day=day, block=block, trust=np.ones_like(day))

    def scale(self, levels: Posterior, left: NDArray[np.float64], t: int) -> NDArray[np.float64]:
        """log2 of the scale (B,) that spends `left` on what is really to come."""
        return curves.invert(self._spend_left[t], np.minimum(left, self._spend_left[t][:, -1])) - self._scale


class HindsightReplanner(InformedReplanner):
    """Knows the auctions themselves: at its scale the money left is spent exactly, which is the hindsight optimum
    of the remaining day among rules of the plan's direction. Under first price, where bids are shaded and paid, it
    knows the levels alone."""

    def _curves_of_rest(
        self,
        forecast: Forecast,
        plan: BudgetPlan,
        index: NDArray[np.int64],
        counts: NDArray[np.int64],
        shift: NDArray[np.float64],
        price_level: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """(T + 1, B, POINTS) spend from each slot on, linear between grid points."""
        slots, points = forecast.slots, curves.POINTS
        rest = super()._curves_of_rest(forecast, plan, index, counts, shift, price_level)
        rule = Rule(plan.alpha, plan.multiplier, plan.beta)
        for row in np.flatnonzero(~self._first_price):
            u = index[row]
            day = materialise(self._market, self._days, int(row))
            bid = price(rule, int(u), day.predicted, day.segment)
            with np.errstate(divide="ignore", invalid="ignore"):
                needed = plan.scale[u] + np.log2(day.price) - np.log2(np.maximum(bid, 0.0))
            place = np.clip((needed - curves.LOWEST) * curves.PER_OCTAVE, 0.0, float(points))
            key = day.slot.astype(np.int64) * (points + 1) + np.ceil(np.nan_to_num(place, nan=0.0)).astype(np.int64)
            spend = np.bincount(key, day.price, slots * (points + 1)).reshape(slots, points + 1)[:, :points]
            rest[:slots, row] = np.cumsum(np.cumsum(spend, axis=1)[::-1], axis=0)[::-1]
        return rest


class InformedFilter:
    """Told which traffic is invalid: refuses a source for a slot in which more than half of what it sends is.

    A `TrafficFilter` of the days that `traffic` counts, which knows sources and slots, not single requests.
    """

    def __init__(self, traffic: TrueTraffic) -> None:
        self._refused, self._rate = traffic.mostly_invalid, traffic.rate
        self._no_limit = np.full(self._rate[:, 0].shape, np.inf)
        self._slot = 0
        # wins, the invalid among them, the same of the last slot, interaction events, the invalid among them
        self._counts = np.zeros((6, len(self._rate)))

    def begin(self, late: NDArray[np.int64]) -> None:
        """Begin the day; what is told late makes no difference."""
        self._slot = 0
        self._counts[:] = 0.0

    def gate(self, t: int) -> Gate:
        """The gate of slot `t`."""
        self._slot = t
        return Gate(np.where(self._refused[:, t], 0.0, 1.0), self._no_limit)

    def update(self, t: int, totals: SourceTotals) -> None:
        """Count what was won; nothing is left to learn."""
        wins, events, rate = totals.source_wins, totals.source_events, self._rate[:, t]
        self._counts[2:4] = wins.sum(axis=1), (wins * rate).sum(axis=1)
        self._counts[:2] += self._counts[2:4]
        self._counts[4:] += events.sum(axis=1), (events * rate).sum(axis=1)

    def estimates(self) -> NDArray[np.float64]:
        """Shares (3, B) that are invalid: of the day's wins, of the last slot's, of the day's interaction events."""
        return self._counts[1::2] / np.maximum(self._counts[::2], 1.0)

    def filtered(self) -> NDArray[np.float64]:
        """Share (B,) of the last slot's wins that are invalid."""
        share: NDArray[np.float64] = self.estimates()[1]
        return share

    def late(self, t: int, totals: SourceTotals) -> None:
        """Nothing is left to learn."""

    def suspicion(self) -> NDArray[np.float64]:
        """Share (B, C) of what a source sends in the slot of the last gate that is invalid."""
        return self._rate[:, self._slot]


class Oracle:
    """Labels the actions of the day that an episode has begun, with all auctions to come known.

    Under first price the levels to come are known, not the auctions. Rows whose plan comes near a target cost are
    labelled with their own re-plan.
    """

    def __init__(self, episode: Episode) -> None:
        today, campaigns = episode.today, episode.today.campaigns
        self._episode = episode
        self._replanner = HindsightReplanner(
            episode.market, today.days, campaigns, episode.planner.forecast, today.plan, today.index
        )
        self._targeted = near_target(episode)

    def action(self) -> NDArray[np.float64]:
        """The label (B, 3 + S) of the coming slot: the action that spends the money left best."""
        observer = self._episode.observer
        label = observer.action_of(self._replanner, self._episode.statistics)
        return np.where(self._targeted[:, None], observer.replanned_action(), label)

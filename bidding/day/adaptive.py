"""The adaptive re-plan: one that doubts its forecast.

Beside the forecast's own spread of levels a day may be unlike it: the day's level has a mixture of two normal priors,
the fitted one and a wider one, and the day's demand one of several curves over the hours. What has arrived weighs
them. Later blocks are priced by a dynamic programme (`bidpilot.bidding.plan.outlook`), in expectation of the dual over
what is still unknown of the day; the rest of a block follows the traffic of its latest slots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.demand import DemandCurves
from bidpilot.bidding.day.replan import Replanner, rest_of_block
from bidpilot.bidding.day.statistics import PRICE, TRAFFIC, VALUE, DayStatistics, LevelSums
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.plan.outlook import Outlook, power_mean

UNLIKE = np.array([0.1, 0.2, 0.2])[:, None]
"""Prior weight of a day that is unlike the forecast: in value, price, traffic."""
WIDER = np.array([0.2, 0.2, 0.15])[:, None]
"""What the variance of such a day's log2 level has on top, octaves squared."""
_SHOWN = 1e-12  # least variance of a level that is observed
_EARLY = 0.1  # variance of the log2 ratio of arrivals to forecast when half of the day's auctions have arrived
_RECENT = 0.8  # of the gap between the day's traffic and that of the latest slots, what the block's rest keeps
_MEMORY = 8  # slots looked back at; each counts half as much as the next
_MOST = 3.1  # octaves above the plan, beyond what an action reaches
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Belief(Posterior):
    """Posterior means, and what is not known of the day's levels."""

    variance: NDArray[np.float64]  # (3, B) of the day's log2 level


class AdaptiveReplanner(Replanner):
    """Re-plans B rows over one day, by what has arrived more than by what was forecast."""

    def __init__(self, forecast: Forecast, plan: BudgetPlan, index: NDArray[np.int64], outlook: Outlook) -> None:
        """Begin a day; row b follows plan `index[b]` and its `outlook`."""
        self._level_slots = forecast.level_slots
        self._scale = plan.scale[index]
        self._now = forecast.blocks + 1
        self._set_curves(np.concatenate([outlook.later, plan.now[:, None]], axis=1), index)
        self._rest = [rest_of_block(forecast, t) for t in range(forecast.slots)]
        self._usual = np.zeros((3, len(index)))
        self._usual[: PRICE + 1] = outlook.usual[index].T
        self._auctions = forecast.auctions
        self._expected = np.concatenate([[0.0], np.cumsum(forecast.auctions)])
        self._demand = DemandCurves(forecast, plan.traffic_spread)

    def beliefs(self, levels: Posterior, statistics: DayStatistics) -> Posterior:
        """What is believed of value, price and traffic; the day's traffic is that of its later blocks."""
        t, sums = statistics.t, statistics.level_sums()
        gap, precision = _seen_of_day(sums, self._usual)
        if t > 0:
            gap[TRAFFIC], precision[TRAFFIC] = self._arrivals(statistics, sums)
        day, variance = _mixture(gap, precision, sums.variance[0])
        day += self._usual
        trust = np.clip(1.0 - variance / sums.variance[0], 0.0, 1.0)
        some = np.maximum(sums.block_seen, 1.0)
        _, block_variance, slot_variance = sums.variance
        weight = block_variance / (block_variance + slot_variance / some) * (sums.block_seen > 0)
        block = day + weight * (sums.block_sum / some - day)
        if t > 0:
            block[TRAFFIC] = day[TRAFFIC] + _RECENT * (self._latest(statistics) - day[TRAFFIC])
            day[TRAFFIC] += self._demand.later(statistics.auctions, t)
        return Belief(day, block, trust, variance)

    def scale(self, levels: Posterior, left: NDArray[np.float64], t: int) -> NDArray[np.float64]:
        """log2 of the scale (B,) relative to the plan's, before slot `t`, with `left` (B,) currency to spend."""
        assert isinstance(levels, Belief)
        day, block, rows = levels.day, levels.block, len(left)
        demand, curve_shift = self._rest[t]
        value, price = levels.variance[VALUE], levels.variance[PRICE]
        deviation = np.sqrt(value + price)
        off = _NODES[:, None] * deviation  # (K, B) of value per price
        # the part of it that is the price's makes what is to come cheaper, too
        cheaper = off * (price / np.maximum(value + price, _SHOWN))
        size, shift = np.empty((2, 2, len(_NODES), rows))
        np.exp2(day[TRAFFIC] + day[PRICE] - cheaper, out=size[0])
        np.add(day[VALUE] - day[PRICE], off, out=shift[0])
        size[1] = np.exp2(block[TRAFFIC] + block[PRICE]) * demand
        shift[1] = block[VALUE] - block[PRICE] - curve_shift
        first = np.array([[-(-t // self._level_slots)], [self._now]]) * curves.POINTS + self._row
        x = self._solve(
            np.tile(first, len(_NODES)), size.reshape(2, -1), shift.reshape(2, -1), np.tile(left, len(_NODES))
        )
        most = self._scale + _MOST
        return power_mean(np.minimum(x.reshape(len(_NODES), rows), most), _WEIGHTS) - self._scale

    def _arrivals(self, statistics: DayStatistics, sums: LevelSums) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """log2 of all arrivals so far over the forecast's (B,), and its precision (B,) as a measure of the day."""
        t, expected = statistics.t, self._expected
        share = max(expected[t] / expected[-1], 1e-6)
        _, block, slot = (v[TRAFFIC] for v in sums.variance)
        noise = (block + slot / self._level_slots) / max(t / self._level_slots, 0.5) + _EARLY * (1.0 - share) / share
        return np.log2(np.maximum(statistics.auctions[t], 0.5) / max(expected[t], 1e-9)), 1.0 / noise

    def _latest(self, statistics: DayStatistics) -> NDArray[np.float64]:
        """log2 traffic level (B,) of the latest slots, each weighed half as much as the next."""
        t = statistics.t
        first = max(t - _MEMORY, 0)
        arrived = np.diff(statistics.auctions[first : t + 1], axis=0)
        expected = self._auctions[first:t]
        known = expected > 0
        level = np.log2(np.maximum(arrived, 0.5) / np.where(known, expected, 1.0)[:, None]) * known[:, None]
        weight = 0.5 ** np.arange(t - first)[::-1]
        mean: NDArray[np.float64] = (weight[:, None] * level).sum(axis=0) / weight.sum()
        return mean


def _seen_of_day(sums: LevelSums, usual: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean log2 level of the slots seen about the `usual`, and its precision as a measure of the day's; (3, B) each.

    A block under way, of which less is seen, counts less than a whole one.
    """
    _, block, slot = sums.variance
    some = np.maximum(sums.block_seen, 1.0)
    begun = (sums.block_seen > 0) / (block + slot / some)
    slots, blocks = sums.seen - sums.block_seen, sums.blocks - (sums.block_seen > 0)
    slots_, blocks_ = np.maximum(slots, 1.0), np.maximum(blocks, 1.0)
    whole = (slots > 0) / (block / blocks_ + slot / slots_)
    precision = begun + whole
    total = begun * sums.block_sum / some + whole * (sums.day_sum - sums.block_sum) / slots_
    gap = np.divide(total, precision, out=np.zeros_like(total), where=precision > 0)
    return np.where(precision > 0, gap - usual, 0.0), precision


def _mixture(
    gap: NDArray[np.float64], precision: NDArray[np.float64], day_variance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior mean and variance (3, B) of the day's level about the usual one, under the two priors."""
    prior = np.stack([day_variance, day_variance + WIDER * (day_variance > _SHOWN)])
    told = prior * precision
    log_weight = -0.5 * (gap * gap * precision / (1.0 + told) + np.log(1.0 + told))
    odds = UNLIKE / (1.0 - UNLIKE) * np.exp(log_weight[1] - log_weight[0])
    unlike = odds / (1.0 + odds)
    means = told / (1.0 + told) * gap
    mean = means[0] + unlike * (means[1] - means[0])
    left = prior / (1.0 + told)
    spread = unlike * (1.0 - unlike) * (means[1] - means[0]) ** 2
    return mean, left[0] + unlike * (left[1] - left[0]) + spread

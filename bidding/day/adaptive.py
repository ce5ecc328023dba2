"""The adaptive re-plan: one that doubts its forecast.

Beside the forecast's own spread of levels a day may be unlike it: its value and price have a mixture of two normal
priors each, the fitted one and a wider one, and its traffic follows one of several curves over the hours
(`bidpilot.bidding.plan.demand`). What has arrived weighs them. Later blocks are priced by a dynamic programme
(`bidpilot.bidding.plan.outlook`) at the level believed of the day: an expectation over what is still unknown of that
has shown no gain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.day.statistics import PRICE, TRAFFIC, VALUE, DayStatistics, LevelSums
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.plan.demand import sums_of_gaps
from bidpilot.bidding.plan.outlook import Outlook

UNLIKE = np.array([0.15, 0.2])[:, None]
"""Prior weight of a day that is unlike the forecast: in value, in price."""
WIDER = np.array([0.4, 0.2])[:, None]
"""What the variance of such a day's log2 level has on top, octaves squared."""
_SHOWN = 1e-12  # least variance of a level that is observed


class AdaptiveReplanner(Replanner):
    """Re-plans B rows over one day, by what has arrived more than by what was forecast."""

    unlike = UNLIKE
    _gaps = staticmethod(sums_of_gaps)

    def __init__(self, forecast: Forecast, plan: BudgetPlan, index: NDArray[np.int64], outlook: Outlook) -> None:
        """Begin a day; row b follows plan `index[b]` and its `outlook`."""
        self._level_slots = forecast.level_slots
        self._scale = plan.scale[index]
        self._blind = forecast.blocks + 1  # where these curves begin
        self._now = self._blind + forecast.blocks
        self._set_curves(np.concatenate([outlook.later, outlook.blind, plan.now[:, None]], axis=1), index)
        self._rest = forecast.rest_of_block
        self._usual = outlook.usual[index].T  # (2, B)
        self._demand = outlook.demand

    def beliefs(self, levels: Posterior, statistics: DayStatistics) -> Posterior:
        """What is believed of value, price and traffic; the day's traffic is that of its later blocks."""
        sums = statistics.level_sums()
        seen = LevelSums(tuple(v[:TRAFFIC] for v in sums.variance), *(a[:TRAFFIC] for a in sums[1:]))
        gap, precision = _seen_of_day(seen, self._usual)
        day, variance = _mixture(gap, precision, seen.variance[0], self.unlike)
        day += self._usual
        some = np.maximum(seen.block_seen, 1.0)
        _, block_variance, slot_variance = seen.variance
        weight = block_variance / (block_variance + slot_variance / some) * (seen.block_seen > 0)
        block = day + weight * (seen.block_sum / some - day)
        trust = levels.trust.copy()
        trust[:TRAFFIC] = np.clip(1.0 - variance / seen.variance[0], 0.0, 1.0)
        expected = statistics.expected
        later, rest = self._demand.levels(statistics.arrived, statistics.t, self._gaps, expected.doubt[TRAFFIC])
        return Posterior(np.vstack([day, later]), np.vstack([block, rest]), trust).about(expected.level)

    def scale(self, levels: Posterior, left: NDArray[np.float64], t: int) -> NDArray[np.float64]:
        """log2 of the scale (B,) relative to the plan's, before slot `t`, with `left` (B,) currency to spend."""
        block_of, begun = divmod(t, self._level_slots)
        later = block_of + 1 if begun else self._blind + block_of
        demand, curve_shift = self._rest[t]
        part = np.stack([levels.day, levels.block])  # what is to come after this block, and the rest of it
        size, shift = np.exp2(part[:, TRAFFIC] + part[:, PRICE]), part[:, VALUE] - part[:, PRICE]
        size[1] *= demand
        shift[1] -= curve_shift
        first = np.array([[later], [self._now]]) * curves.POINTS + self._row
        return self._solve(first, size, shift, left) - self._scale


def _seen_of_day(sums: LevelSums, usual: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean log2 level of the slots seen about the `usual`, and its precision as a measure of the day's; (2, B) each.

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
    gap: NDArray[np.float64],
    precision: NDArray[np.float64],
    day_variance: NDArray[np.float64],
    prior_unlike: NDArray[np.float64] = UNLIKE,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior mean and variance (2, B) of the day's level about the usual one, under the two priors."""
    prior = np.stack([day_variance, day_variance + WIDER * (day_variance > _SHOWN)])
    told = prior * precision
    log_weight = -0.5 * (gap * gap * precision / (1.0 + told) + np.log(1.0 + told))
    odds = prior_unlike / (1.0 - prior_unlike) * np.exp(log_weight[1] - log_weight[0])
    unlike = odds / (1.0 + odds)
    means = told / (1.0 + told) * gap
    mean = means[0] + unlike * (means[1] - means[0])
    left = prior / (1.0 + told)
    spread = unlike * (1.0 - unlike) * (means[1] - means[0]) ** 2
    return mean, left[0] + unlike * (left[1] - left[0]) + spread

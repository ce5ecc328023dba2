"""The re-plan that is told the market's law and the current levels, not the future: all that a bidder could know."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.envs.bidding_env.law_tables import DayTables, LawTables
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.synthetic.day_levels import PRICE, TRAFFIC, VALUE

Matrix = NDArray[np.float64]
_GRID = curves.LOWEST, curves.PER_OCTAVE, curves.POINTS


class KnowableReplanner(Replanner):
    """Told, of B days of a market whose law is known: the law, the day's own levels with their drift, and exactly the
    levels of slots that have passed; not the auctions, and nothing of blocks, shocks or traffic to come. Of a mixture
    each row is told the law of its day's own market.

    Value levels are those of the predictions that bids are made from. Levels of segments and sources of their own
    are not told, nor what a filter of traffic refuses.

    `tables` are kept over the days of one market; where None, they are made for these alone.

    Raises:
        UnknownLaw: the days were not made by a synthetic market, or by a mixture of such.
    """

    def __init__(
        self,
        market: Market,
        days: DayBatch,
        campaigns: CampaignBatch,
        forecast: Forecast,
        plan: BudgetPlan,
        index: NDArray[np.int64],
        tables: LawTables | None = None,
    ) -> None:
        super().__init__(forecast, plan, index)
        self._told = (tables or LawTables(market, forecast)).of_day(days, campaigns, plan, index)
        self._size, self._shift = _later_levels(self._told, days.calibration, forecast.level_slots)
        self._place, self._part, self._curve_shift = _block_curves(self._told, days.calibration, forecast.level_slots)

    def scale(self, levels: Posterior, left: Matrix, t: int) -> Matrix:
        """log2 of the scale (B,) against the plan's; what the statistics believe of `levels` is not needed."""
        told, (block, passed) = self._told, divmod(t, self._level_slots)
        size, shift = self._size[:, t], self._shift[:, t]
        if passed == 0:
            return curves.invert(told.blind[:, block], left / size) - shift - self._scale
        lasting, now, shock = told.levels
        last, end = t - 1, (block + 1) * self._level_slots
        x: Matrix = _spend_all(
            told.curves.spend,
            (self._place[:, t], self._part[:, t], self._curve_shift[:, :, t]),
            told.later[:, block + 1],
            (size, shift),
            # levels of the rest of the block: of price in all its slots, of traffic until it changes and after
            now[PRICE, :, last, None] / lasting[PRICE, :, last, None] * (lasting[PRICE] * told.price_curve)[:, t:end],
            told.demand[:, t:end] * now[TRAFFIC, :, last, None],
            told.demand[:, t:end] * (lasting[TRAFFIC, :, t:end] * shock[:, last, None]),
            -t % told.traffic_slots,
            left,
            _GRID,
        )
        return x - self._scale


def _later_levels(told: DayTables, calibration: NDArray[np.float32], level_slots: int) -> tuple[Matrix, Matrix]:
    """Size and shift in octaves (B, T) of the law's blocks to come, as known before each slot.

    A block's first slot is one of those to come.
    """
    lasting, _, shock = told.levels
    slots = lasting.shape[2]
    start = np.minimum(-(-np.arange(slots) // level_slots) * level_slots, slots - 1)
    value, price, traffic = np.exp(_sums_from(np.log(lasting))[:, :, start] / (slots - start))
    begun = np.ones_like(shock)
    begun[:, 1:] = shock[:, :-1]
    traffic = traffic * np.where(begun < 1.0, begun, told.unshaken)
    bid = told.curves.mean_bid(told.curves.seen_level(value, calibration))
    return price * traffic, np.log2(bid / price)


def _block_curves(
    told: DayTables, calibration: NDArray[np.float32], level_slots: int
) -> tuple[NDArray[np.int64], Matrix, Matrix]:
    """Between which curves of the plan those of the rest of a block lie, before each slot (`LawCurves.between`).

    The value level that the block's slots so far have had stays, apart from the day's drift.
    """
    lasting, now, _ = told.levels
    slots = lasting.shape[2]
    t = np.arange(slots)
    end = (t // level_slots + 1) * level_slots
    sums = _sums_from(np.log(lasting[VALUE]))
    ahead = np.exp((sums[:, t] - sums[:, end]) / (end - t))
    last = np.maximum(t - 1, 0)  # at a block's first slot nothing is read of this
    value = now[VALUE][:, last] / lasting[VALUE][:, last] * ahead
    return told.curves.between(told.curves.seen_level(value, calibration))


def _sums_from(amount: Matrix) -> Matrix:
    """Sums (..., T + 1) of amounts (..., T) from each slot on."""
    sums = np.zeros((*amount.shape[:-1], amount.shape[-1] + 1))
    sums[..., :-1] = np.cumsum(amount[..., ::-1], axis=-1)[..., ::-1]
    return sums


@numba.njit(cache=True, error_model="numpy")
def _spend_all(spend, between, later, to_come, price, traffic, traffic_after, changes, left, grid):  # type: ignore[no-untyped-def]
    """x (B,) at which what is left is spent on the rest of the block and on what is worth as much later."""
    low_curve, part, curve_shift = between
    size, shift = to_come
    lowest, per_octave, points = grid
    rows, slots = price.shape
    x = np.empty(rows)
    sizes, offsets = np.empty(slots), np.empty(slots)
    for b in range(rows):
        for r in range(slots):
            sizes[r] = price[b, r] * (traffic[b, r] if r < changes[b] else traffic_after[b, r])
            offsets[r] = -np.log2(price[b, r]) * per_octave
        below, above = spend[b, low_curve[b]], spend[b, low_curve[b] + 1]
        shift_below, shift_above = curve_shift[0, b] * per_octave, curve_shift[1, b] * per_octave
        later_offset = shift[b] * per_octave
        low, high = 0, points - 1
        row = sizes, offsets, below, above, shift_below, shift_above, part[b], later[b], size[b], later_offset
        while high - low > 1:
            middle = (low + high) // 2
            if _spent(middle, row) < left[b]:
                low = middle
            else:
                high = middle
        at_low = _spent(low, row)
        rise = _spent(high, row) - at_low
        fraction = (left[b] - at_low) / rise if rise > 0.0 else 1.0
        x[b] = lowest + (low + min(max(fraction, 0.0), 1.0)) / per_octave
    return x


@numba.njit(inline="always")
def _spent(k, row):  # type: ignore[no-untyped-def]
    """Money of one row at grid point `k`."""
    sizes, offsets, below, above, shift_below, shift_above, part, later, size, later_offset = row
    total = size * _at(later, k + later_offset)
    for r in range(len(sizes)):
        there = _at(below, k + offsets[r] + shift_below)
        there += part * (_at(above, k + offsets[r] + shift_above) - there)
        total += sizes[r] * there
    return total


@numba.njit(inline="always")
def _at(curve, place):  # type: ignore[no-untyped-def]
    """A curve (POINTS,) at a place on its grid, linear between points, held beyond the ends."""
    last = len(curve) - 1
    place = min(max(place, 0.0), float(last))
    low = min(int(place), last - 1)
    return curve[low] + (place - low) * (curve[low + 1] - curve[low])

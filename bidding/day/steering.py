"""Steering: what the re-plan changes for constraints, given what has been seen and won.

The re-plan's scale spends the money left. A cost target brings it down to the best expected score; where a tail share
or a channel cap would be missed, segments are moved against each other at the same expected spend. All rows
are solved together by bisection on the plan's curves by segment, at the level believed of the day.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.segments import channel_index, channels, is_tail
from bidpilot.bidding.constraints.target import target_factor
from bidpilot.bidding.constraints.together import channel_most, least_tail_share, target_cost
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.day.action import SEGMENT_REACH
from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.statistics import PRICE, TRAFFIC, VALUE
from bidpilot.bidding.kpi import CONVERSION
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan

Matrix = NDArray[np.float64]

_WINS, _SPEND, _CONVERSIONS, _VALUE, _KINDS = range(5)
_OCTAVES = SEGMENT_REACH / np.log(2.0)  # that one segment entry of an action moves a bid by
_STEPS = 9  # bisections
_PARTS = 3  # later blocks with the day's level unknown, the same with it known, and the rest of this block


_STEPS_OF_SCALE = np.arange(-48, 49) / 16  # octaves around the plan's scale, as far as an action reaches
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(3)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


class _Rest(NamedTuple):
    """What is to come: auctions and auctions times price level, in units of its curves, and a shift in octaves."""

    auctions: float
    priced: float
    shift: float


def _to_come(forecast: Forecast, t: int) -> tuple[_Rest, _Rest]:
    """Later blocks, in shares of the day, and the rest of this block, in auctions."""
    f = forecast
    later = slice(-(-t // f.level_slots) * f.level_slots, f.slots)
    whole = float(f.auctions @ f.price_curve)
    share = float(f.auctions[later].sum() / f.auctions.sum())
    priced, shift = f.rest_of_block[t]
    rest = float(f.auctions[t : later.start].sum()) if priced > 0 else 0.0
    return (
        _Rest(share, float(f.auctions[later] @ f.price_curve[later]) / whole, 0.0),
        _Rest(rest, priced, shift),
    )


class Steering:
    """Steers the constrained rows of a batch over one day."""

    def __init__(
        self, forecast: Forecast, plan: BudgetPlan, index: NDArray[np.int64], campaigns: CampaignBatch
    ) -> None:
        """Begin a day; row b follows plan `index[b]`."""
        assert plan.by_segment is not None
        self.rows = np.flatnonzero(campaigns.constrained)
        of = index[self.rows]
        self._plan_scale = plan.scale[of]
        self._segments = plan.by_segment.shape[2]
        self._forecast = forecast
        self._set_targets(plan, of, campaigns)
        self._set_segments(plan, of, campaigns)
        self._later, self._now = zip(*(_to_come(forecast, t) for t in range(forecast.slots)), strict=True)

    @classmethod
    def where_constrained(
        cls, forecast: Forecast, plan: BudgetPlan, index: NDArray[np.int64], campaigns: CampaignBatch
    ) -> Steering | None:
        """The day's steering; None where no row has a constraint."""
        return cls(forecast, plan, index, campaigns) if campaigns.constrained.any() else None

    def _set_targets(self, plan: BudgetPlan, of: NDArray[np.int64], campaigns: CampaignBatch) -> None:
        """Keep what rows with a target cost, `_aimed` of the constrained ones, are aimed by."""
        worth = self._forecast.worth(campaigns.conversion_value)[self.rows]
        target = target_cost(campaigns.bounds, campaigns.conversion_value)[self.rows]
        self._aimed = np.flatnonzero(np.isfinite(target))
        self._target, self._worth = target[self._aimed, None], worth[self._aimed, None]
        plans = of[self._aimed]
        assert plan.by_segment is not None
        day = plan.by_segment[plans].sum(axis=2)
        self._day = np.ascontiguousarray(day.transpose(1, 2, 0, 3))  # (PARTS, KINDS, aimed, POINTS)
        spread = plan.value_spread
        self._variance = (spread.day[plans], spread.block[plans], spread.slot[plans])

    def _set_segments(self, plan: BudgetPlan, of: NDArray[np.int64], campaigns: CampaignBatch) -> None:
        """Keep what rows whose segments are moved, `_moved` of the constrained ones, are moved by.

        Segments that always move together are one group: head and tail, unless channels are capped.
        """
        self._moved = np.flatnonzero(campaigns.steers_segments[self.rows])
        rows, plans = self.rows[self._moved], of[self._moved]
        segments, names = self._forecast.segments, channels(self._forecast.segments)
        self._campaigns = campaigns.take(rows)
        capped = np.isfinite(channel_most(self._campaigns.bounds, names, self._campaigns.budget))  # (moved, C)
        self._free, self._capped = ~capped, bool(capped.any())
        key = np.arange(len(segments)) if self._capped else is_tail(segments).astype(np.int64)
        _, first, self._group = np.unique(key, return_index=True, return_inverse=True)  # (G,), (S,)
        assert plan.by_segment is not None
        unique, of_unique = np.unique(plans, return_inverse=True)  # rows of one plan share its curves, and the cache
        own = plan.by_segment[unique]
        groups = np.stack([own[:, :, self._group == g].sum(axis=2) for g in range(len(first))], axis=2)
        self._flat = groups.ravel()  # (unique, PARTS, G, KINDS, POINTS)
        size = len(first) * _KINDS * curves.POINTS  # of a part
        row = of_unique[:, None] * (_PARTS * size) + np.arange(len(first)) * (_KINDS * curves.POINTS)
        self._first = row + (np.arange(_PARTS) * size)[:, None, None]  # (PARTS, moved, G)
        self._tail = is_tail(segments)[first].astype(np.float64)
        channel = channel_index(segments)[first]
        self._channel = np.eye(len(names))[channel]  # (G, C); where nothing is capped, channels do not count
        # bids may rise to what they were without the cap
        self._room = np.where(capped[:, channel], -np.log2(plan.multiplier[plans][:, first]), 0.0)
        self._share = least_tail_share(self._campaigns.bounds, len(rows))

    def steer(
        self, scale: Matrix, levels: Posterior, t: int, progress: DayTotals, value_won: Matrix
    ) -> tuple[Matrix, Matrix]:
        """The re-plan's scale (R,), log2 against the plan's, and segment entries (R, S) of an action, for `rows`.

        `progress` holds what is told of all B rows so far, `value_won` (B,) its predicted KPIs at the plan's
        coefficients, currency.
        """
        at = self.rows
        self._size, self._shift = np.empty((_PARTS, _KINDS, len(at))), np.empty((_PARTS, len(at)))
        trust = levels.trust[VALUE][at]
        for part, (belief, rest, share) in enumerate(
            (
                (levels.day, self._later[t], 1.0 - trust),
                (levels.day, self._later[t], trust),
                (levels.block, self._now[t], 1.0),
            )
        ):
            traffic, value, price = (belief[k][at] for k in (TRAFFIC, VALUE, PRICE))
            self._size[part, _WINS] = share * rest.auctions * np.exp2(traffic)
            self._size[part, _SPEND] = share * rest.priced * np.exp2(traffic + price)
            self._size[part, _CONVERSIONS] = share * rest.auctions * np.exp2(traffic + value)
            self._size[part, _VALUE] = self._size[part, _CONVERSIONS]
            self._shift[part] = value - price - rest.shift
        x = self._plan_scale + scale
        offset = np.zeros((len(at), self._segments))
        if len(self._aimed):
            x[self._aimed] = self._aim(x[self._aimed], self._deviation(trust[self._aimed], t), progress, value_won)
        if len(self._moved):
            self._moved_size, self._moved_shift = self._size[..., self._moved, None], self._shift[:, self._moved, None]
            x[self._moved], moved = self._move_segments(x[self._moved], progress)
            offset[self._moved] = moved[:, self._group]
        mean = offset.mean(axis=1)
        return x - self._plan_scale + mean, np.clip((offset - mean[:, None]) / _OCTAVES, -1.0, 1.0)

    def _at(self, kind: int, x: Matrix, offset: Matrix) -> Matrix:
        """(moved, G) expected totals of the rest of the day at scales x (moved,) and offsets (moved, G), octaves."""
        there = x[:, None] + offset + self._moved_shift  # (PARTS, moved, G)
        position = np.clip((there - curves.LOWEST) * curves.PER_OCTAVE, 0.0, curves.POINTS - 1.0)
        low = np.minimum(position.astype(np.int64), curves.POINTS - 2)
        flat = self._first + kind * curves.POINTS + low
        below = self._flat[flat]
        parts = (below + (position - low) * (self._flat[flat + 1] - below)) * self._moved_size[:, kind]
        total: Matrix = parts.sum(axis=0)
        return total

    def _of_day(self, kind: int, there: Matrix) -> Matrix:
        """(aimed, K) expected totals of all segments at scales (aimed, K)."""
        total = np.zeros_like(there)
        for part in range(_PARTS):
            won = curves.lookup(self._day[part, kind], there + self._shift[part, self._aimed, None])
            total += won * self._size[part, kind, self._aimed, None]
        return total

    def _deviation(self, trust: Matrix, t: int) -> Matrix:
        """(aimed,) standard deviation, octaves, of the value level of what is to come."""
        f, (day, block, slot) = self._forecast, self._variance
        slots = f.slots - t
        variance = day * (1.0 - trust) + block / -(-slots // f.level_slots) + slot / slots
        deviation: Matrix = np.sqrt(variance)
        return deviation

    def _aim(self, x: Matrix, doubt: Matrix, progress: DayTotals, value_won: Matrix) -> Matrix:
        """The scale at or below x of the best expected score `value * min(1, target / cost per conversion) ** 2`.

        What is to come is uncertain, and a miss at the end cannot be mended: the expectation leaves room for it.
        """
        at, scale = self.rows[self._aimed], self._plan_scale[self._aimed, None]
        there = np.minimum(x[:, None], scale + _STEPS_OF_SCALE)  # (aimed, K)
        score = np.zeros_like(there)
        for z, weight in zip(_NODES, _WEIGHTS, strict=True):
            octaves = (z * doubt)[:, None]
            level = np.exp2(octaves)
            spend = progress.spend[at, None] + self._of_day(_SPEND, there + octaves)
            conversions = self._of_day(_CONVERSIONS, there + octaves) * level / self._worth
            gain = self._of_day(_VALUE, there + octaves) * level * 2.0**scale
            allowed = self._target * (progress.kpi[at, CONVERSION, None] + conversions)
            score += weight * (value_won[at, None] + gain) * target_factor(allowed, spend)
        best: Matrix = there[np.arange(len(x)), score.argmax(axis=1)]
        return best

    def _move_segments(self, x: Matrix, progress: DayTotals) -> tuple[Matrix, Matrix]:
        """Scale (moved,) and offsets (moved, G) that keep tail share and caps at the spend expected at x."""
        money = self._at(_SPEND, x, np.zeros_like(self._room)).sum(axis=1)
        at = self.rows[self._moved]
        cap = channel_most(self._campaigns.bounds, progress.channels, progress.spend[at] + money)
        cap_left = np.maximum(cap - progress.channel_spend[at], 0.0)
        low, high = np.full(len(x), -2.0 * _OCTAVES), np.full(len(x), 2.0 * _OCTAVES)
        shared = self._share > 0
        for _ in range(_STEPS if shared.any() else 0):
            theta = 0.5 * (low + high)
            short = self._tail_share(x, theta, money, cap_left, progress) < self._share
            low, high = np.where(short, theta, low), np.where(short, high, theta)
        theta = np.where(shared, high, 0.0)
        return self._spend_it(x, theta, money, cap_left)

    def _tail_share(self, x: Matrix, theta: Matrix, money: Matrix, cap_left: Matrix, progress: DayTotals) -> Matrix:
        scale, offset = self._spend_it(x, theta, money, cap_left)
        wins = self._at(_WINS, scale, offset)
        at = self.rows[self._moved]
        total = progress.wins[at] + wins.sum(axis=1)
        tail = progress.tail_wins[at] + wins @ self._tail
        share: Matrix = np.divide(tail, total, out=np.zeros_like(total), where=total > 0)
        return share

    def _spend_it(self, x: Matrix, theta: Matrix, money: Matrix, cap_left: Matrix) -> tuple[Matrix, Matrix]:
        """The scale that spends `money` with the tail moved by `theta`, and the offsets under the caps."""
        free = theta[:, None] * self._tail + self._room
        low, high = x - 4.0, x + 4.0
        for _ in range(_STEPS + 1):
            middle = 0.5 * (low + high)
            spend = self._at(_SPEND, middle, free)
            if self._capped:
                spend = np.minimum(spend @ self._channel, cap_left)
            spend = spend.sum(axis=1)
            low, high = np.where(spend <= money, middle, low), np.where(spend <= money, high, middle)
        if not self._capped:
            return low, free
        drop_low, drop_high = np.zeros_like(cap_left), np.full_like(cap_left, 4.0)
        for _ in range(_STEPS):
            drop = 0.5 * (drop_low + drop_high)
            over = self._at(_SPEND, low, free - drop @ self._channel.T) @ self._channel > cap_left
            drop_low, drop_high = np.where(over, drop, drop_low), np.where(over, drop_high, drop)
        return low, free - np.where(self._free, 0.0, drop_high) @ self._channel.T

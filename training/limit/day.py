"""One day's relaxed problem: its auctions and their means by the law, and what policies are charged on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.action import SCALE_REACH
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.training.limit.law_curves import GAIN, SPEND, LogColumns, at_ratios, law_curves
from bidpilot.training.limit.levels import BlockLevels, Nodes, Tilt
from bidpilot.training.limit.money import DayTables, MoneyValue, SlotCurves, day_tables
from bidpilot.training.limit.relaxation import Actions, RelaxedDay, best_value, penalty

AMOUNTS: Final = 961
"""Amounts of money left that the relaxed problem is solved on: lines between coarser ones lie well below its value."""
STEPS_PER_OCTAVE: Final = 16
"""Scales that its actions are, as far as an action reaches."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Ground:
    """What the relaxed problems of all days share."""

    market: SyntheticMarket
    days: DayBatch
    alpha: Matrix  # (3,) the plan's coefficients, currency per unit of KPI
    budget: float  # currency
    columns: LogColumns
    nodes: Nodes
    tilt: Tilt
    curves: SlotCurves
    money: MoneyValue

    @cached_property
    def share(self) -> Matrix:
        """(3,) of each KPI in the mean bid of a usual day."""
        mean = self.columns.predicted.mean(axis=0, dtype=np.float64)
        return np.asarray(mean / mean.sum())

    def tables(self, levels: BlockLevels, d: int) -> DayTables:
        """What money is worth before each slot of day `d`, and what its levels bring."""
        own = levels.value[d]
        weights = [self.tilt.traffic_weights(self.nodes, k, own[k : k + 1])[0] for k in range(len(own))]
        return DayTables(
            *day_tables(
                self.curves,
                self.money,
                self.nodes.traffic,
                np.stack(weights),
                own,
                levels.price[d],
                levels.traffic[d],
            )
        )


class Path(NamedTuple):
    """What a policy did on D days of T slots."""

    scale: Matrix  # (T, D) log2 of what the plan's coefficients were multiplied by
    left: Matrix  # (T + 1, D) currency before each slot, and at the end
    gain: Matrix  # (T, D) currency of bids at scale 1


class OneDay:
    """One day's relaxed problem.

    Args:
        ground: what days share.
        levels: of all days.
        d: which day.
        rest: of the day's weight beyond what its levels explain.
        penalised: False where knowing the future costs nothing.
    """

    def __init__(self, ground: Ground, levels: BlockLevels, d: int, rest: float, penalised: bool) -> None:
        market, config = ground.market, ground.market.config
        self._ground, self._d = ground, d
        value, price, traffic = levels.day[d]
        share = ground.share
        own, slots = levels.value[d], config.level_slots
        worth = share[0] + (1.0 - share[0]) * value
        calibration = ground.days.calibration[d].astype(np.float64)
        directions = np.stack([np.ones(3), calibration])  # told the day's calibration, and as predicted
        bid = directions @ (share * np.array([1.0, value, value]))
        self.shift: Matrix = np.log2(bid / price)  # (2,) from a scale to that on a usual day
        level = np.repeat(price * levels.price[d], slots) * market.price_curve
        count = np.repeat(traffic * levels.traffic[d].ravel(), config.traffic_slots) * market.demand
        self._level, self._count = level, count
        self._law = [law_curves(ground.columns, directions, value * v) for v in own]
        tables = ground.tables(levels, d)
        t = np.arange(config.slots)
        reveals = np.where(t % config.traffic_slots == 0, t // config.traffic_slots, -1)
        self._auctions = materialise(market, ground.days, d)
        self.relaxed = RelaxedDay(
            rest=rest,
            penalised=penalised,
            size=float(price * traffic),
            worth=float(worth / price),
            money=ground.money.money,
            marginal=tables.marginal,
            surprise=tables.surprise,
            reveals=reveals,
        )
        self._bids = self._auctions.predicted @ ground.alpha, self._auctions.predicted / calibration @ ground.alpha
        self._gains = self._auctions.true @ ground.alpha
        at_start = np.interp(ground.budget / self.relaxed.size, ground.money.money, ground.money.start)
        self.start = float(at_start * worth * traffic)

    def best(self) -> float:
        """The relaxed problem's value."""
        return float(best_value(self.relaxed, self._actions(), self._ground.budget, AMOUNTS))

    def _actions(self) -> Actions:
        reach = SCALE_REACH / np.log(2.0)
        scale = np.linspace(-reach, reach, 2 * int(np.ceil(reach * STEPS_PER_OCTAVE)) + 1)
        spend, gain = zip(*(self._outcomes(bids, scale) for bids in self._bids[::-1]), strict=True)
        told, predicted = (self._means(direction, scale) for direction in range(2))
        return Actions(
            scale=np.concatenate([scale + shift for shift in self.shift]),
            spend=np.concatenate(spend, axis=1),
            gain=np.concatenate(gain, axis=1),
            mean_spend=np.concatenate([told[0], predicted[0]], axis=1),
            mean_gain=np.concatenate([told[1], predicted[1]], axis=1),
        )

    def _outcomes(self, bids: Matrix, scale: Matrix) -> tuple[Matrix, Matrix]:
        """Spend and gain (T, A) of the day's auctions at scales (A,), without end of money."""
        slots, points = len(self._level), len(scale)
        price = self._auctions.price.astype(np.float64)
        with np.errstate(divide="ignore"):
            first = np.searchsorted(scale, np.log2(price / bids))
        key = self._auctions.slot.astype(np.int64) * (points + 1) + first
        spend, gain = (
            np.bincount(key, amount, slots * (points + 1)).reshape(slots, -1)[:, :points].cumsum(axis=1)
            for amount in (price, self._gains)
        )
        return spend, gain

    def _means(self, direction: int, scale: Matrix) -> tuple[Matrix, Matrix]:
        """Spend and gain (T, A) that the law expects at the day's levels, of scales (A,) or (T, A)."""
        width = len(self._level) // len(self._law)
        spend, gain = np.empty((2, len(self._level), scale.shape[-1]))
        for t, level in enumerate(self._level):
            curves = self._law[t // width][direction]
            ratio = np.exp2(scale if scale.ndim == 1 else scale[t]) / level
            spend[t] = at_ratios(curves[SPEND], ratio) * (self._count[t] * level)
            gain[t] = at_ratios(curves[GAIN], ratio) * self._count[t]
        return spend, gain

    def charged(self, path: Path) -> float:
        """The sum of the day's penalties on a path, currency of bids at scale 1."""
        if not self.relaxed.penalised:
            return 0.0
        d = self._d
        mean_spend, mean_gain = self._means(1, path.scale[:, d : d + 1])
        total = 0.0
        for t in range(len(self._level)):
            left, spend = path.left[t, d], path.left[t, d] - path.left[t + 1, d]
            part = self._before_the_end(t, path.scale[t, d], left)
            total += penalty(
                self.relaxed,
                t,
                left,
                path.scale[t, d] + self.shift[1],
                spend,
                path.gain[t, d],
                part * mean_spend[t, 0],
                part * mean_gain[t, 0],
            )
        return total

    def _before_the_end(self, t: int, scale: float, left: float) -> float:
        """Share of a slot's auctions that arrive while the money lasts."""
        here = self._auctions.slot == t
        price = self._auctions.price[here].astype(np.float64)
        spent = np.cumsum(np.where(np.exp2(scale) * self._bids[0][here] >= price, price, 0.0))
        return float(np.mean(spent <= left)) if len(spent) else 1.0

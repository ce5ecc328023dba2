"""Expected curves of a day: what is known per auction at unit level, over the levels that training days have seen.

A node is a level of value per price, with those of KPI and price that go with it; a slot moves all nodes by its price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import CONVERSION_LEVEL, PRICE_LEVEL, Forecast
from bidpilot.bidding.landscape.spread import Spread, fit_spread
from bidpilot.bidding.landscape.unit_curves import UnitCurves

_DAY_NODES, _BLOCK_NODES = 21, 9
_LEAST_LEVEL = 2.0**-16


@dataclass(frozen=True)
class Nodes:
    """Levels of equal weight: (U, K) log2 value-per-price shift, (U, K, 4) levels of KPI and price."""

    shift: NDArray[np.float64]
    level: NDArray[np.float64]


class DayCurves:
    """A forecast's day over the levels of its training days."""

    def __init__(self, forecast: Forecast) -> None:
        self.forecast = forecast

    def _value_log_level(self, direction: NDArray[np.float64]) -> NDArray[np.float64]:
        """(U, D, T) log2 level of value at this direction, on training days."""
        part = direction * self.forecast.landscape.mean_value
        share = part / part.sum(axis=1, keepdims=True)
        level = np.einsum("uj,dtj->udt", share, self.forecast.history[:, :, :3])
        return np.log2(np.where(self.forecast.observed, np.maximum(level, _LEAST_LEVEL), 1.0))

    def value_spread(self, direction: NDArray[np.float64]) -> Spread:
        """How value at this direction has varied on training days."""
        return fit_spread(self._value_log_level(direction), self.forecast.observed, self.forecast.level_slots)

    def level_spread(self, column: int) -> Spread:
        """How a column of the forecast's history has varied."""
        f = self.forecast
        level = np.log2(np.where(f.observed, np.maximum(f.history[:, :, column], _LEAST_LEVEL), 1.0))
        return fit_spread(level[None], f.observed, f.level_slots)

    def nodes(self, direction: NDArray[np.float64], within_day: bool) -> Nodes:
        """Levels of the training days' blocks, grouped by value per price into nodes of equal weight."""
        f = self.forecast
        levels, seen = f.block_levels
        part = direction * f.landscape.mean_value
        share = part / part.sum(axis=1, keepdims=True)
        value = np.einsum("uj,dbj->udb", share, levels[:, :, :3])
        log_value = np.log2(np.maximum(value, _LEAST_LEVEL))
        log_price = np.log2(levels[:, :, PRICE_LEVEL])
        shift = log_value - log_price[None]
        level = np.broadcast_to(levels[None, :, :, : PRICE_LEVEL + 1], (*shift.shape, PRICE_LEVEL + 1))
        if within_day:
            shift, level = _remove_day(shift, level, seen)
        flat, flat_level = shift[:, seen], level[:, seen]
        order = np.argsort(flat, axis=1, kind="stable")
        groups = min(_BLOCK_NODES if within_day else _DAY_NODES, flat.shape[1])
        cuts = np.linspace(0, flat.shape[1], groups + 1).astype(int)
        sizes = np.diff(cuts)
        ordered = np.take_along_axis(flat, order, axis=1)
        ordered_level = np.take_along_axis(flat_level, order[:, :, None], axis=1)
        return Nodes(
            shift=np.add.reduceat(ordered, cuts[:-1], axis=1) / sizes,
            level=np.add.reduceat(ordered_level, cuts[:-1], axis=1) / sizes[None, :, None],
        )

    def over_day(self, unit: NDArray[np.float64], nodes: Nodes) -> NDArray[np.float64]:
        """(U, S, 4, POINTS) the day's totals of what is given per auction (U, S, 4, POINTS)."""
        shifts, level = self._slot_shifts(nodes), nodes.level
        value = level[:, :, PRICE_LEVEL] * np.exp2(nodes.shift)  # a node's shift is its value over its price
        weights = (
            self._slot_weights(np.ones_like(nodes.shift), priced=False),
            self._slot_weights(level[:, :, PRICE_LEVEL], priced=True),
            self._slot_weights(level[:, :, CONVERSION_LEVEL], priced=False),
            self._slot_weights(value, priced=False),
        )
        out = np.empty_like(unit)
        for k, weight in enumerate(weights):
            for s in range(unit.shape[1]):
                out[:, s, k] = _mix(unit[:, s, k], shifts, weight)
        return out

    def _slot_shifts(self, nodes: Nodes) -> NDArray[np.float64]:
        """(U, T, K) shift of value per price by slot and node."""
        return nodes.shift[:, None, :] - np.log2(self.forecast.price_curve)[None, :, None]

    def _slot_weights(self, level: NDArray[np.float64], priced: bool) -> NDArray[np.float64]:
        """(U, T, K) expected auctions times a level (U, K), and times the price curve for money."""
        f = self.forecast
        demand = f.auctions * f.price_curve if priced else f.auctions
        return demand[None, :, None] * level[:, None, :] / level.shape[1]  # type: ignore[no-any-return]

    def total(self, spend: NDArray[np.float64], nodes: Nodes) -> NDArray[np.float64]:
        """(U, POINTS) the day's expected spend."""
        return _mix(spend, self._slot_shifts(nodes), self._slot_weights(nodes.level[:, :, PRICE_LEVEL], priced=True))

    def later(self, spend: NDArray[np.float64], nodes: Nodes) -> NDArray[np.float64]:
        """(U, blocks + 1, POINTS) expected spend from each block on; the last is zero."""
        f = self.forecast
        shifts, weights = (
            self._slot_shifts(nodes),
            self._slot_weights(nodes.level[:, :, PRICE_LEVEL], priced=True),
        )
        out = np.zeros((spend.shape[0], f.blocks + 1, curves.POINTS))
        for b in reversed(range(f.blocks)):
            part = slice(b * f.level_slots, (b + 1) * f.level_slots)
            out[:, b] = out[:, b + 1] + _mix(spend, shifts[:, part], weights[:, part])
        return out

    def kpi_at(self, unit: UnitCurves, nodes: Nodes, scale: NDArray[np.float64]) -> NDArray[np.float64]:
        """(U, 3) expected totals, conversions at the forecast's worth."""
        x = (scale[:, None, None] + self._slot_shifts(nodes)).reshape(len(scale), -1)
        out = np.empty((len(scale), 3))
        for j in range(3):
            weights = self._slot_weights(nodes.level[:, :, j], priced=False).reshape(len(scale), -1)
            out[:, j] = (curves.lookup(unit.kpi[:, j], x) * weights).sum(axis=1)
        return out

    def by_slot(
        self, unit: UnitCurves, nodes: Nodes, scale: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(U, T) expected spend and wins."""
        shifts = self._slot_shifts(nodes)
        x = (scale[:, None, None] + shifts).reshape(len(scale), -1)
        price = self._slot_weights(nodes.level[:, :, PRICE_LEVEL], priced=True)
        count = self._slot_weights(np.ones_like(nodes.shift), priced=False)
        spend = (curves.lookup(unit.spend, x).reshape(shifts.shape) * price).sum(axis=2)
        wins = (curves.lookup(unit.wins, x).reshape(shifts.shape) * count).sum(axis=2)
        return spend, wins

    def kpi(self, unit: UnitCurves, nodes: Nodes, j: int) -> NDArray[np.float64]:
        """(U, POINTS) expected total of KPI j."""
        return _mix(unit.kpi[:, j], self._slot_shifts(nodes), self._slot_weights(nodes.level[:, :, j], priced=False))


def _mix(curve: NDArray[np.float64], shifts: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = curve.shape[0]
    return curves.shifted_mean(curve, shifts.reshape(rows, -1), weights.reshape(rows, -1))


def _remove_day(
    shift: NDArray[np.float64], level: NDArray[np.float64], seen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shifts and levels relative to their day, widened for the blocks that the day's own mean is made from."""
    blocks = np.maximum(seen.sum(axis=1), 1)
    widen = np.sqrt(blocks / np.maximum(blocks - 1, 1))[:, None]
    mean = np.where(seen, shift, 0.0).sum(axis=2) / blocks
    log_level = np.log2(np.maximum(level, _LEAST_LEVEL))
    mean_level = np.where(seen[..., None], log_level, 0.0).sum(axis=2) / blocks[:, None]
    residual = (log_level - mean_level[:, :, None]) * widen[..., None]
    return (shift - mean[:, :, None]) * widen, 2.0**residual

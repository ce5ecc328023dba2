"""What a forecast's landscape says of the prices of served auctions, on the price levels that the log's wins show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, Forecast
from bidpilot.training.off_policy.served import ServedLog

Array = NDArray[np.float64]

GROUPS: Final = 8
"""Groups of like value to a segment."""
POINTS: Final = 128
"""Prices that stand for a group's."""
_LEVELS: Final = np.linspace(-4.0, 4.0, 49)  # in standard deviations of a block's log price level
_LEAST_SPREAD = 0.05
_FAR = 1e3  # in log prices, more than any lies from another
_TAIL = 0.25  # mean relative excess over the highest price of a group, where one beyond it is drawn
_LEAST = 1e-300


@dataclass(frozen=True)
class LandscapePrices:
    """Prices of N auctions: those of the landscape with like value in the same segment, times a scale."""

    points: Array  # (G, POINTS) log prices at unit level, ascending, each as likely
    cell: NDArray[np.int64]  # (N,)
    scale: Array  # (N,) log of what they are multiplied by

    def given(self, above: Array, bid: Array) -> Array:
        """Expected wins and cost (N, 2) of bids (N,), where the price is known to lie above `above` (N,)."""
        low, high = self._rank(above), self._rank(bid)
        left, hit = POINTS - low, np.maximum(high - low, 0)
        some = np.where(left > 0, left, 1)
        sums = np.concatenate([np.zeros((len(self.points), 1)), np.cumsum(np.exp(self.points), axis=1)], axis=1)
        paid = (sums[self.cell, np.maximum(high, low)] - sums[self.cell, low]) * np.exp(self.scale)
        return np.stack([hit / some, np.where(hit > 0, paid, 0.0) / some], axis=-1)

    def draw(self, above: Array, uniforms: Array) -> Array:
        """Prices (N,) above `above` (N,), by uniforms (N,)."""
        low = self._rank(above)
        place = low + np.floor(uniforms * (POINTS - low)).astype(np.int64)
        price = np.exp(self.points[self.cell, np.minimum(place, POINTS - 1)] + self.scale)
        beyond = above * (1.0 - _TAIL * np.log1p(-uniforms))
        price = np.where(low < POINTS, price, beyond)
        return np.maximum(price, np.nextafter(above.astype(np.float32), np.float32(np.inf)))

    def _rank(self, price: Array) -> NDArray[np.int64]:
        """(N,) how many of its group's prices each price reaches."""
        keys = (self.points + _FAR * np.arange(len(self.points))[:, None]).ravel()
        logs = np.clip(np.log(np.maximum(price, _LEAST)) - self.scale, -_FAR / 3, _FAR / 3)
        found = np.searchsorted(keys, logs + _FAR * self.cell, side="right")
        return np.asarray(np.clip(found - POINTS * self.cell, 0, POINTS))


@dataclass(frozen=True)
class Prices:
    """The landscape's prices, and what is not known of the level of each block of a day."""

    mean: LandscapePrices  # at the levels to be expected
    block: NDArray[np.int64]  # (N,) the block of a day that each auction is in
    levels: Array  # (L,) log price levels
    belief: Array  # (blocks, L) how likely each is, from the block's wins and losses; sums to 1

    def drawn(self, rng: np.random.Generator) -> LandscapePrices:
        """The prices at levels that are drawn from what is believed of them."""
        place = (np.cumsum(self.belief, axis=1) < rng.random((len(self.belief), 1))).sum(axis=1)
        level = self.levels[np.minimum(place, len(self.levels) - 1)]
        return replace(self.mean, scale=self.mean.scale + (level - self.belief @ self.levels)[self.block])


def fit_prices(forecast: Forecast, served: ServedLog) -> Prices:
    """The prices of a served log's auctions by a forecast.

    Values are brought to unit level by the blocks' means, which requests tell. The level of a block's prices is a
    posterior on a grid: the forecast's spread of levels, times the likelihood of prices seen and of bids lost, with
    log-normal prices in each group of the landscape.
    """
    unit = forecast.landscape.value / forecast.kpi_unit(1.0 if served.worth.size == 0 else float(served.worth[0]))
    mean = forecast.landscape.weight @ unit
    slot = served.slot
    block = served.day * forecast.blocks + slot // forecast.level_slots
    blocks = len(served.budget) * forecast.blocks
    value = served.value / _block_levels(served.value, mean, block, blocks)[block]
    cell, points = _groups(forecast, _index(unit, mean), served.segment, _index(value, mean))
    curve = np.log(np.maximum(forecast.price_curve, _LEAST))[slot]
    levels, seen = forecast.block_levels
    logs = np.log(levels[..., PRICE_LEVEL][seen])
    grid = float(logs.mean()) + _LEVELS * max(float(logs.std()), _LEAST_SPREAD)
    belief = _belief(served, points[cell].mean(axis=1) + curve, points.std(axis=1)[cell], grid, (block, blocks))
    scale = curve + (belief @ grid)[block]
    return Prices(LandscapePrices(points, cell, scale), block, grid, belief)


def _block_levels(value: Array, mean: Array, block: NDArray[np.int64], blocks: int) -> Array:
    """(blocks, 3) mean value of each block over that of the landscape; 1 where either is 0."""
    count = np.bincount(block, minlength=blocks).clip(1)
    sums = np.stack([np.bincount(block, value[:, j], blocks) for j in range(3)], axis=1) / count[:, None]
    usable = (sums > 0) & (mean > 0)
    return np.where(usable, sums / np.where(mean > 0, mean, 1.0), 1.0)


def _index(value: Array, mean: Array) -> Array:
    """(N,) how valuable auctions are: the sum of their KPIs over the mean auction's."""
    return np.asarray(value @ np.where(mean > 0, 1.0 / np.where(mean > 0, mean, 1.0), 0.0))


def _groups(
    forecast: Forecast, own: Array, segment: NDArray[np.integer], value: Array
) -> tuple[NDArray[np.int64], Array]:
    """The group (N,) of served auctions by segment and value, and the log prices of each group at unit level."""
    land = forecast.landscape
    points = np.empty((len(forecast.segments) * GROUPS, POINTS))
    cell = np.zeros(len(value), np.int64)
    steps = (np.arange(POINTS) + 0.5) / POINTS
    for s in range(len(forecast.segments)):
        here = land.segment == s
        here = here if here.sum() >= GROUPS else np.ones_like(here)
        edges = np.quantile(own[here], np.arange(1, GROUPS) / GROUPS)
        group = np.searchsorted(edges, own[here], side="right")
        logs, weight = np.log(np.maximum(land.price[here], _LEAST)), land.weight[here]
        for g in range(GROUPS):
            chosen = group == g
            chosen = chosen if chosen.any() else np.ones_like(chosen)
            order = np.argsort(logs[chosen], kind="stable")
            share = np.cumsum(weight[chosen][order])
            middle = (share - 0.5 * weight[chosen][order]) / share[-1]
            points[s * GROUPS + g] = np.interp(steps, middle, logs[chosen][order])
        mine = segment == s
        cell[mine] = s * GROUPS + np.searchsorted(edges, value[mine], side="right")
    return cell, points


def _belief(served: ServedLog, mean: Array, spread: Array, grid: Array, block: tuple[NDArray[np.int64], int]) -> Array:
    """(blocks, L) how likely each level of the grid is, given what each block's auctions showed."""
    spread = np.maximum(spread, _LEAST_SPREAD)
    known = np.isfinite(served.price)
    logs = np.log(np.maximum(np.where(known, served.price, served.tries.made), _LEAST))
    bid = served.tries.made > 0
    score = np.empty((block[1], len(grid)))
    for k, level in enumerate(grid):
        z = (logs - mean - level) / spread
        likely = np.where(known, -0.5 * z**2, np.where(bid, log_ndtr(-z), 0.0))
        score[:, k] = np.bincount(block[0], likely, block[1]) - 0.5 * _LEVELS[k] ** 2
    score -= score.max(axis=1, keepdims=True)
    chance = np.exp(score)
    belief: Array = chance / chance.sum(axis=1, keepdims=True)
    return belief

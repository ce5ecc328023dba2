"""What the adaptive re-plan knows of a day before it begins: the money that its blocks are worth, by bid scale.

The value of money left at the start of a block is that of a dynamic programme over blocks. The levels of each are
drawn from those of training days and learnt from its first slot, which is bid on blindly. The derivative of the value
at `b` is a mean, over the levels drawn, of the derivatives once they are known, and these are the duals `2 ** -x` of
the scales x that spend what is left: duals are averaged at the same money, where a plan in expectation averages spends
at the same scale. The blind slot's own scale is that whose dual is the same mean by what a higher scale would spend
there at each level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, TRAFFIC_LEVEL, Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.plan.demand import DemandCurves

POWER = 0.25
"""Duals are averaged as their power mean: 1 is the expectation, 0 that of the scales. Chosen on training days."""
_NODES = 15  # levels of a block
_MONIES = 160  # at which scales are averaged
_LEAST_MONEY = 1e-5  # of the most that can be spent
_STEPS = 15  # bisections of the log of money
_LEAST_SLOPE = 1e-9  # of the highest: where a higher scale would spend nothing more, levels count alike
_LEAST = 2.0**-16  # of a level


@dataclass(frozen=True)
class Outlook:
    """Of U plans."""

    later: NDArray[np.float64]  # (U, blocks + 1, POINTS) money that the day from block b on is worth at a scale
    blind: NDArray[np.float64]  # (U, blocks, POINTS) money with which the first slot of block b is bid on at a scale
    usual: NDArray[np.float64]  # (U, 2) mean log2 level of value and of price over training days
    demand: DemandCurves  # of all plans


def outlook(forecast: Forecast, plan: BudgetPlan) -> Outlook:
    """What is to be expected of a day under these plans."""
    f, (shift, size) = forecast, _block_nodes(forecast, plan)
    later = np.zeros((len(plan.now), f.blocks + 1, curves.POINTS))
    blind = np.zeros((len(plan.now), f.blocks, curves.POINTS))
    unseen = 1 if f.level_slots > 1 else 0  # a block that is over with its first slot is taken as known
    for b in reversed(range(f.blocks)):
        slots = slice(b * f.level_slots, (b + 1) * f.level_slots)
        price = f.price_curve[slots]
        for u, now in enumerate(plan.now):
            x = curves.GRID + shift[u][:, None, None] - np.log2(price)[:, None]  # (K, W, POINTS)
            spend = curves.lookup(now[None], x.reshape(1, -1)).reshape(x.shape)
            spend *= size[u][:, None, None] * (f.auctions[slots] * price)[:, None]
            first, rest = (part.sum(axis=1) for part in np.split(spend, [unseen], axis=1))
            rest += later[u, b + 1]
            blind[u, b] = blind_money(first, rest)
            later[u, b] = worth(first, rest, blind[u, b])
    return Outlook(later, blind, _usual_levels(f, plan), DemandCurves(f, plan.traffic_spread))


def blind_money(first: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Money (POINTS,) with which a slot is bid on at each scale before it is known which of K curves it follows.

    `first` (K, POINTS) is what the slot spends, `rest` what comes after it; K are equally likely.
    """
    most = (first + rest)[:, -1].max()
    if most <= 0:
        return np.zeros(curves.POINTS)
    slope = np.gradient(first, axis=1)
    slope = np.maximum(slope, _LEAST_SLOPE * slope.max())
    weight = slope / slope.sum(axis=0) if slope.any() else np.full_like(slope, 1.0 / len(slope))
    low, high = (np.full(curves.POINTS, np.log(part * most)) for part in (_LEAST_MONEY, 1.0))
    for _ in range(_STEPS):
        money = 0.5 * (low + high)
        short = power_mean(_scales(rest, np.exp(money) - first), weight) < curves.GRID
        low, high = np.where(short, money, low), np.where(short, high, money)
    found: NDArray[np.float64] = np.maximum.accumulate(np.exp(low))
    return found


def worth(first: NDArray[np.float64], rest: NDArray[np.float64], blind: NDArray[np.float64]) -> NDArray[np.float64]:
    """Money (POINTS,) that a block and all after it are worth at a scale, where its first slot is bid on at `blind`.

    Below the lowest scale that is met it falls in proportion to the scale.
    """
    most = (first + rest)[:, -1].max()
    if most <= 0:
        return np.zeros(curves.POINTS)
    money = np.geomspace(_LEAST_MONEY * most, most, _MONIES)
    there = np.interp(money, blind, curves.GRID)
    spent = np.stack([np.interp(there, curves.GRID, curve) for curve in first])
    x = np.maximum.accumulate(power_mean(_scales(rest, money - spent)))
    met = np.interp(curves.GRID, x, money)
    return np.where(x[0] > curves.GRID, money[0] * np.exp2(np.minimum(curves.GRID - x[0], 0.0)), met)


def _scales(spend: NDArray[np.float64], money: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, N) the scales at which curves (K, POINTS) spend money (K, N)."""
    ends = {"left": curves.LOWEST, "right": curves.HIGHEST}
    return np.stack([np.interp(m, curve, curves.GRID, **ends) for m, curve in zip(money, spend, strict=True)])


def power_mean(x: NDArray[np.float64], weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """log2 of the scale whose dual is the power mean of those of K scales x (K, N), log2; weights (K, N) sum to 1."""
    part = np.exp2(-POWER * x)
    mean = part.mean(axis=0) if weight is None else (weight * part).sum(axis=0)
    scale: NDArray[np.float64] = -np.log2(mean) / POWER
    return scale


def _block_nodes(forecast: Forecast, plan: BudgetPlan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(U, K) shifts of value per price, octaves, and sizes, price times traffic, of training blocks about their day."""
    levels, seen = forecast.block_levels
    value = _log(np.einsum("uj,dbj->udb", _share(plan), levels[:, :, :3]))
    price, traffic = _log(levels[:, :, PRICE_LEVEL]), _log(levels[:, :, TRAFFIC_LEVEL])
    blocks = np.maximum(seen.sum(axis=1), 1)
    widen = np.sqrt(blocks / np.maximum(blocks - 1, 1))[:, None]  # for the blocks that the day's own mean is made of

    def about_day(log_level: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = np.where(seen, log_level, 0.0).sum(axis=-1) / blocks
        return (log_level - mean[..., None]) * widen  # type: ignore[no-any-return]

    shift = (about_day(value) - about_day(price))[:, seen]
    size = np.broadcast_to((about_day(price) + about_day(traffic))[seen], shift.shape)
    order = np.argsort(shift, axis=1, kind="stable")
    cuts = np.linspace(0, shift.shape[1], min(_NODES, shift.shape[1]) + 1).astype(int)
    grouped = [
        np.add.reduceat(np.take_along_axis(a, order, axis=1), cuts[:-1], axis=1) / np.diff(cuts) for a in (shift, size)
    ]
    return grouped[0], np.exp2(grouped[1])


def _usual_levels(forecast: Forecast, plan: BudgetPlan) -> NDArray[np.float64]:
    """(U, 2) mean over training days of the day's mean log2 level of value and of price.

    Levels have an arithmetic mean of about 1, so that their logs have one below 0.
    """
    observed = forecast.observed
    value = _log(np.einsum("uj,dtj->udt", _share(plan), forecast.history[:, :, :3]))
    price = np.broadcast_to(_log(forecast.history[:, :, PRICE_LEVEL]), value.shape)
    slots = np.maximum(observed.sum(axis=1), 1)
    means = [np.where(observed, a, 0.0).sum(axis=-1) / slots for a in (value, price)]  # (U, D) each
    return np.stack(means, axis=1).mean(axis=-1)  # type: ignore[no-any-return]


def _share(plan: BudgetPlan) -> NDArray[np.float64]:
    share: NDArray[np.float64] = plan.mean_value / plan.mean_value.sum(axis=1, keepdims=True)
    return share


def _log(level: NDArray[np.float64]) -> NDArray[np.float64]:
    log: NDArray[np.float64] = np.log2(np.maximum(level, _LEAST))
    return log

"""How much the recorded days of a log differ: value, price and traffic levels, and their spread.

Levels are ratios to the log's own means. Spreads between and within days are told apart by one-way analysis of
variance on log levels (`bidpilot.bidding.landscape.spread.one_way`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.spread import one_way
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.recorded.carrying import Carried, kept_worth

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class RecordedLevels:
    """Levels of a log's blocks and half-blocks. NaN nowhere: a block without one has level 1."""

    value: Matrix  # (D, T / level_slots) mean value of a block over that of all blocks: conversions, or money
    value_known: NDArray[np.bool_]  # (D, T / level_slots) False where a block has no value
    value_worth: Matrix  # (D,) what values were multiplied by: 1, or in money currency per conversion
    day_value_sigma: float  # standard deviation between days of the log value level
    value_spread: Matrix  # (K,) sorted log value levels within days, about their median
    value_median: float  # median of the log value levels
    price_effect: Matrix  # (D,) log price level of each recorded day, shrunk to what days explain
    day_price_sigma: float  # standard deviation between days of the log price level
    traffic: Matrix  # (D, T / traffic_slots) auctions over the mean of the same time of day
    traffic_mean: Matrix  # (T / traffic_slots,) mean auctions of each time of day
    traffic_spread: Matrix  # (K,) sorted log traffic levels about their median
    traffic_median: float  # median of the log traffic levels
    day_traffic_sigma: float  # standard deviation of the log of a day's auctions


def measure_levels(
    log: AuctionLog,
    level_slots: int,
    traffic_slots: int,
    carries: Carried = "rates",
    days: NDArray[np.int64] | None = None,
) -> RecordedLevels:
    """Measure the levels of a log from its recorded days, or from those of `days` (indices) alone.

    The value of an auction is its conversion, in money times the conversion_value of its day; where the log has no
    conversions at all it is the interaction, since one has no price in the other.
    """
    days = np.arange(log.n_days) if days is None else days
    offsets = log.offsets[days]
    edges = offsets[:, ::level_slots]
    worth = kept_worth(log, carries)[days]
    value = _block_means(log.conversion, edges) * worth[:, None]
    if not value.any():
        worth = np.ones(len(days))
        value = _block_means(log.interaction, edges)
    value, value_known = _relative(value, None)
    price = _block_means(log.market_price, edges)
    price, price_known = _relative(price, _mean_where(price, price > 0))
    counts = np.diff(offsets[:, ::traffic_slots], axis=1).astype(np.float64)
    traffic_mean = counts.mean(axis=0)
    traffic, traffic_known = _relative(counts, traffic_mean)
    totals = counts.sum(axis=1)

    values, prices = one_way(np.log(value), value_known), one_way(np.log(price), price_known)
    value_spread, value_median = _spread(value, value_known, values.between)
    traffic_spread, traffic_median = _spread(traffic, traffic_known, 0.0)
    return RecordedLevels(
        value=value,
        value_known=value_known,
        value_worth=worth,
        day_value_sigma=float(np.sqrt(values.between)),
        value_spread=value_spread,
        value_median=value_median,
        price_effect=prices.effect,
        day_price_sigma=float(np.sqrt(prices.between)),
        traffic=traffic,
        traffic_mean=traffic_mean,
        traffic_spread=traffic_spread,
        traffic_median=traffic_median,
        day_traffic_sigma=float(np.std(np.log(totals[totals > 0]))),
    )


def _block_means(column: NDArray[np.float32], edges: NDArray[np.int64]) -> Matrix:
    """Mean of a column over each block (D, blocks); 0 where a block is empty. A loop over blocks."""
    means = [
        float(column[first:last].mean(dtype=np.float64)) if last > first else 0.0
        for first, last in zip(edges[:, :-1].ravel(), edges[:, 1:].ravel(), strict=True)
    ]
    return np.array(means).reshape(edges.shape[0], -1)


def _mean_where(values: Matrix, known: NDArray[np.bool_]) -> Matrix:
    """Mean per time of day over the days where it is known, (blocks,); 1 where on none."""
    days = known.sum(axis=0)
    sums = np.where(known, values, 0.0).sum(axis=0)
    return np.where(days > 0, sums / np.maximum(days, 1), 1.0)


def _relative(values: Matrix, mean: Matrix | None) -> tuple[Matrix, NDArray[np.bool_]]:
    """Levels against a mean (None: the mean of all known) and where they are known, else 1."""
    known = values > 0
    if mean is None:
        mean = np.full(values.shape[1], values[known].mean() if known.any() else 1.0)
    levels = np.ones_like(values)
    np.divide(values, mean, out=levels, where=known)
    return levels, known


def _spread(levels: Matrix, known: NDArray[np.bool_], day_variance: float) -> tuple[Matrix, float]:
    """Sorted log levels about their median, narrowed by the variance that days explain; the median."""
    logs = np.sort(np.log(levels[known]))
    if not len(logs):
        return np.zeros(1), 0.0
    median = float(np.median(logs))
    variance = float(logs.var())
    narrowing = np.sqrt(max(0.0, 1.0 - day_variance / variance)) if variance > 0 else 0.0
    return (logs - median) * narrowing, median

"""What the recorded data say about prices, demand and how much days differ, with their sources.

Every constant was computed from the files of `../shared/data` by the method beside it;
`tests/envs/test_presets.py` recomputes them where the data are present. AuctionNet's figures come from
its periods 0 to 9 alone (its test periods are for evaluation and were not looked at).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.1, 0.5, 0.9)

AUCTIONNET_VALUE_LEVEL = (0.442, 0.970, 1.547)
"""Quantiles 10, 50, 90 % of the value level: mean pValue x CPAConstraint of a block of 8 steps over the
mean of the advertiser's 60 blocks; advertisers 0 and 27 of periods 0..9 pooled (120 blocks)."""

AUCTIONNET_TRAFFIC = (0.704, 0.986, 1.303)
"""Quantiles of the traffic: auctions in a half-block of 4 steps over the mean of that half-block over the
ten periods (120 half-blocks; both advertisers see the same auctions)."""

AUCTIONNET_VALUE_PER_PRICE = (0.455, 0.910, 1.677)
"""Quantiles of value per price: mean value over mean leastWinningCost of a block, over the mean of that
ratio over the advertiser's 60 blocks; both advertisers pooled."""

AUCTIONNET_PRICE_LEVEL = (0.724, 0.968, 1.261)
"""Quantiles of the price level: mean leastWinningCost of a block over the mean of all 60 blocks."""

AUCTIONNET_PRICE_CURVE = (0.819, 1.116, 1.117, 0.975, 1.113, 0.860)
"""Price level of the six blocks of the day, mean over the ten periods (mean 1)."""

AUCTIONNET_PRICE_IN_BLOCK = (1.224, 1.077, 1.008, 0.948, 0.939, 0.929, 0.940, 0.935)
"""Price of the 8 steps of a block over the block's mean, averaged over 60 blocks: a jump, then a decay."""

AUCTIONNET_BLOCK_AUTOCORRELATION = 0.05
"""Correlation of a block's value level with the next block's: 0.12 and -0.02 for the two advertisers,
with a standard error of 0.14 each, so not told from zero (the simulator redraws each block anew)."""

AUCTIONNET_VALUE_PRICE_LEVEL_CORRELATION = 0.18
"""Correlation of log value level and log price level over blocks: 0.15 and 0.22 for the two advertisers."""

AUCTIONNET_PREDICTION_STD = 0.13
"""Mean of pValueSigma / pValue over auctions with a positive pValue: 0.14 and 0.11 (within time steps)."""

AUCTIONNET_VALUE_LOG_STD = 0.59
"""Standard deviation of log pValue within a time step: 0.62 and 0.56."""

AUCTIONNET_VALUE_PRICE_CORRELATION = 0.053
"""Correlation of log pValue and log leastWinningCost within a time step: 0.056 and 0.050."""

IPINYOU_MEAN_PRICE = 83.8
"""Mean market price of iPinYou's eight campaigns, each with equal weight, in the log's integer units (per
1,000 exposures), from `price_counter_train`."""

IPINYOU_PRICE_LOG_STD = 0.951
"""Standard deviation of the log market price of the same mixture, prices above zero."""

IPINYOU_VALUE_PRICE_CORRELATION = 0.147
"""Correlation of log predicted click-through rate and log market price in `1458-train.txt`."""

AVITO_HOURLY_DEMAND = (
    0.343, 0.230, 0.190, 0.200, 0.247, 0.336, 0.482, 0.701, 1.049, 1.442, 1.693, 1.759,
    1.745, 1.716, 1.662, 1.598, 1.510, 1.400, 1.295, 1.184, 1.047, 0.902, 0.737, 0.533,
)  # fmt: skip
"""Traffic of the 24 hours over their mean: Avito's `traffic_share` averaged over regions and days."""

AVITO_WEEKLY_DEMAND = (1.079, 1.228, 1.026, 1.007, 0.960, 0.859, 0.840)
"""Traffic of the days of the week, `dow` 1 to 7, over their mean: the same averaged over regions, summed over hours."""


@dataclass(frozen=True)
class LevelStatistics:
    """How levels vary between and within days; each field holds the quantiles of `QUANTILES`."""

    value_level: NDArray[np.float64]  # (3,)
    price_level: NDArray[np.float64]  # (3,)
    value_per_price: NDArray[np.float64]  # (3,)
    traffic: NDArray[np.float64]  # (3,)


def level_statistics(
    count: NDArray[np.float64],
    value: NDArray[np.float64],
    price: NDArray[np.float64],
    level_slots: int,
    traffic_slots: int,
) -> LevelStatistics:
    """Quantiles of the levels of blocks and half-blocks, by the method of the constants above.

    `count`, `value` and `price` are (D, T): auctions per slot and the sums of their values (currency) and
    market prices. A block is `level_slots` slots, a half-block `traffic_slots`; both divide T and each
    block holds at least one auction. All results are dimensionless.
    """
    days, slots = count.shape

    def blocks(column: NDArray[np.float64], width: int) -> NDArray[np.float64]:
        return np.asarray(column.reshape(days, slots // width, width).sum(axis=2))

    auctions = blocks(count, level_slots)
    mean_value = blocks(value, level_slots) / auctions
    mean_price = blocks(price, level_slots) / auctions
    per_price = mean_value / mean_price
    arrivals = blocks(count, traffic_slots)
    return LevelStatistics(
        value_level=np.quantile(mean_value / mean_value.mean(), QUANTILES),
        price_level=np.quantile(mean_price / mean_price.mean(), QUANTILES),
        value_per_price=np.quantile(per_price / per_price.mean(), QUANTILES),
        traffic=np.quantile(arrivals / arrivals.mean(axis=0), QUANTILES),
    )

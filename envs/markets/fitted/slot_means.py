"""Sums per slot: of a recorded log's days, and of any batch of days, by one method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.kpi import CONVERSION, INTERACTION
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.recorded.carrying import Carried, kept_worth

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SlotMeans:
    """Sums over each slot's auctions, all (D, T)."""

    count: Array  # auctions
    price_sum: Array  # currency
    value_sum: Array  # conversions, in money times their worth; or interactions where a log has no conversions


def slot_means(log: AuctionLog, carries: Carried) -> SlotMeans:
    """The sums of a log's recorded days, day by day, so that a mapped log is never whole in memory."""
    converts = bool(log.conversion.any())
    sums, worth = np.zeros((2, log.n_days, log.slots)), kept_worth(log, carries if converts else "rates")
    for d in range(log.n_days):
        edges = log.offsets[d]
        window = slice(edges[0], edges[-1])
        value = log.conversion[window] if converts else log.interaction[window]
        slot = np.repeat(np.arange(log.slots), np.diff(edges))
        sums[0, d] = np.bincount(slot, log.market_price[window], log.slots)
        sums[1, d] = np.bincount(slot, value, log.slots) * worth[d]
    return SlotMeans(log.counts.astype(np.float64), sums[0], sums[1])


def batch_means(market: Market, days: DayBatch, carries: Carried) -> SlotMeans:
    """The same sums of any market's days."""
    column, worth = valued_by(market, days, carries)
    sums = np.zeros((3, len(days), market.slots))
    for d in range(len(days)):
        day = materialise(market, days, d)
        sums[0, d] = np.bincount(day.slot, minlength=market.slots)
        sums[1, d] = np.bincount(day.slot, day.price, market.slots)
        sums[2, d] = np.bincount(day.slot, day.predicted[:, column], market.slots) * worth[d]
    return SlotMeans(*sums)


def valued_by(market: Market, days: DayBatch, carries: Carried) -> tuple[int, Array]:
    """The KPI that auctions are valued by, and what one of it counts on each day (B,): 1, or in money its worth."""
    if not market.log.conversion.any():
        return INTERACTION, np.ones(len(days))
    known = np.isfinite(days.conversion_value) & (carries == "money")
    return CONVERSION, np.where(known, days.conversion_value, 1.0)

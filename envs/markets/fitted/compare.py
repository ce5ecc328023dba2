"""How well a market fits a log: quantiles, win curve, autocorrelation, each beside the recorded one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.fitted.published import QUANTILES, LevelStatistics, level_statistics
from bidpilot.envs.markets.fitted.slot_means import SlotMeans, batch_means, slot_means, valued_by
from bidpilot.envs.markets.recorded.carrying import Carried
from bidpilot.envs.markets.recorded.replay import RecordedMarket

Array = NDArray[np.float64]

LEVELS = ("value_level", "price_level", "value_per_price", "traffic")
SHARES = np.linspace(0.01, 0.99, 99)
LAGS = np.arange(1, 9)
_MOST_DAYS = 256
_PER_DAY = 4096


@dataclass(frozen=True)
class Side:
    """One side of the comparison."""

    levels: dict[str, Array]  # of LEVELS: quantiles 10, 50, 90 %
    price: Array  # (99,) market price at SHARES, currency
    value_per_price: Array  # (99,) value per price of auctions at SHARES
    win_curve: Array  # (99,) probability that the recorded price quantiles win
    autocorrelation: dict[str, Array]  # price, value, traffic: (lags,) of slots, at LAGS
    demand: Array  # (T,) mean auctions
    price_curve: Array  # (T,) mean price over the mean of all
    auctions: tuple[float, float]  # mean and standard deviation of a day's auctions


@dataclass(frozen=True)
class MarketFit:
    """A recorded log and a market fitted to it."""

    recorded: Side
    fitted: Side

    def numbers(self) -> dict[str, float]:
        """How far apart the two are, one number per aspect; 0 is a perfect fit."""
        out: dict[str, float] = {}
        for name in LEVELS:
            gap = self.fitted.levels[name] / self.recorded.levels[name] - 1.0
            out |= {f"{name}_q{share * 100:.0f}": float(x) for share, x in zip(QUANTILES, gap, strict=True)}
        middle = slice(4, 95)  # the outermost quantiles of few auctions are noise
        out["price_quantiles"] = float(np.abs(self.fitted.price / _positive(self.recorded.price) - 1.0)[middle].max())
        ratio = self.fitted.value_per_price / _positive(self.recorded.value_per_price) - 1.0
        out["value_per_price_quantiles"] = float(np.abs(ratio)[middle].max())
        out["win_curve"] = float(np.abs(self.fitted.win_curve - self.recorded.win_curve).max())
        for name, recorded in self.recorded.autocorrelation.items():
            out[f"{name}_autocorrelation_lag1"] = float(self.fitted.autocorrelation[name][0] - recorded[0])
        out["auctions_per_day"] = self.fitted.auctions[0] / self.recorded.auctions[0] - 1.0
        return out


def compare(
    log: AuctionLog,
    market: Market,
    days: int,
    traffic_slots: int,
    rng: np.random.Generator,
    carries: Carried = "rates",
) -> MarketFit:
    """Compare a log with `days` days drawn from a market, by what carries over."""
    replay = RecordedMarket(log, level_slots=market.level_slots)
    widths = (market.level_slots, traffic_slots)
    own = replay.recorded(np.arange(log.n_days))
    recorded = _side(slot_means(log, carries), *_auctions(replay, own, rng, carries), None, widths)
    drawn = market.days(rng.random((days, market.draws)))
    fitted = _side(batch_means(market, drawn, carries), *_auctions(market, drawn, rng, carries), recorded.price, widths)
    return MarketFit(recorded, fitted)


def _auctions(market: Market, days: DayBatch, rng: np.random.Generator, carries: Carried) -> tuple[Array, Array]:
    """Prices and values of auctions of some days, by the market's own levels."""
    column, worth = valued_by(market, days, carries)
    prices, values = [], []
    total = len(days)
    for row in np.unique(np.linspace(0, total - 1, min(total, _MOST_DAYS)).astype(int)):
        day = materialise(market, days, int(row))
        pick = rng.integers(0, len(day.price), _PER_DAY)
        prices.append(day.price[pick])
        values.append(day.predicted[pick, column] * worth[row])
    return np.concatenate(prices).astype(np.float64), np.concatenate(values).astype(np.float64)


def _side(means: SlotMeans, price: Array, value: Array, grid: Array | None, widths: tuple[int, int]) -> Side:
    statistics = _level_statistics(means, widths)
    quantiles = np.quantile(price, SHARES)
    bids = quantiles if grid is None else grid
    totals = means.count.sum(axis=1)
    by_slot = means.price_sum.sum(axis=0) / np.maximum(means.count.sum(axis=0), 1.0)
    return Side(
        levels={name: getattr(statistics, name) for name in LEVELS},
        price=quantiles,
        value_per_price=np.quantile(value[price > 0] / price[price > 0], SHARES),
        win_curve=np.searchsorted(np.sort(price), bids, side="right") / len(price),
        autocorrelation={
            "price": _autocorrelation(means.price_sum, means.count),
            "value": _autocorrelation(means.value_sum, means.count),
            "traffic": _autocorrelation(means.count, np.ones_like(means.count)),
        },
        demand=means.count.mean(axis=0),
        price_curve=by_slot / _positive(by_slot.mean()),
        auctions=(float(totals.mean()), float(totals.std())),
    )


def _level_statistics(means: SlotMeans, widths: tuple[int, int]) -> LevelStatistics:
    """Empty blocks count as one auction at the mean, so that no level is missing."""
    count = np.maximum(means.count, 1e-9)
    price = np.where(means.count > 0, means.price_sum, means.price_sum.sum() / means.count.sum() * count)
    value = np.where(means.count > 0, means.value_sum, means.value_sum.sum() / means.count.sum() * count)
    return level_statistics(count, value, price, *widths)


def _autocorrelation(sums: Array, count: Array) -> Array:
    """Correlation of slots' means over days, the mean of each slot taken out, at LAGS, (lags,)."""
    mean = np.divide(sums, count, out=np.zeros_like(sums), where=count > 0)
    centred = mean - mean.mean(axis=0)
    spread = (centred**2).mean()
    if spread == 0:
        return np.zeros(len(LAGS))
    reach = [lag for lag in LAGS if lag < mean.shape[1]]
    return np.array([float((centred[:, lag:] * centred[:, :-lag]).mean() / spread) for lag in reach])


def _positive(values: Array | float) -> Array:
    return np.maximum(values, 1e-12)

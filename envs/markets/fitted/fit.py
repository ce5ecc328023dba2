"""Fits the synthetic market to a recorded log: volume, curves, levels of days and blocks, and auctions.

Levels are ratios of block means; how much of their spread lies between days and how much within is told
apart by analysis of variance (`measure_levels`). Auctions are taken to unit level, so that levels drawn
anew can be put on them. Nothing but the log given is read.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ndtri
from scipy.stats import rankdata

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.kpi import CONVERSION, INTERACTION, KPI
from bidpilot.bidding.landscape.spread import OneWay, one_way
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.manifest import StoredDay
from bidpilot.envs.markets.fitted.model import MarketModel, ModelRecord, UnitAuctions
from bidpilot.envs.markets.fitted.slot_means import SlotMeans, slot_means
from bidpilot.envs.markets.recorded.carrying import Carried
from bidpilot.envs.markets.recorded.measure import RecordedLevels, measure_levels
from bidpilot.envs.synthetic import SyntheticConfig

Array = NDArray[np.float64]

USUAL_LEVEL_SLOTS, USUAL_TRAFFIC_SLOTS = 8, 4
UNIT_AUCTIONS = 1 << 17
_LOG_DAYS = 8  # average days that the market's log holds
_CURVE_PRIOR = 2.0  # days at level 1 that each slot's curve starts from: few days make noisy curves
_QUANTILES = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
_HALFWIDTH_GRID = (np.arange(200) + 0.5) / 200
_SIGNIFICANT = 3.0  # standard errors from zero below which an autocorrelation counts as none


def calibrate(
    log: AuctionLog,
    level_slots: int | None = None,
    traffic_slots: int | None = None,
    name: str | None = None,
    carries: Carried = "rates",
) -> MarketModel:
    """Fit a market to a log.

    Args:
        log: the log, of two days at least.
        level_slots: slots over which a value or price level lasts, dividing T; None: 8, or the greatest
            common divisor of 8 and T.
        traffic_slots: the same of traffic levels; None: 4, likewise.
        name: the market's name; None: the log's, and "calibrated".
        carries: what of conversions carries over between campaigns: their rates, or the money that they are worth.

    Raises:
        InvalidMarket: the log has one day only, or a width does not divide its slots.
    """
    level_slots = level_slots or math.gcd(USUAL_LEVEL_SLOTS, log.slots)
    traffic_slots = traffic_slots or math.gcd(USUAL_TRAFFIC_SLOTS, level_slots)
    if log.n_days < 2:
        raise InvalidMarket("The log has one day, which says nothing of how days differ. Calibrate on two at least.")
    if log.slots % level_slots or level_slots % traffic_slots:
        raise InvalidMarket(
            f"level_slots {level_slots} must divide the log's {log.slots} slots, and traffic_slots {traffic_slots} "
            "must divide level_slots."
        )
    means = slot_means(log, carries)
    recorded = measure_levels(log, level_slots, traffic_slots, carries)
    auctions = _unit_auctions(log, means, recorded, level_slots)
    worth = float(np.mean([day.conversion_value for day in log.days]))
    record = ModelRecord(
        name=name or f"{log.name} calibrated",
        log_name=log.name,
        log_digest=log.digest,
        timezone=None if log.cut is None else log.cut.zone,
        day_starts=0 if log.cut is None else log.cut.starts,
        levels=_levels(log, means, recorded, auctions, (level_slots, traffic_slots), worth),
        segments=log.segments,
        carries=carries,
        campaigns=tuple(StoredDay(**vars(day)) for day in log.days),
    )
    return MarketModel(record, auctions)


def _levels(
    log: AuctionLog,
    means: SlotMeans,
    recorded: RecordedLevels,
    auctions: UnitAuctions,
    widths: tuple[int, int],
    worth: float,
) -> SyntheticConfig:
    level_slots, traffic_slots = widths
    count = means.count
    per_slot = float(count.mean())
    curve = _price_curve(means)
    block_price = _log_levels(_blocks(means.price_sum / curve, level_slots) / _filled(count, level_slots))
    block_value = np.log(recorded.value)
    category, own = _value_halfwidths(recorded.value_spread)
    arrival = _arrival_noise(count, traffic_slots)
    traffic_day = _days_and_blocks(np.log(recorded.traffic)).between ** 0.5
    within_traffic = _days_and_blocks(recorded.traffic).within - arrival**2 / (per_slot * traffic_slots)
    autocorrelation = _autocorrelation(block_value, block_price)
    price, money = auctions.price.astype(np.float64), _money(auctions)
    some = (price > 0) & (money > 0)
    return SyntheticConfig(
        slots=log.slots,
        level_slots=level_slots,
        traffic_slots=traffic_slots,
        auctions_per_slot=per_slot,
        budget=float(np.mean([day.budget for day in log.days])),
        conversion_value=worth,
        log_auctions=math.ceil(_LOG_DAYS * per_slot * log.slots),
        segment_spread=0.0,
        user_spread=0.0,
        price_level=float(price.mean()),
        price_log_std=min(float(np.log(price[price > 0]).std()), 2.0),
        value_price_correlation=_score_correlation(money[some], price[some]),
        conversion_rate=float(np.clip(float(auctions.predicted[:, CONVERSION].mean()), 1e-6, 0.05)),
        conversion_log_std=min(float(np.log(money[some]).std()), 2.0) if some.any() else 0.0,
        demand_curve=tuple(np.maximum(count.mean(axis=0), 1e-3 * per_slot).tolist()),
        price_curve=tuple(curve.tolist()),
        day_value_std=_day_std(block_value, autocorrelation),
        day_price_std=_day_std(block_price, autocorrelation),
        day_traffic_std=min(traffic_day, 2.0),
        value_category_halfwidth=category,
        value_own_halfwidth=own,
        block_price_std=min(_days_and_blocks(block_price).within ** 0.5, 2.0),
        value_price_level_correlation=_level_correlation(block_value, block_price),
        traffic_halfwidth=float(np.clip((3.0 * max(within_traffic, 0.0)) ** 0.5, 0.0, 0.99)),
        level_autocorrelation=autocorrelation,
        arrival_noise=arrival,
    )


def _unit_auctions(log: AuctionLog, means: SlotMeans, recorded: RecordedLevels, level_slots: int) -> UnitAuctions:
    """A sample of the log's auctions, evenly over it, at unit level."""
    pick = np.arange(0, log.n, max(1, -(-log.n // UNIT_AUCTIONS)))
    place = np.searchsorted(log.offsets[:, 1:].ravel(), pick, side="right")
    day, slot = np.divmod(place, log.slots)
    level = recorded.value[day, slot // level_slots]
    worth = recorded.value_worth[day] / recorded.value_worth.mean()
    demand, curve = means.count.mean(axis=0), _price_curve(means)
    # Busy slots may be dear ones: over the curve's own mean, auctions must still cost what they cost on average.
    mean_price = means.price_sum.sum() / means.count.sum() * demand.sum() / (demand @ curve)
    slot_price = means.price_sum[day, slot] / means.count[day, slot]
    # A slot of free auctions has no level to be divided by.
    price = log.market_price[pick] * np.where(slot_price > 0, mean_price / np.where(slot_price > 0, slot_price, 1), 1)

    def kpis(prefix: str) -> NDArray[np.float32]:
        columns = [getattr(log, prefix + kpi)[pick].astype(np.float64) for kpi in KPI]
        columns[1] /= level
        columns[2] *= worth / level
        return np.column_stack(columns).astype(np.float32)

    return UnitAuctions(price.astype(np.float32), kpis(""), kpis("true_"), log.segment[pick])


def _money(auctions: UnitAuctions) -> Array:
    """Value of each auction: conversions, or interactions where there are none."""
    column = CONVERSION if auctions.predicted[:, CONVERSION].any() else INTERACTION
    return auctions.predicted[:, column].astype(np.float64)


def _blocks(sums: Array, width: int) -> Array:
    return np.asarray(sums.reshape(len(sums), -1, width).sum(axis=2))


def _filled(count: Array, width: int) -> Array:
    """Auctions of each block, one at least, so that an empty block has level 0 and not NaN."""
    return np.maximum(_blocks(count, width), 1.0)


def _log_levels(values: Array) -> Array:
    """Log of each block's level against the mean of all that have one; 0 where a block has none."""
    known = values > 0
    out = np.zeros_like(values)
    out[known] = np.log(values[known] / values[known].mean())
    return out


def _price_curve(means: SlotMeans) -> Array:
    """Price by slot of the day, (T,), mean 1, drawn towards 1 where days are few."""
    known = means.count > 0
    price = np.divide(means.price_sum, means.count, out=np.zeros_like(means.count), where=known)
    day = np.where(known, price, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    relative = np.divide(price, day[:, None], out=np.zeros_like(price), where=known & (day[:, None] > 0))
    curve = (relative.sum(axis=0) + _CURVE_PRIOR) / (known.sum(axis=0) + _CURVE_PRIOR)
    return np.asarray(np.maximum(curve / curve.mean(), 1e-3))


def _days_and_blocks(levels: Array) -> OneWay:
    """Variances of levels (D, K) that are all known."""
    return one_way(levels, np.ones(levels.shape, np.bool_))


def _value_halfwidths(spread: Array) -> tuple[float, float]:
    """Half-widths of the two uniform factors whose product has the quantiles of these log levels.

    `spread` (K,) is sorted, about its median. The product's law is tabulated on a grid of 200 x 200 points.
    """
    if len(spread) < 3 or np.ptp(spread) == 0:
        return 0.0, 0.0
    goal = np.quantile(spread, _QUANTILES)
    unit = 2.0 * _HALFWIDTH_GRID - 1.0

    def loss(widths: Array) -> float:
        first, second = np.clip(widths, 0.0, 0.97)
        levels = np.log(np.outer(1.0 + first * unit, 1.0 + second * unit)).ravel()
        reached = np.quantile(levels - np.median(levels), _QUANTILES)
        return float(((reached - goal) ** 2).sum() + ((widths - np.clip(widths, 0.0, 0.97)) ** 2).sum())

    found = minimize(loss, np.array([0.5, 0.3]), method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-7})
    first, second = np.sort(np.clip(found.x, 0.0, 0.97))[::-1]
    return float(first), float(second)


def _arrival_noise(count: Array, width: int) -> float:
    """Standard deviation of a slot's auctions about its half-block's level, in roots of their mean."""
    days = count.shape[0]
    if width < 2:
        return 1.0
    shape = count.mean(axis=0)
    share = (shape.reshape(-1, width) / np.maximum(shape.reshape(-1, width).sum(axis=1, keepdims=True), 1e-9)).ravel()
    expected = np.repeat(_blocks(count, width), width, axis=1) * share
    some = expected > 0
    chi = ((count - expected)[some] ** 2 / expected[some]).sum()
    # Fitting each half-block's total, and the mean of each slot, takes degrees of freedom.
    freedom = max(some.sum() * (1 - 1 / width) * (1 - 1 / days), 1.0)
    return float(np.clip((chi / freedom) ** 0.5, 0.0, 5.0))


def _level_correlation(value: Array, price: Array) -> float:
    if np.ptp(value) == 0 or np.ptp(price) == 0:
        return 0.0
    return float(np.clip(np.corrcoef(value.ravel(), price.ravel())[0, 1], -0.95, 0.95))


def _covariances(levels: Array) -> Array:
    """Covariance (3,) of a block's log level with itself, the next block's, and the one after, over days."""
    centred = levels - levels.mean(axis=0)
    blocks = centred.shape[1]
    return np.array([(centred[:, lag:] * centred[:, : blocks - lag]).mean() for lag in range(3)])


def _autocorrelation(*levels: Array) -> float:
    """Correlation of a block's level with the next block's, within days; 0 where it is not told from 0.

    A day's own level adds the same to the covariance at every lag, so differences of covariances are free
    of it: (c1 - c2) / (c0 - c1) of a first-order autoregression.
    """
    used = [level for level in levels if level.shape[1] > 2 and np.ptp(level) > 0]
    if not used:
        return 0.0
    covariances = sum(_covariances(level) / level.var() for level in used)
    at_zero, next_one, after = np.asarray(covariances)
    pairs = used[0].shape[0] * (used[0].shape[1] - 1) * len(used)
    estimate = (next_one - after) / (at_zero - next_one) if at_zero > next_one else 0.95
    return 0.0 if abs(estimate) < _SIGNIFICANT / pairs**0.5 else float(np.clip(estimate, -0.95, 0.95))


def _day_std(levels: Array, autocorrelation: float) -> float:
    """Standard deviation between days of log levels (D, K) whose blocks hang together like this."""
    if autocorrelation == 0.0 or levels.shape[1] < 3:
        return min(float(np.sqrt(_days_and_blocks(levels).between)), 2.0)
    at_zero, next_one, _ = _covariances(levels)
    within = (at_zero - next_one) / (1.0 - autocorrelation)
    return float(np.clip(max(at_zero - within, 0.0) ** 0.5, 0.0, 2.0))


def _score_correlation(first: Array, second: Array) -> float:
    """Correlation of normal scores; 0 where one does not vary."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    scores = [ndtri((rankdata(column) - 0.5) / len(column)) for column in (first, second)]
    return float(np.clip(np.corrcoef(*scores)[0, 1], -0.95, 0.95))

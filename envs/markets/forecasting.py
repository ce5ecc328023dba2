"""Fits the forecast of a market on its training days: landscape at unit level, demand, and levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidLandscape
from bidpilot.bidding.kpi import CONVERSION
from bidpilot.bidding.landscape.calendar import NamedEvent
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, TRAFFIC_LEVEL, BidLandscape, Forecast
from bidpilot.envs.clearing.day import DayAuctions, materialise
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.weekdays import fit_calendar

LANDSCAPE_AUCTIONS = 8192
_PRICE_DAYS_PRIOR = 2.0  # days at price level 1 that each slot's price curve starts from


def fit_forecast(
    market: Market,
    days: DayBatch,
    conversion_value: float | None = 1.0,
    events: Sequence[NamedEvent] = (),
) -> Forecast:
    """The forecast from training `days` alone.

    Where they have dates, by how much weekdays differ is told apart from how days vary.

    Args:
        market: where the days' auctions are.
        days: the training days.
        conversion_value: what conversions are held at, currency, whatever they were worth on each day: rates carry
            over. None: each day's at what they were worth on it, the money form.
        events: named events; what those of training days were expected to do is taken out of these.

    Raises:
        InvalidLandscape: the days have no auctions, or none of their own worth where it is asked for.
    """
    unknown = int(np.isnan(days.conversion_value).sum())
    if conversion_value is None and unknown:
        raise InvalidLandscape(
            f"{unknown} of {len(days)} training days record no worth of a conversion, which a forecast in money needs. "
            "Give the value to hold conversions at."
        )
    worth = days.conversion_value if conversion_value is None else np.full(len(days), float(conversion_value))
    total = int(days.count.sum())
    if total == 0:
        raise InvalidLandscape("the training days have no auctions. Train on days that have some.")
    sums, counts, by_source = _slot_sums(market, days, worth)  # (D, T, 4), (D, T), (C,)
    calendar = fit_calendar(_day_levels(sums, counts), days.date, events)
    of_date = np.ones((len(days), 5))  # factors on the mean day
    if calendar is not None and days.date is not None:
        of_date = np.exp2(calendar.expect(days.date).level)
    mean = sums.sum(axis=(0, 1)) / (counts.sum(axis=1) @ of_date[:, :4])
    per_auction = np.divide(sums, counts[..., None], out=np.zeros_like(sums), where=counts[..., None] > 0)
    expected = mean * of_date[:, None, :4]
    relative = np.divide(per_auction, expected, out=np.ones_like(sums), where=expected > 0)
    observed = counts > 0
    price_curve = _price_curve(relative[:, :, 3], counts)
    auctions = counts.sum(axis=0) / of_date[:, TRAFFIC_LEVEL].sum()
    history = np.ones((len(days), market.slots, 5))
    history[:, :, :3] = np.where(observed[..., None], relative[:, :, :3], 1.0)
    history[:, :, PRICE_LEVEL] = np.where(observed, relative[:, :, 3] / price_curve, 1.0)
    arrivals = auctions * of_date[:, TRAFFIC_LEVEL:]
    history[:, :, TRAFFIC_LEVEL] = np.divide(counts, arrivals, out=np.ones(counts.shape), where=arrivals > 0)
    levels = _block_means(history, counts, market.level_slots) * of_date[:, None, :4]
    landscape = _landscape(market, days, worth, levels, price_curve, max(total // LANDSCAPE_AUCTIONS, 1))
    return Forecast(
        landscape=landscape,
        auctions=auctions,
        price_curve=price_curve,
        history=history,
        observed=observed,
        level_slots=market.level_slots,
        segments=market.log.segments,
        conversion_value=conversion_value,
        source_share=by_source / by_source.sum() if len(by_source) > 1 else None,
        calendar=calendar,
    )


def _day_levels(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(D, 5) levels of whole days, each slot's mean price against that of the slot; 1 where there was nothing."""
    total, of_slot = counts.sum(axis=1, keepdims=True), counts.sum(axis=0)
    usual_price = np.divide(sums[:, :, 3].sum(axis=0), of_slot, out=np.zeros(len(of_slot)), where=of_slot > 0)
    usual = np.append(total * (sums[:, :, :3].sum(axis=(0, 1)) / total.sum()), counts @ usual_price[:, None], axis=1)
    day = np.divide(sums.sum(axis=1), usual, out=np.ones(usual.shape), where=usual > 0)
    return np.append(day, total / total.mean(), axis=1)


def true_levels(
    market: Market, days: DayBatch, forecast: Forecast, own: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What days really bring: block levels (B, T, 4) of KPIs and price against the forecast, and auctions (B, T).

    `own` (B,) is what a conversion is worth to the days' campaigns, currency.
    """
    sums, counts, _ = _slot_sums(market, days, forecast.worth(own))
    land = forecast.landscape
    mean = np.append(land.mean_value, land.mean_price)
    per_auction = np.divide(sums, counts[..., None], out=np.zeros_like(sums), where=counts[..., None] > 0)
    relative = np.divide(per_auction, mean, out=np.ones_like(sums), where=mean > 0)
    relative[:, :, 3] /= forecast.price_curve
    return _block_means(np.where(counts[..., None] > 0, relative, 1.0), counts, market.level_slots), counts


def _walk(
    market: Market, days: DayBatch, worth: NDArray[np.float64]
) -> Iterator[tuple[DayAuctions, NDArray[np.float64]]]:
    """Each day's auctions and their predicted values, conversions times `worth` (B,), with the price: (N, 4)."""
    for row in range(len(days)):
        day = materialise(market, days, row)
        values = np.column_stack([day.predicted, day.price]).astype(np.float64)
        values[:, CONVERSION] *= worth[row]
        yield day, values


def _slot_sums(
    market: Market, days: DayBatch, worth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Sums (D, T, 4) and auctions (D, T) by day and slot, and auctions (C,) by source."""
    by_source = np.zeros(market.log.sources, np.int64)
    sums = np.zeros((len(days), market.slots, 4))
    counts = np.zeros((len(days), market.slots), np.int64)
    for d, (day, values) in enumerate(_walk(market, days, worth)):
        counts[d] = np.bincount(day.slot, minlength=market.slots)
        by_source += np.bincount(day.source, minlength=len(by_source))
        for j in range(4):
            sums[d, :, j] = np.bincount(day.slot, values[:, j], market.slots)
    return sums, counts, by_source


def _price_curve(relative: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(T,) mean price level by slot, drawn towards 1 where days are few; mean 1 over auctions."""
    seen = counts > 0
    curve = ((relative * seen).sum(axis=0) + _PRICE_DAYS_PRIOR) / (seen.sum(axis=0) + _PRICE_DAYS_PRIOR)
    weight = counts.sum(axis=0)
    return curve * (weight.sum() / (weight @ curve))  # type: ignore[no-any-return]


def _block_means(history: NDArray[np.float64], counts: NDArray[np.int64], level_slots: int) -> NDArray[np.float64]:
    """(D, T, 4) levels of the block that a slot lies in; 1 where there was nothing."""
    days, slots = counts.shape
    shape = (days, slots // level_slots, level_slots)
    weight = counts.reshape(shape)
    total = weight.sum(axis=2)
    mean = np.einsum("dbt,dbtk->dbk", weight, history[:, :, :4].reshape(*shape, 4))
    mean = np.where(total[..., None] > 0, mean / np.maximum(total, 1)[..., None], 1.0)
    mean = np.where(mean > 0, mean, 1.0)
    return np.repeat(mean, level_slots, axis=1)


def _landscape(
    market: Market,
    days: DayBatch,
    worth: NDArray[np.float64],
    levels: NDArray[np.float64],
    price_curve: NDArray[np.float64],
    stride: int,
) -> BidLandscape:
    """Every `stride`-th auction of the training days, brought to unit level."""
    parts, segments, offset = [], [], 0
    for d, (day, values) in enumerate(_walk(market, days, worth)):
        pick = np.arange(offset, len(day.slot), stride)
        offset = (offset - len(day.slot)) % stride
        slot = day.slot[pick]
        unit = values[pick].copy()
        unit[:, :3] /= levels[d, slot, :3]
        unit[:, 3] /= levels[d, slot, PRICE_LEVEL] * price_curve[slot]
        parts.append(unit)
        segments.append(day.segment[pick])
    table = np.concatenate(parts)
    return BidLandscape(
        price=np.ascontiguousarray(table[:, 3]),
        value=np.ascontiguousarray(table[:, :3]),
        segment=np.concatenate(segments),
        weight=np.full(len(table), 1.0 / len(table)),
    )

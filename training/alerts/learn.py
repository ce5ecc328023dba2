"""Bands learnt from training days: what is usual, how far days go from it, and thresholds under one budget."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidBands
from bidpilot.bidding.landscape.calendar import WEEKDAYS
from bidpilot.bidding.watch.bands import COLUMNS, LEAST_OF_USUAL, NORMAL, WIDTH, Bands, all_features, residuals, scores
from bidpilot.bidding.watch.metrics import LEVELS, METRICS, NAMES, SILENT, Slots

RATE: Final = 0.05
"""Share of honest days with any alarm."""
TRAINING_DAYS: Final = 2048
"""Training days that bands are learnt from where nobody says."""
LEAST_DAYS: Final = 40
"""Training days below which no tail can be told."""
WEIGHTS: Final = {("requests", 1): 12.0, ("conversion silence", 0): 30.0}
"""Share of the false-alarm budget of a metric's side (0 above, 1 below) against that of others, which have 1 each. A
shock of traffic shows in requests alone, since a controller makes up for it; conversions are few."""
_TAILS: Final = (0.05, 0.005)
_FOLDS: Final = 8
_LEAST_SPREAD: Final = 0.01  # of a feature between its tails' quantiles, so that what never varied is no alarm at once
_SHRINK: Final = 2.0  # days of a weekday that its own level is weighed against none with


def learn(slots: Slots, weekday: NDArray[np.int64] | None = None, rate: float = RATE) -> Bands:
    """The bands of whole days; `weekday` (D,) of each, Monday 0, below 0 where it has none; None: no day has one.

    Thresholds come from days that the tails they are held against were not learnt from: each half is scored by the
    other. The day's greatest score of every metric is ranked among days, and `rate` of the days have one whose rank,
    against the metric's share of the budget, is among the highest.

    Raises:
        InvalidBands: too few days, or they are not over.
    """
    days, length = len(slots.budget), slots.length
    if days < LEAST_DAYS or slots.t < length:
        raise InvalidBands(
            f"bands need {LEAST_DAYS} whole days or more; got {days} with {slots.t} of {length} slots. Play more days."
        )
    levels = slots.levels()
    usual = _mean(levels)
    raised = np.log(np.maximum(levels, np.maximum(LEAST_OF_USUAL * usual, 1e-300)))
    centre = _mean(raised)
    effects, offset = _weekdays(raised - centre, weekday)
    unit = np.array(
        [
            _unit(slots.of("interactions_told"), slots.of("interaction")),
            _unit(slots.of("conversions_told"), slots.of("conversion")),
        ]
    )
    features = all_features(slots, residuals(levels, usual, centre, offset), unit).astype(np.float32)
    greatest = np.empty((2, days, len(NAMES)))
    fold = np.arange(days) % _FOLDS
    for k in range(_FOLDS):
        greatest[:, fold == k] = _greatest(features[fold == k], *_tails(features[fold != k]))
    inner, outer = _tails(features)
    return Bands(
        usual=usual,
        centre=centre,
        weekday=effects,
        unit=unit,
        inner=inner,
        outer=outer,
        threshold=thresholds(greatest, rate),
        budget=float(slots.budget.mean()),
        rate=rate,
        days=days,
    )


def thresholds(greatest: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """(2, M) thresholds under one budget, from the greatest scores (2, D, M) of days; infinite where not watched."""
    days = greatest.shape[1]
    found = np.full((2, len(NAMES)), np.inf)
    sides = [(side, m) for m, metric in enumerate(METRICS) for side in (0, 1) if metric.sides[side] is not None]
    weight = np.array([WEIGHTS.get((NAMES[m], side), 1.0) for side, m in sides])
    own = np.stack([greatest[side, :, m] for side, m in sides], axis=1)  # (D, K)
    as_high = np.stack([days - np.searchsorted(np.sort(column), column) for column in own.T], axis=1)  # (D, K) days
    strain = (as_high / weight).min(axis=1)  # (D,) the least is the strangest day
    alarmed = max(int(rate * days), 1)
    most = np.sort(strain)[alarmed - 1] * weight  # (K,) days that each metric may alarm on
    for (side, m), column, allowed in zip(sides, own.T, most, strict=True):
        down = np.sort(column)[::-1]
        whole = int(np.clip(allowed, 0, days - 2))
        found[side, m] = (down[max(whole - 1, 0)] + down[whole]) / 2 if whole else down[0] + 0.1
        found[side, m] = max(found[side, m], NORMAL[1])
    return found


def _mean(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, L) mean over days, of slots that tell something; 0 where none does."""
    known = ~np.isnan(levels)
    mean: NDArray[np.float64] = np.where(known, levels, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return mean


def _weekdays(
    residual: NDArray[np.float64], weekday: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What weekdays add (7, L), and the same for each day (D, 1, L)."""
    effects = np.zeros((WEEKDAYS, len(LEVELS)))
    if weekday is None:
        return effects, np.zeros((1, 1, len(LEVELS)))
    of_day = np.nanmean(residual, axis=1)
    for k in range(WEEKDAYS):
        own = weekday == k
        if own.any():
            effects[k] = np.nan_to_num(of_day[own]).sum(axis=0) / (own.sum() + _SHRINK)
    return effects, np.where(weekday[:, None] >= 0, effects[weekday], 0.0)[:, None]


def _unit(told: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """What one event counts for: the variance of what is told over its mean, as of a Poisson law of events."""
    mean = predicted.sum()
    return float(max(((told - predicted) ** 2).sum() / mean, 1e-9)) if mean > 0 else 1.0


def _tails(features: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(2, T, F) quantiles of days at the tails' two ends, above and below; those of silence over all slots as one."""
    days, slots, _ = features.shape
    levels = [1.0 - max(_TAILS[0], 10 / days), 1.0 - max(_TAILS[1], 1 / days)]
    found = np.empty((2, 2, slots, WIDTH))
    for name, columns in COLUMNS.items():
        own = features[..., columns]
        if name in (metric.name for metric in SILENT):
            own = np.broadcast_to(own.reshape(1, -1, own.shape[-1]).swapaxes(0, 1), (days * slots, 1, own.shape[-1]))
        own = np.sort(own, axis=0)  # those that do not fit are not numbers, and last
        if np.isnan(own[-1]).any():
            own = np.where(np.isnan(own).all(axis=0), 0.0, own)
        n = len(own) - 1
        for k, level in enumerate(levels):
            at = round(level * n)
            found[k, 0, :, columns] = own[at]
            found[k, 1, :, columns] = -own[n - at]
    inner, outer = found
    return inner, np.maximum(outer, inner + _LEAST_SPREAD)


def _greatest(
    features: NDArray[np.float32], inner: NDArray[np.float64], outer: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(2, D, M) each day's greatest score of every metric."""
    found = np.empty((2, len(features), len(NAMES)))
    for m, name in enumerate(NAMES):
        columns = COLUMNS[name]
        own = scores(features[..., columns].astype(np.float64), inner[..., columns], outer[..., columns])
        found[:, :, m] = own.max(axis=(2, 3))
    return found

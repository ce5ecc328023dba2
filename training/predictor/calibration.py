"""Judges rates on days that they were not learned from: what was expected of exposures, and what they brought."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from bidpilot.bidding.kpi import KPI
from bidpilot.serving.prediction.rates import Rates
from bidpilot.training.predictor.credibility import Column
from bidpilot.training.predictor.tallies import Tallies

BINS = 10
_Z = 1.96  # of an interval of 95 in a hundred


class Bin(TypedDict):
    """Exposures of which about as much was expected."""

    count: int
    expected: float  # of an exposure
    brought: float
    low: float  # of what it brought, 95 in a hundred
    high: float


class Judged(TypedDict):
    """One KPI on the days that were held out; the keys are those of the JSON file."""

    kpi: str
    exposures: int
    expected: float  # of all exposures, by the rates
    brought: float
    ratio: float | None  # brought over expected: 1 is right; None where nothing was expected
    low: float | None  # of the ratio, 95 in a hundred
    high: float | None
    ratio_before: float | None  # the same for what the server expected when it bid
    slope: float | None  # of what exposures brought over what was expected of them; None where all is alike
    error: float  # mean square error of an exposure
    error_of_all: float  # the same where each is expected to bring what all do
    bins: list[Bin]  # from the least expected to the most


def judge(rates: Rates, held: Tallies) -> list[Judged]:
    """How the rates do on held-out days, by KPI."""
    cells = zip(held.source.tolist(), held.format, held.hour.tolist(), strict=True)
    expected = np.array([rates(*cell) for cell in cells])
    return [_judge(kpi, expected[:, kpi], held, rates.file.all[kpi]) for kpi in range(3)]


def _judge(kpi: int, expected: Column, held: Tallies, of_all: float) -> Judged:
    n, total, square = held.count, held.total[:, kpi], held.square[:, kpi]
    whole = n.sum()
    hoped, brought, before = float(n @ expected), float(total.sum()), float(held.predicted[:, kpi].sum())
    doubt = _Z * _deviation(total, square, n)
    return Judged(
        kpi=KPI[kpi],
        exposures=int(whole),
        expected=hoped,
        brought=brought,
        ratio=_ratio(brought, hoped),
        low=_ratio(max(brought - doubt, 0.0), hoped),
        high=_ratio(brought + doubt, hoped),
        ratio_before=_ratio(brought, before),
        slope=_slope(expected, total / n, n),
        error=_error(expected, total, square, n),
        error_of_all=_error(np.full_like(expected, of_all), total, square, n),
        bins=_bins(expected, total, square, n),
    )


def _bins(expected: Column, total: Column, square: Column, n: Column) -> list[Bin]:
    """Cells by what is expected of them, in bins of about as many exposures; those of equal rates share one."""
    order = np.argsort(expected, kind="stable")
    starts = np.unique(expected[order], return_index=True)[1]
    sizes = np.add.reduceat(n[order], starts)
    middle = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    place = np.repeat(np.minimum((middle * BINS).astype(int), BINS - 1), np.diff([*starts, len(order)]))
    found = []
    for k in np.unique(place):
        here = order[place == k]
        count = n[here].sum()
        mean, doubt = total[here].sum() / count, _Z * _deviation(total[here], square[here], n[here]) / count
        found.append(
            Bin(
                count=int(count),
                expected=float(n[here] @ expected[here] / count),
                brought=float(mean),
                low=float(max(mean - doubt, 0.0)),
                high=float(mean + doubt),
            )
        )
    return found


def _deviation(total: Column, square: Column, n: Column) -> float:
    """Standard deviation of a sum of outcomes; of none that happened as if one had."""
    count = n.sum()
    spread = float(square.sum() - total.sum() ** 2 / count)
    return max(spread, 0.0) ** 0.5 if total.sum() > 0 else 1.0


def _slope(expected: Column, mean: Column, n: Column) -> float | None:
    centred = expected - np.average(expected, weights=n)
    spread = float(n @ centred**2)
    return float(n @ (centred * mean)) / spread if spread > 1e-18 * float(n.sum()) else None


def _error(expected: Column, total: Column, square: Column, n: Column) -> float:
    return float((square - 2 * expected * total + n * expected**2).sum() / n.sum())


def _ratio(a: float, b: float) -> float | None:
    return a / b if b > 0 else None

"""From tallies to the file that a bid server reads."""

from __future__ import annotations

import math

import numpy as np

from bidpilot.bidding.kpi import KPI
from bidpilot.serving.collector import Value
from bidpilot.serving.prediction.rates import Cell, RatesFile
from bidpilot.serving.prediction.values import MOST_VALUE
from bidpilot.training.predictor.credibility import Column, fit
from bidpilot.training.predictor.tallies import Tallies

_MOST = np.array([1.0, MOST_VALUE, 1.0])


def rates_of(found: Tallies, days: list[str]) -> RatesFile:
    """The rates of some days.

    Args:
        found: what their exposures sum to.
        days: their dates, in order.
    """
    sources = int(found.source.max()) + 1
    guess = found.predicted.sum(axis=0) / found.exposures
    fits = [fit(found.of(kpi), sources, float(guess[kpi])) for kpi in range(3)]
    known = np.unique(found.source).tolist()
    of_source, of_cell = (np.stack([getattr(f, name) for f in fits], axis=1) for name in ("source", "cell"))
    return RatesFile(
        sources=sources,
        days=len(days),
        first=days[0],
        last=days[-1],
        wins=found.exposures,
        strength={
            kpi: {"source": _told(f.source_strength), "cell": _told(f.cell_strength)}
            for kpi, f in zip(KPI, fits, strict=True)
        },
        all=_rate(np.array([f.all for f in fits])),
        source={source: _rate(of_source[source]) for source in known},
        cells=tuple(
            Cell(source=source, format=format, hour=hour, rate=_rate(rate))
            for source, format, hour, rate in zip(
                found.source.tolist(), found.format, found.hour.tolist(), of_cell, strict=True
            )
        ),
    )


def _rate(rate: Column) -> Value:
    exposure, interaction, conversion = np.clip(rate, 0.0, _MOST).tolist()
    return exposure, interaction, conversion


def _told(strength: float) -> float | None:
    return strength if math.isfinite(strength) else None

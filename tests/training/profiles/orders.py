"""Exposures whose orders are drawn from a known worth of KPIs and events."""

from __future__ import annotations

import numpy as np

from bidpilot.training.profiles.evidence import Evidence
from bidpilot.training.roi.intervals import Array
from bidpilot.training.roi.purchases import Valued

WORTH = np.array([0.02, 0.3, 10.0])
"""Order value of one of each KPI, currency."""
_ORDER = 8.0  # mean worth of an order, currency


def orders(seed: int, days: int = 60, each: int = 500, worth: Array = WORTH) -> Evidence:
    """Poisson orders of log-normal worth, whose mean is what each exposure's KPIs are worth at a day's level."""
    rng, n = np.random.default_rng(seed), days * each
    day = np.repeat(np.arange(days), each)
    kpi = np.stack(
        [rng.uniform(0.2, 1.0, n), rng.lognormal(-1.5, 0.8, n), rng.lognormal(-4.0, 0.8, n).clip(0, 1)], axis=1
    )
    level = rng.lognormal(-0.02, 0.2, days)[day]
    converted = rng.poisson(kpi @ worth * level / _ORDER).astype(np.float64)
    return Evidence(
        days=tuple(f"unit {k}" for k in range(days)),
        day=day,
        kpi=kpi,
        converted=converted,
        value=converted * _ORDER * rng.lognormal(-0.125, 0.5, n),
        funnel=None,
        valued=Valued.orders,
    )

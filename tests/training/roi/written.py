"""Purchases that are written by hand."""

from __future__ import annotations

import numpy as np

from bidpilot.training.roi.purchases import Purchases, Valued

SEGMENTS = ("feed/head", "feed/tail", "search/head")


def drawn(days: int = 10, each: int = 300, seed: int = 0, worth: tuple[float, ...] = (10.0, 10.0, 10.0)) -> Purchases:
    """Days with as many exposures each, a tenth of which convert; an order of segment s is worth `worth[s]`."""
    rng, n = np.random.default_rng(seed), days * each
    segment = rng.integers(0, len(SEGMENTS), n)
    converted = (rng.random(n) < 0.1).astype(np.float64)
    return Purchases(
        name="drawn",
        days=tuple(f"2026-03-{1 + day:02d}" for day in range(days)),
        budget=np.full(days, float(each)),
        slots=4,
        segments=SEGMENTS,
        day=np.repeat(np.arange(days), each),
        slot=rng.integers(0, 4, n),
        segment=segment,
        source=rng.integers(0, 3, n) * 7,
        cost=rng.uniform(0.5, 1.5, n),
        kpi=np.stack([np.full(n, 0.5), np.full(n, 0.2), np.full(n, 0.1)], axis=1),
        interacted=rng.poisson(0.2, n).astype(np.float64),
        converted=converted,
        value=converted * np.array(worth)[segment] * rng.uniform(0.8, 1.2, n),
        valued=Valued.orders,
        funnel=rng.integers(0, 2, (n, 7)),
        invalid=rng.random(n) < 0.05,
    )

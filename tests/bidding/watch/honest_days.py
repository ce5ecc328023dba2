"""Days whose law is known: requests by a curve in blocks of levels, Poisson; wins, money and outcomes in proportion."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.watch.bands import Bands
from bidpilot.bidding.watch.metrics import Slots
from bidpilot.training.alerts.learn import learn

SLOTS, BLOCK, BUDGET = 24, 4, 50.0
CURVE = 150.0 + 80.0 * np.sin(2 * np.pi * np.arange(SLOTS) / SLOTS)


def day(
    generator: np.random.Generator, days: int, traffic: NDArray[np.float64] | float = 1.0, told: bool = True
) -> list[SlotTotals]:
    """Totals of `days` days, slot by slot; `traffic` (T,) or (D, T) multiplies requests."""
    level = np.repeat(generator.uniform(0.7, 1.3, (days, SLOTS // BLOCK)), BLOCK, axis=1)
    auctions = generator.poisson(CURVE * level * traffic)
    wins = generator.binomial(auctions, 0.2)
    found = []
    for t in range(SLOTS):
        totals = SlotTotals.zeros(days, 1, 2)
        totals.auctions[:] = auctions[:, t]
        totals.wins[:] = wins[:, t]
        totals.spend[:] = 0.05 * wins[:, t]
        totals.predicted[:] = wins[:, t, None] * np.array([0.5, 0.3, 0.02])
        if told:
            totals.realised[:, 1] = 2.0 * generator.poisson(totals.predicted[:, 1] / 2.0)
            totals.realised[:, 2] = generator.poisson(totals.predicted[:, 2])
        found.append(totals)
    return found


def slots_of(totals: list[SlotTotals], budget: float = BUDGET) -> Slots:
    """Whole days."""
    slots = Slots(np.full(len(totals[0].auctions), budget), len(totals))
    for one in totals:
        slots.close(one)
    return slots


@cache
def honest_bands() -> Bands:
    """Bands of such days."""
    return learn(slots_of(day(np.random.default_rng(1), 600)))

"""Facts about beliefs: they weigh data by its variance."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.day.beliefs import posterior
from bidpilot.bidding.landscape.spread import TINY


def beliefs(variance: tuple[float, float, float], **seen: float) -> tuple[float, float, float]:
    values = {"day_sum": 0.0, "seen": 0.0, "blocks": 0.0, "block_sum": 0.0, "block_seen": 0.0} | seen
    arrays = {name: np.full((3, 1), value) for name, value in values.items()}
    got = posterior(tuple(np.full((3, 1), v) for v in variance), **arrays)
    return float(got.day[0, 0]), float(got.block[0, 0]), float(got.trust[0, 0])


def test_before_anything_is_seen_the_forecast_stands() -> None:
    assert beliefs((1.0, 1.0, 1.0)) == (0.0, 0.0, 0.0)


def test_beliefs_are_the_posterior_means_of_the_normal_model() -> None:
    """Variances 1, 1, 1: after 2 slots of level 0.5 in one block, noise of their mean is 1 + 1/2."""
    day, block, trust = beliefs((1.0, 1.0, 1.0), day_sum=1.0, seen=2.0, blocks=1.0, block_sum=1.0, block_seen=2.0)
    assert trust == pytest.approx(1 / 2.5)
    assert day == pytest.approx(0.5 / 2.5)
    assert block == pytest.approx(day + 1 / 1.5 * (0.5 - day))


def test_a_new_block_is_believed_as_the_day() -> None:
    day, block, _ = beliefs((1.0, 2.0, 0.1), day_sum=8.0, seen=8.0, blocks=1.0)
    assert block == day
    assert 0 < day < 1.0


def test_certain_data_is_believed_and_noise_is_not() -> None:
    seen = {"day_sum": 8.0, "seen": 8.0, "blocks": 2.0, "block_sum": 4.0, "block_seen": 4.0}
    assert beliefs((1.0, TINY, TINY), **seen)[0] == pytest.approx(1.0, rel=1e-6)
    assert beliefs((TINY, TINY, 1.0), **seen)[1] == pytest.approx(0.0, abs=1e-6)

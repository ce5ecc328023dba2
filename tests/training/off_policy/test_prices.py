"""What the landscape says of unseen prices agrees with itself, and with the levels that wins show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.training.off_policy.prices import POINTS, LandscapePrices, fit_prices
from bidpilot.training.off_policy.served import ServedLog
from bidpilot.training.off_policy.simulated import Ground


def uniform(size: int, scale: float = 1.0) -> LandscapePrices:
    """Prices of 0 to 1 in the first group, and of 0 to 2 in the second, times `scale`."""
    points = np.log((np.arange(POINTS) + 0.5) / POINTS)
    cell = np.arange(size) % 2
    return LandscapePrices(np.stack([points, points + np.log(2.0)]), cell, np.full(size, np.log(scale)))


def test_expected_wins_and_cost_are_those_of_the_groups_prices() -> None:
    model = uniform(2, scale=3.0)
    found = model.given(np.zeros(2), np.full(2, 1.5))
    assert found[:, 0] == pytest.approx([0.5, 0.25])
    assert found[:, 1] == pytest.approx([0.5 * 0.75, 0.25 * 0.75], rel=1e-3)
    # of prices above 1.5, one in 1.5 of the first, uniform to 3, lies below 2.5
    found = model.given(np.full(2, 1.5), np.full(2, 2.5))
    assert found[:, 0] == pytest.approx([1 / 1.5, 1 / 4.5], abs=0.02)
    assert model.given(np.full(2, 2.0), np.full(2, 1.0)).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert model.given(np.full(2, 9.0), np.full(2, 10.0)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_prices_are_drawn_above_their_bound_as_often_as_they_are_expected() -> None:
    size = 40_000
    rng = np.random.default_rng(0)
    model, above = uniform(size), np.full(size, 0.5)
    price = model.draw(above, rng.random(size))
    assert (price > above).all()
    assert (price <= 1.2).mean() == pytest.approx(model.given(above, np.full(size, 1.2))[:, 0].mean(), abs=0.01)
    beyond = model.draw(np.full(size, 4.0), rng.random(size))  # above all that there is
    assert (beyond.astype(np.float32) > np.float32(4.0)).all()
    assert beyond.mean() == pytest.approx(5.0, rel=0.05)


def test_levels_of_prices_are_learnt_from_wins_and_losses(ground: Ground, plain: ServedLog) -> None:
    """With all money 1.6 times as much, prices are believed to be that much higher, nearly."""
    before = fit_prices(ground.forecast, plain)
    factor = 1.6
    tries = plain.tries._replace(levels=factor * plain.tries.levels, price=factor * plain.tries.price)
    dearer = fit_prices(ground.forecast, replace(plain, tries=tries, cost=factor * plain.cost))
    moved = (dearer.belief @ dearer.levels - before.belief @ before.levels).mean()
    assert moved == pytest.approx(np.log(factor), abs=0.15)
    np.testing.assert_allclose(before.belief.sum(axis=1), 1.0)


def test_the_model_expects_about_the_wins_that_there_were(ground: Ground, plain: ServedLog) -> None:
    prices = fit_prices(ground.forecast, plain)
    expected = prices.mean.given(np.zeros(len(plain.won)), plain.tries.made)
    assert expected[:, 0].sum() == pytest.approx(plain.won.sum(), rel=0.15)
    assert expected[:, 1].sum() == pytest.approx(plain.cost.sum(), rel=0.2)
    drawn = prices.drawn(np.random.default_rng(0))
    assert drawn.scale.mean() == pytest.approx(prices.mean.scale.mean(), abs=0.1)
    assert not np.array_equal(drawn.scale, prices.mean.scale)

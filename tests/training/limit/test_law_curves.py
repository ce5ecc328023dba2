"""Facts about curves of a law: they are means over every auction, at the edges of bins exactly."""

from __future__ import annotations

import numpy as np

from bidpilot.training.limit.law_curves import GAIN, SPEND, LogColumns, at_ratios, law_curves

RNG = np.random.default_rng(0)
N = 4000
COLUMNS = LogColumns(
    price=RNG.lognormal(size=N).astype(np.float32),
    predicted=RNG.lognormal(size=(N, 3)).astype(np.float32),
    true=RNG.lognormal(size=(N, 2)).astype(np.float32),
)


def test_spend_and_gain_are_means_over_the_auctions_that_a_bid_wins() -> None:
    directions, level = np.array([[1.0, 1.0, 1.0], [1.0, 0.5, 2.0]]), 1.7
    curves = law_curves(COLUMNS, directions, level)
    price, gain = COLUMNS.price, COLUMNS.true[:, 0] + level * COLUMNS.true[:, 1]
    for d, direction in enumerate(directions):
        bid = COLUMNS.predicted @ (direction * np.array([1.0, level, level]))
        for ratio in (0.125, 0.5, 1.0, 1.25, 2.0):  # edges of bins
            won = ratio * bid > price
            told = [at_ratios(curves[d, kind], np.array([ratio]))[0] for kind in (SPEND, GAIN)]
            np.testing.assert_allclose(told, [price[won].sum() / N, gain[won].sum() / N], rtol=1e-5)


def test_between_edges_a_curve_rises_from_one_to_the_other() -> None:
    curve = law_curves(COLUMNS, np.ones((1, 3)), 1.0)[0, SPEND]
    low, between, high = at_ratios(curve, np.array([1.0, 1.0 + 1 / 128, 1.0 + 1 / 64]))
    np.testing.assert_allclose(between, (low + high) / 2)
    assert low < high

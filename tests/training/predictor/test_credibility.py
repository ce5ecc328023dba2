"""Hierarchical shrinkage: nothing where all is alike, much where it is not, and right on average."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bidpilot.training.predictor.credibility import Fitted, Tally, fit


def tally(source: list[int], count: list[float], mean: list[float], within: float = 0.0) -> Tally:
    n, m = np.array(count, float), np.array(mean, float)
    return Tally(np.array(source), n, n * m, n * m**2 + np.maximum(n - 1, 0) * within)


def test_buehlmann_and_straubs_estimator_by_hand() -> None:
    """Two sources of one cell each: no cell differs from its source, and sources differ by what is left of chance.

    Variance within 1; 100 exposures each, means 1 and 2. Around 1.5 the sum of squares is 50, chance makes 1 of it, and
    the spare is 200 - (100^2 + 100^2) / 200 = 100: 0.49 between. A source weighs 100 / (100 + 1 / 0.49).
    """
    found = fit(tally([0, 1], [100, 100], [1.0, 2.0], within=100 * 2 / (99 * 2) * 0.99), 2, 0.0)
    weight = 100 / (100 + 1 / 0.49)
    assert found.cell_strength == math.inf
    assert found.source_strength == pytest.approx(1 / 0.49, rel=1e-2)
    np.testing.assert_allclose(found.source, [1.5 - weight / 2, 1.5 + weight / 2], rtol=1e-3)
    np.testing.assert_allclose(found.cell, found.source)


def test_where_chance_explains_all_differences_there_is_one_rate() -> None:
    found = fit(tally([0, 0, 1, 1], [10, 10, 10, 10], [1.0, 1.1, 0.9, 1.0], within=5.0), 3, 0.0)
    assert (found.source_strength, found.cell_strength) == (math.inf, math.inf)
    np.testing.assert_allclose(found.cell, 1.0)
    np.testing.assert_allclose(found.source, 1.0)


def test_where_nothing_is_chance_each_cell_speaks_for_itself() -> None:
    found = fit(tally([0, 0, 1, 1], [50, 50, 50, 50], [1.0, 2.0, 5.0, 7.0]), 2, 0.0)
    np.testing.assert_allclose(found.cell, [1.0, 2.0, 5.0, 7.0], rtol=1e-6)


def test_a_source_that_is_not_known_has_the_rate_of_all() -> None:
    found = fit(tally([0, 2], [1000, 1000], [0.1, 0.3], within=0.2), 4, 0.0)
    assert found.source[1] == found.source[3] == found.all


def test_what_was_thought_before_weighs_as_one_event() -> None:
    """Of ten exposures none brought anything; it was thought that one in a hundred does."""
    found = fit(tally([0], [10], [0.0]), 1, 0.01)
    assert found.all == pytest.approx(1 / 110)
    assert fit(tally([0], [10**6], [0.0]), 1, 0.01).all == pytest.approx(1e-6, rel=1e-3)


cells = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 10_000), st.floats(0, 100), st.floats(0, 10)), min_size=1, max_size=40
)


@settings(max_examples=100, deadline=None)
@given(cells, st.floats(0, 1))
@example([(0, 1, 0.0, 0.0), (1, 1, 1.0, 0.0)], 0.0)  # outcomes of a cell never differ, and three sources are unseen
def test_rates_lie_between_what_is_known_and_what_is_around_it(
    drawn: list[tuple[int, int, float, float]], guess: float
) -> None:
    source, count, mean, within = (list(column) for column in zip(*drawn, strict=True))
    found = fit(tally(source, count, mean, max(within)), 5, guess)
    everything = np.concatenate([found.cell, found.source, [found.all]])
    assert np.isfinite(everything).all()
    assert (everything >= 0).all()
    low, high = min(*mean, found.all), max(*mean, found.all)
    assert (everything >= low - 1e-9 * (1 + high)).all()
    assert (everything <= high + 1e-9 * (1 + high)).all()


def hierarchy(seed: int) -> tuple[Fitted, Tally, np.ndarray]:
    """Thirty sources of twenty cells whose rates are drawn as the model says, with few exposures each."""
    rng = np.random.default_rng(seed)
    sources, of = 30, 20
    rate = np.maximum(rng.normal(0.3, 0.1, (sources, 1)) + rng.normal(0, 0.05, (sources, of)), 0.01).ravel()
    source, n = np.repeat(np.arange(sources), of), rng.integers(1, 40, sources * of)
    draws = [rng.poisson(r, k) for r, k in zip(rate, n, strict=True)]
    total, square = (np.array([float((y**p).sum()) for y in draws]) for p in (1, 2))
    found = Tally(source, n.astype(float), total, square)
    return fit(found, sources, 0.0), found, rate


def test_rates_are_calibrated_and_nearer_to_the_truth_than_counts_or_sources_alone() -> None:
    slopes, better = [], []
    for seed in range(20):
        found, told, rate = hierarchy(seed)
        n = told.count
        centred = found.cell - np.average(found.cell, weights=n)
        slopes.append(float((n @ (centred * rate)) / (n @ centred**2)))
        error = [np.average((r - rate) ** 2, weights=n) for r in (found.cell, told.mean, found.source[told.source])]
        better.append((error[0] < error[1], error[0] < error[2] * 1.02))
    assert np.mean(slopes) == pytest.approx(1.0, abs=0.05)
    assert np.mean(better, axis=0).min() > 0.9

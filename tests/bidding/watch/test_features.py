"""Windows of a day's slots, by hand and against the plain definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bidpilot.bidding.watch.features import CHANGES, WINDOWS, level_features, shape, silence, told_features

RESIDUALS = arrays(np.float64, (2, 24), elements=st.floats(-3.0, 3.0))


@settings(max_examples=20)
@given(RESIDUALS)
def test_a_level_is_the_mean_of_its_window_and_a_change_what_it_has_over_the_slots_before(
    residual: np.ndarray,
) -> None:
    found = level_features(residual)
    for t in range(24):
        for k, window in enumerate(WINDOWS):
            own = residual[:, t - window + 1 : t + 1].mean(axis=1) if t + 1 >= window else np.full(2, np.nan)
            np.testing.assert_allclose(found[:, t, k], own, atol=1e-12)
        for k, (after, before) in enumerate(CHANGES, len(WINDOWS)):
            if t + 1 < after + before:
                assert np.isnan(found[:, t, k]).all()
                continue
            first = t + 1 - after
            own = residual[:, first : t + 1].mean(axis=1) - residual[:, first - before : first].mean(axis=1)
            np.testing.assert_allclose(found[:, t, k], own, atol=1e-12)


@settings(max_examples=40)
@given(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0), st.integers(1, 23))
def test_a_day_with_one_step_has_no_shape(before: float, after: float, onset: int) -> None:
    residual = np.where(np.arange(24) < onset, before, after)[None]
    found = shape(residual)[0, :, 0]
    np.testing.assert_allclose(found[~np.isnan(found)], 0.0, atol=1e-6)


def test_a_mirrored_curve_has_the_shape_that_a_step_does_not_explain() -> None:
    residual = np.sin(2 * np.pi * np.arange(24) / 12)[None]  # up, down, up, down
    best = min(
        np.concatenate([part - part.mean() for part in (residual[0, :c], residual[0, c:])]).std() for c in range(1, 24)
    )
    np.testing.assert_allclose(shape(residual)[0, -1, 0], best)


def test_slots_that_are_not_asked_for_change_no_other() -> None:
    residual = np.random.default_rng(0).normal(size=(3, 24))
    np.testing.assert_array_equal(shape(residual, since=20)[:, 20:], shape(residual)[:, 20:])


def test_silence_counts_what_was_predicted_since_the_slot_that_told_last() -> None:
    told = np.array([[0.0, 2.0, 0.0, 0.0, 1.0, 0.0]])
    predicted = np.array([[1.0, 1.0, 0.5, 0.25, 2.0, 4.0]])
    np.testing.assert_allclose(silence(told, predicted)[0, :, 0], [1.0, 0.0, 0.5, 0.75, 0.0, 4.0])


def test_a_rate_of_told_to_predicted_is_drawn_towards_one_by_its_prior() -> None:
    told, predicted = np.full((1, 24), 2.0), np.full((1, 24), 1.0)
    found = told_features(told, predicted)
    np.testing.assert_allclose(found[0, -1], np.log([(8 + 4) / (4 + 4), 20 / 12, 36 / 20, 52 / 28]))
    assert np.isnan(found[0, 2, 0])
    assert not np.isnan(found[0, 0, -1])

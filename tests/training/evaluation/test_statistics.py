"""The bootstrap resamples whole units, and is the same as drawing them one by one."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import trim_mean

from bidpilot.training.evaluation.statistics import interquartile_mean, interval


def one_by_one(
    values: NDArray[np.float64], units: NDArray[np.int64], generator: np.random.Generator, trim: float
) -> list[float]:
    members = [np.flatnonzero(units == u) for u in np.unique(units)]
    picks = generator.integers(len(members), size=(2000, len(members)))
    means = [trim_mean(np.concatenate([values[members[k]] for k in row]), trim) for row in picks]
    return [float(q) for q in np.quantile(means, [0.025, 0.975])]


@pytest.mark.parametrize("trim", [0.0, 0.25])
@pytest.mark.parametrize("units", [np.arange(40), np.repeat([7, 2, 5, 9, 1], [3, 12, 1, 8, 16])])
def test_the_interval_is_that_of_units_drawn_one_by_one(units: NDArray[np.int64], trim: float) -> None:
    values = np.random.default_rng(3).normal(size=40)
    values[5:9] = values[4]  # ties
    found = interval(values, units, np.random.default_rng(1), trim)
    np.testing.assert_allclose(found, one_by_one(values, units, np.random.default_rng(1), trim), rtol=0, atol=1e-12)


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30), st.integers(1, 5))
def test_an_interval_lies_within_the_values_and_is_in_order(values: list[float], groups: int) -> None:
    days = np.array(values)
    low, high = interval(days, np.arange(len(days)) % groups, np.random.default_rng(0))
    assert days.min() - 1e-12 <= low <= high <= days.max() + 1e-12


def test_days_that_share_a_unit_are_worth_one_day() -> None:
    rng = np.random.default_rng(0)
    level = rng.normal(size=20)
    alone = interval(level, np.arange(20), np.random.default_rng(2))
    copied = interval(np.repeat(level, 10), np.repeat(np.arange(20), 10), np.random.default_rng(2))
    mistaken = interval(np.repeat(level, 10), np.arange(200), np.random.default_rng(2))
    np.testing.assert_allclose(copied, alone, atol=1e-12)
    assert mistaken[1] - mistaken[0] < 0.5 * (copied[1] - copied[0])


def test_the_interquartile_mean_is_that_of_the_middle_half() -> None:
    assert interquartile_mean(np.array([-100.0, 1.0, 2.0, 100.0])) == 1.5


def test_grouped_days_take_no_longer_than_a_few_times_single_ones() -> None:
    values = np.random.default_rng(0).random(512)

    def took(units: NDArray[np.int64]) -> float:
        begin = time.perf_counter()
        interval(values, units, np.random.default_rng(0))
        return time.perf_counter() - begin

    took(np.arange(512))
    assert min(took(np.arange(512) // 4) for _ in range(3)) < 4 * min(took(np.arange(512)) for _ in range(3))

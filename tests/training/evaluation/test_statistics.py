"""Intervals count whole units: many are drawn one by one, few are left out one by one."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import trim_mean

from bidpilot.training.evaluation.statistics import FEW, interquartile_mean, interval


def one_by_one(
    values: NDArray[np.float64], units: NDArray[np.int64], generator: np.random.Generator, trim: float
) -> list[float]:
    members = [np.flatnonzero(units == u) for u in np.unique(units)]
    picks = generator.integers(len(members), size=(2000, len(members)))
    means = [trim_mean(np.concatenate([values[members[k]] for k in row]), trim) for row in picks]
    return [float(q) for q in np.quantile(means, [0.025, 0.975])]


@pytest.mark.parametrize("trim", [0.0, 0.25])
@pytest.mark.parametrize("units", [np.arange(160), np.repeat(np.arange(FEW) * 7 % FEW, np.arange(FEW) % 5 + 1)])
def test_many_units_are_drawn_one_by_one(units: NDArray[np.int64], trim: float) -> None:
    values = np.random.default_rng(3).normal(size=len(units))
    values[5:9] = values[4]  # ties
    found = interval(values, units, np.random.default_rng(1), trim)
    assert found is not None
    np.testing.assert_allclose(found, one_by_one(values, units, np.random.default_rng(1), trim), rtol=0, atol=1e-12)


def test_few_units_have_student_s_t_over_the_jackknife() -> None:
    # of a plain mean the jackknife error is the standard error: 1, 2, 6 have variance 7, and t(2) is 4.30265273
    found = interval(np.array([6.0, 1.0, 2.0]), np.arange(3), np.random.default_rng(0), trim=0.0)
    reach = 4.30265273 * np.sqrt(7 / 3)
    assert found == pytest.approx((3 - reach, 3 + reach), rel=1e-8)


def test_what_trimming_cuts_costs_degrees_of_freedom() -> None:
    # of 1, 2, 4, 8 the middle two are kept, mean 3; without one of them all are: 14/3, 13/3, 11/3, 7/3, whose squared
    # deviations sum to 115/36; two units kept would leave one degree of freedom, and two are the least
    found = interval(np.array([1.0, 2.0, 4.0, 8.0]), np.arange(4), np.random.default_rng(0))
    reach = 4.30265273 * np.sqrt(3 / 4 * 115 / 36)
    assert found == pytest.approx((3 - reach, 3 + reach), rel=1e-8)
    # of eight units four are kept: t(3) is 3.18244631
    values, rest = np.arange(8.0) ** 2, []
    for k in range(8):
        rest.append(trim_mean(np.delete(values, k), 0.25))
    error = np.sqrt(7 / 8 * np.square(rest - np.mean(rest)).sum())
    low, high = interval(values, np.arange(8), np.random.default_rng(0)) or (0.0, 0.0)
    assert high - low == pytest.approx(2 * 3.18244631 * error, rel=1e-8)


def test_a_unit_is_left_out_whole_however_many_days_it_has() -> None:
    units = np.repeat([7, 2, 5, 9], [3, 12, 1, 8])
    values = np.random.default_rng(1).normal(size=len(units))
    rest = [trim_mean(values[units != u], 0.25) for u in (7, 2, 5, 9)]
    error = np.sqrt(3 / 4 * np.square(rest - np.mean(rest)).sum())
    low, high = interval(values, units, np.random.default_rng(0)) or (0.0, 0.0)
    assert (low + high) / 2 == pytest.approx(interquartile_mean(values))
    assert high - low == pytest.approx(2 * 4.30265273 * error, rel=1e-8)


@pytest.mark.parametrize("units", [[0], [0, 0, 0, 0], [0, 1], [0, 0, 1, 1, 1, 1]])
def test_two_units_have_no_interval(units: list[int]) -> None:
    assert interval(np.arange(len(units), dtype=float), np.array(units), np.random.default_rng(0)) is None


@pytest.mark.parametrize(("units", "resampled"), [(FEW - 1, False), (FEW, True)])
def test_the_method_follows_the_number_of_units_alone(units: int, resampled: bool) -> None:
    values = np.random.default_rng(0).normal(size=4 * units)
    one, other = (interval(values, np.arange(4 * units) % units, np.random.default_rng(seed)) for seed in (1, 2))
    assert (one != other) is resampled


@given(st.lists(st.floats(0.0, 1.0), min_size=5, max_size=200), st.integers(3, 150))
def test_an_interval_is_in_order_and_holds_the_mean_of_few_units(values: list[float], groups: int) -> None:
    days = np.array(values)
    found = interval(days, np.arange(len(days)) % groups, np.random.default_rng(0))
    assert found is not None
    low, high = found
    assert low <= high
    if min(groups, len(days)) < FEW:
        assert low - 1e-12 <= interquartile_mean(days) <= high + 1e-12
    else:
        assert days.min() - 1e-12 <= low <= high <= days.max() + 1e-12


@pytest.mark.parametrize("units", [20, 120])
def test_days_that_share_a_unit_are_worth_one_day(units: int) -> None:
    level, trim = np.random.default_rng(0).normal(size=units), 0.0
    alone = interval(level, np.arange(units), np.random.default_rng(2), trim)
    copied = interval(np.repeat(level, 10), np.repeat(np.arange(units), 10), np.random.default_rng(2), trim)
    mistaken = interval(np.repeat(level, 10), np.arange(10 * units), np.random.default_rng(2), trim)
    assert alone is not None
    assert copied is not None
    assert mistaken is not None
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

"""Intervals of days to come: closed forms, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.training.simulate.intervals import change, mean_variance, one_day, over_days


def test_a_day_to_come_lies_between_order_statistics() -> None:
    values = np.arange(1.0, 40.0)  # 39 days: the next is the least or the most of forty with one chance in twenty
    found = one_day(np.random.default_rng(0).permutation(values), np.arange(39), 0.95)
    assert (found.estimate, found.low, found.high) == (20.0, 1.0, 39.0)
    found = one_day(values, np.arange(39), 0.80)
    assert (found.low, found.high) == (4.0, 36.0)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("days", "group"), [(60, 1), (12, 1), (24, 2)])
def test_intervals_cover_a_day_to_come_as_they_promise(level: float, days: int, group: int) -> None:
    rng = np.random.default_rng(days + group)
    units = np.arange(days) // group
    hits = []
    for _ in range(800):
        shared = 0.3 * rng.normal(size=days)[units]
        values = np.exp(shared + 0.3 * rng.normal(size=days))
        found = one_day(values, units, level)
        new = np.exp(0.3 * rng.normal() + 0.3 * rng.normal())
        hits.append(found.low <= new <= found.high)
    assert np.mean(hits) >= level - 0.03
    assert np.mean(hits) <= level + 0.09  # ranks of a dozen days are coarse


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_cover_ratios_of_days_to_come_and_their_change(level: float) -> None:
    rng = np.random.default_rng(3)
    days, horizon, hits, changed = 64, 7, [], []
    for _ in range(800):
        below = np.exp(0.4 * rng.normal(size=days + horizon))
        noise = np.exp(0.2 * rng.normal(size=(2, days + horizon)))
        above = below * noise[0]
        other = 1.1 * above * np.exp(0.05 * rng.normal(size=days + horizon))
        units = np.arange(days)
        found = over_days(above[:days], below[:days], units, horizon, level)
        hits.append(found.low <= above[days:].sum() / below[days:].sum() <= found.high)
        found = change((above[:days], other[:days]), (below[:days], below[:days]), units, horizon, level)
        changed.append(found.low <= other[days:].sum() / above[days:].sum() - 1.0 <= found.high)
    for covered in (np.mean(hits), np.mean(changed)):
        assert covered == pytest.approx(level, abs=0.035)


@given(st.integers(0, 10_000), st.integers(2, 30))
def test_days_that_are_units_vary_by_the_usual_error_of_a_mean(seed: int, days: int) -> None:
    values = np.random.default_rng(seed).normal(size=days)
    influence = values - values.mean()
    assert mean_variance(influence, np.arange(days)) == pytest.approx(values.var(ddof=1) / days)
    # days told twice tell nothing new
    twice = np.tile(influence, 2)
    assert mean_variance(twice, np.tile(np.arange(days), 2)) == pytest.approx(values.var(ddof=1) / days)


def test_what_is_not_known_has_no_ends() -> None:
    one = np.ones(1)
    assert np.isnan(one_day(one, np.zeros(1, np.int64), 0.95)).all()
    assert np.isnan(one_day(np.full(50, np.nan), np.arange(50), 0.95)).all()
    assert np.isnan(over_days(one, one, np.zeros(1, np.int64), 7, 0.95)[1:]).all()
    nothing = np.zeros(9)
    assert np.isnan(over_days(np.ones(9), nothing, np.arange(9), 7, 0.95)).all()
    assert np.isnan(change((nothing, np.ones(9)), (np.ones(9), np.ones(9)), np.arange(9), 7, 0.95)).all()
    assert mean_variance(np.zeros(4), np.zeros(4, np.int64)) == np.inf


def test_values_of_any_sign_have_intervals_where_days_are_few() -> None:
    found = one_day(np.array([-1.0, 0.0, 1.0]), np.arange(3), 0.8)
    assert found.low == pytest.approx(-found.high)
    assert found.high == pytest.approx(1.8856 * np.sqrt(1 + 1 / 3), rel=1e-4)  # t of 2 degrees of freedom at 0.9

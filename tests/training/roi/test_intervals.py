"""Intervals of rates over days, one alone and many at once, hold as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.training.roi.intervals import LEAST_DAYS, LEAST_EVENTS, Array, influence, ratio, together

_RUNS = 400


def orders(rng: np.random.Generator, days: int, rate: float, runs: int = _RUNS) -> tuple[Array, Array]:
    """Spend and order value (runs, days): days of different traffic, a Poisson number of log-normal orders each."""
    traffic = rng.lognormal(0.0, 0.4, (runs, days))
    counts = rng.poisson(rate * traffic)
    value = np.array([[rng.lognormal(0.0, 0.8, n).sum() for n in row] for row in counts])
    return traffic, value


@pytest.mark.parametrize("days", [7, 28])
def test_an_interval_holds_the_truth_as_often_as_it_says(days: int) -> None:
    rate, mean = 5.0, float(np.exp(0.5 * 0.8**2))
    spend, value = orders(np.random.default_rng(days), days, rate)
    held = 0
    for s, v in zip(spend, value, strict=True):
        found = ratio(v, s)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= rate * mean <= found.high
    assert held / _RUNS > 0.92


def test_what_a_day_does_to_both_columns_is_no_noise() -> None:
    spend = np.array([1.0, 5.0, 2.0, 9.0, 4.0])
    found = ratio(3.0 * spend, spend)
    assert found.value == 3.0
    assert (found.low, found.high) == pytest.approx((3.0, 3.0))


def test_an_estimate_scales_and_says_why_it_has_no_interval() -> None:
    ones = np.ones(LEAST_DAYS)
    assert ratio(ones, 2 * ones).scaled(4.0).value == 2.0
    assert ratio(ones, 0 * ones).why == "nothing to divide by"
    few = ratio(ones, ones, events=LEAST_EVENTS - 1)
    assert (few.value, few.known, few.why) == (1.0, False, "9 conversions: an interval takes 10")
    assert ratio(ones[:4], ones[:4]).why == "4 days: an interval takes 5"
    assert ratio(np.eye(LEAST_DAYS)[0], ones).why == "all of it is of one day"
    none = ratio(0 * ones, ones)
    assert (none.value, none.why) == (0.0, "nothing counted")


def test_intervals_of_many_differences_hold_together() -> None:
    """Six groups that are truly alike, fifteen pairs: any pair is called different in about one family of twenty."""
    rng = np.random.default_rng(3)
    pairs = [(a, b) for a in range(6) for b in range(a)]
    families, alone, runs = 0, 0, 150
    for _ in range(runs):
        spend = rng.lognormal(0.0, 0.3, (20, 6))
        value = spend * rng.lognormal(0.0, 0.5, (20, 6))
        psi, logs = influence(value, spend), np.log(value.sum(axis=0) / spend.sum(axis=0))
        found = together(
            np.array([logs[a] - logs[b] for a, b in pairs]), np.stack([psi[:, a] - psi[:, b] for a, b in pairs], axis=1)
        )
        assert (found.low <= found.estimate).all()
        families += bool(((found.low > 0) | (found.high < 0)).any())
        pair_by_pair = [
            together(found.estimate[k : k + 1], psi[:, [a]] - psi[:, [b]]) for k, (a, b) in enumerate(pairs)
        ]
        alone += any(one.low[0] > 0 or one.high[0] < 0 for one in pair_by_pair)
    assert families / runs < 0.08
    assert alone / runs > 0.25  # what one would have said of the same families, pair by pair


def test_one_difference_alone_has_students_interval() -> None:
    psi = np.random.default_rng(0).normal(size=(10, 1))
    found = together(np.zeros(1), psi)
    assert found.high[0] == pytest.approx(2.262 * psi.std(ddof=1) / np.sqrt(10), rel=1e-3)
    assert found.low[0] == -found.high[0]

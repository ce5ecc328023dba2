"""Contrasts of paired units: their value, and the spread of one unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bidpilot.training.experiments.contrasts import difference_of_shares, log_ratio, log_ratio_of_rates

RNG = np.random.default_rng(3)
COLUMNS = RNG.uniform(1.0, 5.0, (4, 6, 40))


def test_an_estimate_is_of_the_means_so_far() -> None:
    treated, control, wins, other = COLUMNS
    for t in (2, 17, 40):
        now = [column[:, :t].mean(axis=1) for column in COLUMNS]
        assert log_ratio(treated, control).estimate[:, t - 1] == pytest.approx(np.log(now[0] / now[1]))
        rates = log_ratio_of_rates((treated, control), (wins, other)).estimate[:, t - 1]
        assert rates == pytest.approx(np.log(now[0] / now[1] / (now[2] / now[3])))
        shares = difference_of_shares((treated, wins), (control, other)).estimate[:, t - 1]
        assert shares == pytest.approx(now[0] / now[2] - now[1] / now[3])


Function = Callable[..., Any]
CONTRASTS: dict[str, tuple[Function, Function]] = {  # as a path, and as a function of means
    "ratio": (lambda a, b, c, d: log_ratio(a, b), lambda a, b, c, d: np.log(a / b)),
    "rates": (lambda a, b, c, d: log_ratio_of_rates((a, b), (c, d)), lambda a, b, c, d: np.log(a / b / (c / d))),
    "shares": (lambda a, b, c, d: difference_of_shares((a, b), (c, d)), lambda a, b, c, d: a / b - c / d),
}


@pytest.mark.parametrize("kind", CONTRASTS)
def test_the_spread_is_that_of_the_jackknife(kind: str) -> None:
    columns = np.random.default_rng(8).gamma(20.0, 1.0, (4, 1500))
    contrast, value = CONTRASTS[kind]
    n = columns.shape[1]
    left_out = value(*((columns.sum(axis=1, keepdims=True) - columns) / (n - 1)))
    jackknife = np.sqrt((n - 1) * ((left_out - left_out.mean()) ** 2).sum())
    assert contrast(*columns).std[-1] == pytest.approx(jackknife, rel=0.01)


def test_what_both_arms_share_cancels() -> None:
    day = np.exp(RNG.normal(size=50))
    path = log_ratio(1.02 * day, day)
    assert path.estimate[-1] == pytest.approx(np.log(1.02))
    assert path.std[-1] == pytest.approx(0.0, abs=1e-7)


def test_money_in_another_currency_changes_nothing() -> None:
    a, b, c, d = COLUMNS
    assert log_ratio(8.0 * a, 8.0 * b).std == pytest.approx(log_ratio(a, b).std)
    assert log_ratio_of_rates((8.0 * a, b), (8.0 * c, d)).std == pytest.approx(log_ratio_of_rates((a, b), (c, d)).std)


def test_a_mean_of_zero_has_no_ratio_and_no_finite_spread() -> None:
    path = log_ratio(np.array([0.0, 0.0, 0.0, 2.0]), np.ones(4))
    assert np.isnan(path.estimate[:3]).all()
    assert np.isinf(path.std[:3]).all()
    assert path.estimate[3] == pytest.approx(np.log(0.5))
    assert np.isinf(log_ratio(np.ones(1), np.ones(1)).std).all()  # one unit tells of no spread


@pytest.mark.parametrize("silent", [0, 1])
def test_a_rate_of_nothing_so_far_is_none_and_not_what_rounding_makes_of_it(silent: int) -> None:
    rng = np.random.default_rng(0)
    for units in range(20, 60):
        for first in range(12, 20):
            counted = np.zeros((2, units))
            counted[1 - silent] = rng.random(units)
            counted[silent, [first, -1]] = rng.random(2)
            spent = 1.0 + rng.random((2, units))
            path = log_ratio_of_rates((spent[0], counted[0]), (spent[1], counted[1]))
            assert np.isnan(path.estimate[:first]).all()
            assert np.isinf(path.std[:first]).all()
            assert np.abs(path.estimate[first:]).max() < 12.0

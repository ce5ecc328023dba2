"""CUPED: what covariates explain is taken away, and nothing of a difference."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.training.experiments.cuped import fit_paired, fit_single


def days(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Results (n, 2) and covariates (n, 2, 1): a level of the day, what an arm was offered, and noise."""
    level = np.exp(0.3 * rng.normal(size=(n, 1)))
    offered = np.exp(0.03 * rng.normal(size=(n, 2)))
    return level * (1.0 + 0.8 * np.log(offered) + 0.01 * rng.normal(size=(n, 2))), (level * offered)[..., None]


def test_what_is_left_of_the_variance_is_one_minus_the_squared_correlation() -> None:
    result, offered = days(3000, np.random.default_rng(0))
    cuped = fit_paired(result, offered)
    x = np.diff(np.log(offered[..., 0]), axis=1)[:, 0]
    y = np.diff(result, axis=1)[:, 0]
    assert cuped.left == pytest.approx(1 - np.corrcoef(x, y)[0, 1] ** 2, abs=0.01)
    assert np.diff(cuped.adjust(result, offered, 1.0), axis=1).var() == pytest.approx(cuped.left * y.var(), rel=0.15)


def test_single_days_lose_their_level() -> None:
    result, offered = days(3000, np.random.default_rng(0))
    cuped = fit_single(result[:, :1], offered[:, :1])
    left = cuped.adjust(result[:, 0], offered[:, 0], result[:, 0].mean())
    assert left.var() < 0.1 * result[:, 0].var()


def test_the_expected_difference_stays_whatever_theta() -> None:
    rng = np.random.default_rng(4)
    cuped = fit_paired(*days(100, rng))
    result, offered = days(40_000, rng)
    treated = result * np.array([1.0, 1.05])
    before, after = (np.diff(y, axis=1).mean() for y in (treated, cuped.adjust(treated, offered, 1.0)))
    assert after == pytest.approx(before, abs=0.001)


def test_too_few_days_or_days_without_requests_are_refused() -> None:
    result, offered = days(4, np.random.default_rng(0))
    with pytest.raises(InvalidExperiment, match="4 past units are too few to fit 1 covariates"):
        fit_paired(result, offered)
    result, offered = days(30, np.random.default_rng(0))
    offered[3] = 0.0
    with pytest.raises(InvalidExperiment, match="no requests"):
        fit_paired(result, offered)

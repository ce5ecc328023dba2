"""Intervals that hold at every look, and the evidence that goes with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import nct, norm, t

from bidpilot.training.experiments.sequence import BURN_IN, early_radius, log_evidence, mixture, radius

SHAPES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "of skewed arms": lambda rng, shape: rng.exponential(size=shape) - rng.exponential(size=shape),
    "heavy": lambda rng, shape: rng.standard_t(4, size=shape),
}
"""Differences of arms that are alike, which are symmetric whatever the arms' own distribution is."""


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("horizon", [20.0, 100.0])
def test_the_interval_is_narrowest_at_its_horizon(alpha: float, horizon: float) -> None:
    best = float(radius(horizon, mixture(horizon, alpha), alpha))
    for other in (0.5, 0.8, 1.25, 2.0):
        assert best < float(radius(horizon, other * mixture(horizon, alpha), alpha))


@given(st.integers(BURN_IN, 500), st.floats(0.005, 0.3), st.floats(5.0, 200.0))
def test_evidence_reaches_one_over_alpha_where_the_interval_leaves_zero_out(
    t: int, alpha: float, horizon: float
) -> None:
    rho2 = mixture(horizon, alpha)
    edge = np.array(float(radius(t, rho2, alpha)) * 3.0)
    assert float(log_evidence(t, edge, np.array(3.0), rho2)) == pytest.approx(-np.log(alpha))


def test_evidence_is_the_likelihood_ratio_averaged_over_a_normal_prior() -> None:
    units, mean, rho2 = 20, 0.3, 0.4

    def integrand(theta: float) -> float:
        return float(np.exp(units * (theta * mean - theta**2 / 2)) * norm.pdf(theta, scale=rho2**0.5))

    assert float(log_evidence(units, np.array(mean), np.array(1.0), rho2)) == pytest.approx(
        np.log(quad(integrand, -10, 10)[0])
    )


def test_nothing_is_said_before_the_burn_in() -> None:
    rho2 = mixture(28.0, 0.05)
    before = np.arange(1, BURN_IN)
    assert np.isinf(radius(before, rho2, 0.05)).all()
    assert (log_evidence(before, np.full(BURN_IN - 1, 9.0), np.ones(BURN_IN - 1), rho2) == 0).all()
    assert np.isfinite(radius(BURN_IN, rho2, 0.05))


def test_units_without_spread_prove_a_difference_and_no_equality() -> None:
    rho2, none = mixture(28.0, 0.05), np.zeros(2)
    assert log_evidence(20, np.array([0.1, 0.0]), none, rho2).tolist() == [np.inf, 0.0]


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_arms_differ_at_some_look_in_at_most_alpha_of_experiments(shape: str) -> None:
    values = SHAPES[shape](np.random.default_rng(1), (4000, 80))
    units = np.arange(1.0, 81.0)
    mean = np.cumsum(values, axis=1) / units
    variance = (np.cumsum(values**2, axis=1) / units - mean**2) * units / np.maximum(units - 1, 1)
    std = np.sqrt(np.maximum(variance, 0))
    rho2 = mixture(28.0, 0.05)
    wide = radius(units, rho2, 0.05)
    late = (np.abs(mean) > np.where(np.isinf(wide), np.inf, std * np.where(np.isinf(wide), 0.0, wide))).any(axis=1)
    assert late.mean() < 0.05
    soon = early_radius(units, rho2, 0.05)
    early = (np.abs(mean) > np.where(np.isinf(soon), np.inf, std * np.where(np.isinf(soon), 0.0, soon))).any(axis=1)
    assert early.mean() < 0.05


def test_the_early_interval_is_the_bayes_factor_of_the_t_test() -> None:
    units, alpha, rho2 = 7, 0.05, mixture(28.0, 0.05)
    value = float(early_radius(units, rho2, alpha)) * units**0.5  # the t statistic on the edge

    def integrand(effect: float) -> float:  # of a standardised effect with this prior
        return float(t_density(value, units - 1, effect * units**0.5) * norm.pdf(effect, scale=rho2**0.5))

    factor = quad(integrand, -12, 12, limit=200)[0] / t.pdf(value, units - 1)
    assert factor == pytest.approx(1 / alpha, rel=1e-3)


def t_density(value: float, freedom: int, shift: float) -> float:
    return float(nct.pdf(value, freedom, shift))


def test_the_early_interval_begins_early_and_comes_near_the_late_one() -> None:
    rho2 = mixture(28.0, 0.01)
    first = int(np.argmax(np.isfinite(early_radius(np.arange(1, 60), rho2, 0.01)))) + 1
    assert 2 <= first < BURN_IN
    assert float(early_radius(2000, rho2, 0.01)) == pytest.approx(float(radius(2000, rho2, 0.01)), rel=0.01)

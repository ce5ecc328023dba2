"""Power: how long an experiment takes."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.training.experiments.power import least_effect, units_needed
from bidpilot.training.experiments.sequence import BURN_IN, mixture, radius


@pytest.mark.parametrize("effect", [0.01, 0.02])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_the_units_that_are_asked_for_find_the_effect_with_that_probability(effect: float, power: float) -> None:
    std, alpha = 0.03, 0.05
    units = units_needed(std, effect, alpha, power)
    assert units is not None
    rho2 = mixture(units, alpha)
    values = np.random.default_rng(0).normal(np.log1p(effect), std, (3000, units))
    t = np.arange(1.0, units + 1.0)
    mean = np.cumsum(values, axis=1) / t
    hit = mean > std * radius(t, rho2, alpha)
    assert hit[:, -1].mean() == pytest.approx(power, abs=0.04)
    assert hit.any(axis=1).mean() >= hit[:, -1].mean()


def test_duration_and_least_effect_are_each_others_inverse() -> None:
    for std in (0.02, 0.2):
        units = units_needed(std, 0.02)
        assert units is not None
        assert least_effect(std, units) <= 0.02 < least_effect(std, units - 1)


def test_no_experiment_is_shorter_than_the_burn_in_or_endless() -> None:
    assert units_needed(1e-6, 0.5) == BURN_IN
    assert units_needed(5.0, 0.001) is None
    assert least_effect(0.02, BURN_IN - 1) == np.inf

"""Whether arms get their shares of users: the sequential multinomial test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from bidpilot.training.experiments.ratio import ALPHA, log_mismatch


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0.1, 0.9))
def test_it_is_the_bayes_factor_of_a_dirichlet(control: int, treated: int, share: float) -> None:
    weight, n = 500.0, control + treated
    expected = betabinom.logpmf(treated, n, weight * share, weight * (1 - share)) - binom.logpmf(treated, n, share)
    found = float(log_mismatch(np.array([control, treated]), (1 - share, share), weight))
    assert found == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.5, 0.3, 0.2)])
def test_a_sound_split_is_called_broken_in_at_most_one_experiment_of_a_hundred(shares: tuple[float, ...]) -> None:
    users = np.random.default_rng(2).multinomial(300, shares, size=(1000, 60))
    alarms = (log_mismatch(np.cumsum(users, axis=1), shares) >= -np.log(ALPHA)).any(axis=1)
    assert alarms.mean() <= ALPHA


def test_two_users_in_a_hundred_too_many_are_found_on_the_first_or_second_day() -> None:
    users = np.cumsum(np.random.default_rng(2).binomial(9600, 0.52, size=(200, 2)), axis=1)
    counts = np.stack([[9600, 19200] - users, users], axis=-1)
    assert (log_mismatch(counts, (0.5, 0.5)) >= -np.log(ALPHA)).any(axis=1).mean() > 0.95
